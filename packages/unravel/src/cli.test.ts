import { spawnSync } from 'node:child_process'
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type ExpansionDocument, expansionDocument } from '@unravel/report/data'
import { formatNpy, parseNpz } from '@unravel/tensor'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Outcome, runUnravel, startUnravel } from '../../../test/support/cli.js'
import { program } from './program.js'

const package_ = resolve(import.meta.dirname, '..')
const fixtures = resolve(package_, '../../test/fixtures/oracle')
const fixture = (name: string) => join(fixtures, name)
const tanhInput = join(fixture('mlp-tanh'), 'input.npy')

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'unravel-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (argv: readonly string[], cwd = folder) => runUnravel(argv, cwd)

let made = 0
/** A copy of a fixture that a test may spoil. */
function copyOf(name: string): string {
  const copy = join(folder, `${name}-${made++}`)
  cpSync(fixture(name), copy, { recursive: true })
  return copy
}

function npy(data: Float64Array | Int32Array, shape: number[]): string {
  const path = join(folder, `input-${made++}.npy`)
  writeFileSync(path, formatNpy({ data, shape, dtype: data instanceof Int32Array ? 'i32' : 'f64' }))
  return path
}

async function documentFrom(argv: readonly string[]): Promise<ExpansionDocument> {
  const { status, stdout, stderr } = await run([...argv, '--json'])
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
  return expansionDocument.parse(JSON.parse(stdout))
}

/** One line on standard error, nothing else anywhere. */
function expectComplaint({ status, stdout, stderr }: Outcome, saying: RegExp): void {
  expect(stderr).toMatch(saying)
  expect(stderr).toMatch(/^unravel: [^\n]+\n$/)
  expect(stderr).not.toMatch(/ at .*\(.*:\d+:\d+\)|\[object/)
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
}

test('--backend gpu without a graphics processor runs on wasm, with one warning, and says so', async () => {
  const { status, stdout, stderr } = await run([
    ...['expand', fixture('mlp-tanh'), '--input', tanhInput],
    ...['--backend', 'gpu', '--dtype', 'f32', '--json'],
  ])
  const document = expansionDocument.parse(JSON.parse(stdout))
  expect({ status, backend: document.backend }).toEqual({ status: 0, backend: 'wasm' })
  expect(stderr.match(/^warning: --backend gpu: .*: the wasm backend runs instead$/gm)).toHaveLength(1)
})

test('a message about arguments of any length is one line of at most 2,000 characters', async () => {
  const long = 'n'.repeat(10_000)
  for (const argv of [
    [long],
    ['expand', long, '--input', 'X'],
    ['expand', fixture('mlp-tanh'), '--input', long],
    ['expand', fixture('mlp-tanh'), '--input', tanhInput, '--orders', long],
    ['expand', fixture('mlp-tanh'), '--input', tanhInput, '--out', `${long}/x.npz`],
    ['expand', fixture('mlp-tanh'), '--input', tanhInput, `--${long}`],
    ['train', '--data', long, '--out', long],
  ]) {
    const outcome = await run(argv)
    expectComplaint(outcome, /…\(\d+ characters\)…/)
    expect(outcome.stderr.length).toBeLessThanOrEqual(2000)
  }
})

test.each([
  ['expand', ['expand', fixture('mlp-tanh'), '--input', tanhInput, '--out', '/proc/x.npz']],
  ['report', ['report', fixture('mlp-tanh'), '--input', tanhInput, '--out', '/proc/x.html']],
  ['convert', ['convert', fixture('mlp-tanh/config.json'), '--out', '/proc/x']],
  ['demo', ['demo', '--out', '/proc/x']],
])('%s refuses a place where nothing can be written before it begins', async (_, argv) => {
  expectComplaint(await run(argv), /^unravel: cannot (write|make) \/proc\/x/)
})

test('convert leaves no folder behind for a file that it refuses', async () => {
  for (const [file, saying] of [
    [tanhInput, /dlib/],
    [fixture('mlp-tanh/config.json'), /tfjs/],
  ] as const) {
    expectComplaint(await run(['convert', file, '--out', join(folder, 'un', 'made')]), saying)
    expect(existsSync(join(folder, 'un'))).toBe(false)
  }
})

describe('the arguments', () => {
  const base = ['expand', 'MODEL', '--input', 'X']
  const cases: [name: string, argv: string[], saying: RegExp][] = [
    ['no command', [], /a command is missing/],
    ['unknown command, with a suggestion', ['exapnd'], /unknown command 'exapnd'.*expand/],
    ['unknown option, with a suggestion', [...base, '--oders', '3'], /unknown option '--oders'.*--orders/],
    ['unknown option', ['--frobnicate'], /unknown option '--frobnicate'/],
    ['no model', ['expand', '--input', 'X'], /missing required argument 'MODEL'/],
    ['two models', ['expand', 'A', 'B', '--input', 'X'], /too many arguments/],
    ['no input', ['expand', 'MODEL'], /required option '--input <X.npy>' not specified/],
    ['option without its value', [...base, '--scale'], /'--scale <λ>' argument missing/],
    ['unknown expansion', [...base, '--expansion', 'laurent'], /'laurent' is invalid.*taylor, gated, gradient/],
    [
      'a start of the series for no series',
      [...base, '--expansion', 'gated', '--about', '0.5'],
      /--about is for.*taylor/,
    ],
    ['a start beyond the network', [...base, '--about', '1'], /'--about <t>'.*below 1/],
    ['one sample', [...base, '--expansion', 'subsets', '--samples', '1'], /at least 2/],
    ['unknown backend', [...base, '--backend', 'cuda'], /'cuda' is invalid.*js, wasm, gpu/],
    ['unknown dtype', [...base, '--dtype', 'f16'], /'f16' is invalid.*f64, f32/],
    ['negative orders', [...base, '--orders', '-1'], /'-1' is invalid.*integer of at least 0/],
    ['fractional orders', [...base, '--orders', '2.5'], /'2.5' is invalid.*integer/],
    ['orders in words', [...base, '--orders', 'many'], /'many' is invalid/],
    ['every order of a series', [...base, '--orders', 'all'], /a Taylor series has no last order/],
    ['too many orders', [...base, '--orders', '1000000'], /at most 1000/],
    ['orders beyond the integers', [...base, '--orders', '99999999999999999999'], /is invalid/],
    ['a scale that is not a number', [...base, '--scale', 'NaN'], /'NaN' is invalid.*finite number, '1\/n' or/],
    ['an infinite scale', [...base, '--scale', '1e999'], /'1e999' is invalid/],
    [
      'more than a preset of a scale takes',
      ['train', '--data', 'd', '--out', 'o', '--scale', 'nf:0.2:9'],
      /'nf:0.2:9' is invalid/,
    ],
    ['a constant scale and more', ['train', '--data', 'd', '--out', 'o', '--scale', 'constant:1:1/n'], /is invalid/],
    ['an empty scale', [...base, '--scale', ''], /'' is invalid/],
    ['a negative target', [...base, '--expansion', 'gradient', '--target', '-2'], /'-2' is invalid/],
    ['nowhere to write', [...base, '--out', 'no/such/folder/x.npz'], /--out .*there is no folder/],
    ['an output without a name', [...base, '--out', ''], /option '--out <FILE.npz>' is empty/],
    ['a model without a name', ['expand', '', '--input', 'X'], /argument 'MODEL' is empty/],
    ['a folder without a name', ['train', '--data', 'mnist', '--out', ''], /option '--out <FOLDER>' is empty/],
    ['a folder to write to', [...base, '--out', '.'], /--out .*it is a folder/],
  ]
  test.each(cases)('%s: exit 2 and one line', async (_, argv, saying) => {
    expectComplaint(await run(argv), saying)
  })

  test('descriptions of commands, arguments and options begin with a noun', () => {
    const { commands } = program({ cwd: folder, out() {}, err() {}, interruption: () => new AbortController().signal })
    expect(commands.length).toBeGreaterThan(9)
    const described = commands.flatMap(command => [
      command.description(),
      ...[...command.registeredArguments, ...command.options].map(of => of.description),
    ])
    const others =
      /^(?:(?:an?|the|of|in|on|where|which|what|how|first|each|every|default|see|print|write|read|run|train|check|keep|include|remove|learn|go|gradient:|taylor:|subsets:)(?!\w)|['λ]|$)/i
    expect(described.filter(text => others.test(text))).toEqual([])
  })

  test('--help prints one default for an option, as it is typed', async () => {
    const { stdout: complexity } = await run(['complexity', '--help'])
    const target = complexity.slice(complexity.indexOf('--target'), complexity.indexOf('--direction'))
    expect(target.match(/default/g)).toEqual(['default'])
    for (const command of ['train', 'demo']) {
      const { stdout } = await run([command, '--help'])
      expect(stdout).toContain('default')
      expect(stdout).not.toMatch(/default:\s+\[/)
    }
  })

  test('--help and --version succeed on standard output', async () => {
    const help = await run(['expand', '--help'])
    expect(help).toMatchObject({ status: 0, stderr: '' })
    for (const option of [
      'input',
      'expansion',
      'orders',
      'scale',
      'target',
      'dtype',
      'backend',
      'values',
      'out',
      'json',
    ]) {
      expect(help.stdout).toContain(`--${option}`)
    }
    const { version } = JSON.parse(readFileSync(join(package_, 'package.json'), 'utf8'))
    expect(await run(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
  })
})

describe('the input', () => {
  const good = Float64Array.from({ length: 10 }, (_, i) => i / 10)
  const withAt = (i: number, value: number) => good.map((x, j) => (i === j ? value : x))
  const cases: [name: string, make: () => string, saying: RegExp, ...options: string[]][] = [
    ['missing file', () => 'nothing.npy', /nothing\.npy: there is no such file/],
    ['a folder', () => fixtures, /cannot read .*oracle: it is a folder/],
    ['not .npy', () => join(fixture('mlp-tanh'), 'config.json'), /config\.json: npy: .*numpy\.save/],
    ['empty file', () => spoiled(tanhInput, () => new Uint8Array()), /npy/],
    ['truncated', () => spoiled(tanhInput, bytes => bytes.subarray(0, bytes.length - 3)), /npy/],
    ['too wide', () => npy(new Float64Array(12), [2, 6]), /shape \[batch, 5\], got \[2, 6\]/],
    ['no batch axis', () => npy(new Float64Array(5), [5]), /shape \[batch, 5\], got \[5\]/],
    ['empty batch', () => npy(new Float64Array(0), [0, 5]), /\[0, 5\] holds no inputs/],
    ['integers', () => npy(new Int32Array(10), [2, 5]), /real numbers \(f4 or f8\), got integers/],
    ['NaN', () => npy(withAt(7, Number.NaN), [2, 5]), /\[1, 2\] is NaN/],
    ['infinity', () => npy(withAt(0, -Infinity), [2, 5]), /\[0, 0\] is -Infinity/],
    ['beyond f32', () => npy(withAt(9, 1e300), [2, 5]), /\[1, 4\].*f32/, '--dtype', 'f32'],
    ['no such output', () => npy(good, [2, 5]), /--target 3.*0 to 2/, '--expansion', 'gradient', '--target', '3'],
  ]
  test.each(cases)('%s: exit 2 and one line', async (_, make, saying, ...options) => {
    expectComplaint(await run(['expand', fixture('mlp-tanh'), '--input', make(), ...options]), saying)
  })

  function spoiled(path: string, change: (bytes: Uint8Array) => Uint8Array): string {
    const copy = join(folder, `spoiled-${made++}.npy`)
    writeFileSync(copy, change(readFileSync(path)))
    return copy
  }
})

describe('the model', () => {
  type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>
  const weights = (model: string) => join(model, 'model.safetensors')

  function rewriteBytes(model: string, change: (bytes: Buffer) => Uint8Array): void {
    writeFileSync(weights(model), change(readFileSync(weights(model))))
  }
  const written = (write: (bytes: Buffer) => unknown) => (bytes: Buffer) => {
    write(bytes)
    return bytes
  }
  /** Rewrites the JSON header of the weights, and their data if asked to. */
  function rewriteHeader(model: string, change: (header: Header) => void, data = (bytes: Buffer): Uint8Array => bytes) {
    rewriteBytes(model, bytes => {
      const length = Number(bytes.readBigUInt64LE(0))
      const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Header
      change(header)
      const text = Buffer.from(JSON.stringify(header))
      const size = Buffer.alloc(8)
      size.writeBigUInt64LE(BigInt(text.length))
      return Buffer.concat([size, text, data(bytes.subarray(8 + length))])
    })
  }
  function rewriteConfig(model: string, change: (config: Record<string, unknown>) => void): void {
    const path = join(model, 'config.json')
    const config = JSON.parse(readFileSync(path, 'utf8'))
    change(config)
    writeFileSync(path, JSON.stringify(config))
  }
  const set = (name: string, value: unknown) => (model: string) =>
    rewriteConfig(model, config => {
      config[name] = value
    })

  const cases: [name: string, spoil: (model: string) => void, saying: RegExp][] = [
    ['no such folder', model => rmSync(model, { recursive: true }), /no such file or folder|does not exist/],
    ['no config', model => rmSync(join(model, 'config.json')), /config\.json/],
    ['no weights', model => rmSync(weights(model)), /model\.safetensors/],
    [
      'config that is no JSON',
      model => writeFileSync(join(model, 'config.json'), '{"architecture": '),
      /config\.json.*JSON/,
    ],
    ['config that is no object', model => writeFileSync(join(model, 'config.json'), '[]'), /config\.json/],
    ['unknown architecture', set('architecture', 'perceiver'), /perceiver.*residual-mlp/],
    ['no architecture', set('architecture', undefined), /architecture.*residual-mlp/],
    ['unknown activation', set('activation', 'swish2'), /activation/],
    ['unknown norm', set('norm', 'group'), /norm/],
    ['negative depth', set('depth', -1), /depth/],
    ['fractional width', set('width', 7.5), /width/],
    ['scale of an unknown rule', set('scale', { rule: '1/n^2' }), /scale/],
    ['scale without its value', set('scale', { rule: 'constant' }), /scale/],
    ['too few scales', set('scale', { rule: 'per-block', values: [1, 2] }), /8 values.*got 2/],
    ['more blocks than weights', set('depth', 9), /blocks\.8\./],
    ['fewer blocks than weights', set('depth', 7), /blocks\.7\./],
    ['another width', set('width', 9), /encoder\.weight.*\[8,5\].*\[9,5\]/],
    ['empty weights', model => writeFileSync(weights(model), ''), /safetensors: the file has 0 bytes/],
    [
      'truncated weights',
      model => rewriteBytes(model, bytes => bytes.subarray(0, bytes.length - 8)),
      /safetensors|byte/,
    ],
    ['truncated header', model => rewriteBytes(model, bytes => bytes.subarray(0, 40)), /header/],
    [
      'an absurd header length',
      model =>
        rewriteBytes(
          model,
          written(bytes => bytes.writeBigUInt64LE(1n << 62n)),
        ),
      /header/,
    ],
    [
      'a header that is no JSON',
      model =>
        rewriteBytes(
          model,
          written(bytes => bytes.write('nonsense', 8)),
        ),
      /header|JSON/,
    ],
    ['bytes too many', model => rewriteBytes(model, bytes => Buffer.concat([bytes, Buffer.alloc(8)])), /byte/],
    [
      'overlapping tensors',
      model =>
        rewriteHeader(model, header => {
          const [first, second] = Object.keys(header).filter(key => header[key]!.shape?.join() === '8')
          header[second!]!.data_offsets = header[first!]!.data_offsets
        }),
      /overlap|byte/,
    ],
    [
      'a weight that is NaN',
      // The last number of the file is of the last tensor.
      model =>
        rewriteBytes(
          model,
          written(bytes => bytes.writeDoubleLE(Number.NaN, bytes.length - 8)),
        ),
      /element \[\d+(, \d+)*\] of tensor "[a-z.0-9]+" is NaN; weights must be finite/,
    ],
    [
      'a name with control characters',
      model =>
        rewriteHeader(model, header => {
          header['\u001b[2J\rencoder'] = header['encoder.bias']!
          delete header['encoder.bias']
        }),
      /"\ufffd\[2J encoder" is not part/,
    ],
    [
      'offsets beyond the file',
      model =>
        rewriteHeader(model, header => {
          const { data_offsets: offsets } = header['encoder.bias']!
          offsets[0] += 1e9
          offsets[1] += 1e9
        }),
      /encoder\.bias|byte/,
    ],
    [
      'a missing tensor',
      model =>
        rewriteHeader(model, header => {
          header['blocks.3.fc3.weight'] = header['blocks.3.fc2.weight']!
          delete header['blocks.3.fc2.weight']
        }),
      /blocks\.3\.fc[23]\.weight/,
    ],
    [
      'a tensor of another shape',
      model =>
        rewriteHeader(model, header => {
          header['encoder.weight']!.shape.reverse()
        }),
      /encoder\.weight.*\[5,8\].*\[8,5\]/,
    ],
    [
      'a dtype that is not read',
      model =>
        rewriteHeader(model, header => {
          header['encoder.weight']!.dtype = 'C64'
        }),
      /encoder\.weight|C64/,
    ],
  ]
  test('a weight beyond f32 is told from one that is not finite', async () => {
    const model = copyOf('mlp-tanh')
    rewriteBytes(
      model,
      written(bytes => bytes.writeDoubleLE(1e300, bytes.length - 8)),
    )
    const argv = [model, '--input', tanhInput]
    expectComplaint(
      await run(['expand', ...argv, '--dtype', 'f32']),
      /of tensor "[a-z.0-9]+" is 1e\+300, beyond the range of f32; use f64/,
    )
    expectComplaint(await run(['paths', ...argv, '--dtype', 'f32']), /beyond the range of f32/)
    expect((await run(['paths', ...argv])).status).toBe(0)
  })

  test.each(cases)('%s: exit 2 and one line', async (_, spoil, saying) => {
    const model = copyOf('mlp-tanh')
    spoil(model)
    expectComplaint(await run(['expand', model, '--input', tanhInput, '--out', join(folder, 'never.npz')]), saying)
    expect(readdirSync(folder)).not.toContain('never.npz')
  })
})

describe('the document', () => {
  test.each(['taylor', 'gated', 'gradient'])(
    '%s: every field, and nothing else on standard output',
    async expansion => {
      const argv = ['expand', fixture('mlp-tanh'), '--input', tanhInput, '--expansion', expansion, '--values']
      const document = await documentFrom([...argv, '--orders', '4'])
      expect(document).toMatchObject({
        expansion,
        model: fixture('mlp-tanh'),
        blocks: 8,
        orders: 4,
        dtype: 'f64',
        backend: 'wasm',
        scale: 0.125,
        chains: ['1', '8', '28', '56', '70'],
      })
      for (const list of [document.values, document.norms, document.share, document.remainder, document.terms]) {
        expect(list).toHaveLength(5)
      }
      // A series has no last order; of the others a share is of all orders, however many are listed.
      const whole = expansion === 'taylor' ? document : await documentFrom([...argv, '--orders', 'all'])
      expect(document.share_of).toBe(expansion === 'taylor' ? 'kept orders' : 'all orders')
      expect(whole.share.reduce((a, b) => a! + b!)).toBeCloseTo(1, 12)
      document.share.forEach((share, k) => void expect(share).toBeCloseTo(whole.share[k]!, 12))
      expect(document.seconds.total).toBeGreaterThan(0)
      expect(document.seconds.forward).toBeGreaterThan(0)
      if (expansion === 'taylor') {
        expect(document.terms).toEqual(['1', '8', '28', '140', '742'].map((_, k) => document.terms[k]))
        expect(document).toMatchObject({ tail_norm: null, radius: expect.anything(), resummed: expect.anything() })
      } else {
        expect(document).toMatchObject({ radius: null, kink_radius: null, resummed: null, terms: document.chains })
        expect(document.tail_norm! / document.output_norm!).toBeCloseTo(document.remainder.at(-1)!, 12)
      }
    },
  )

  test('defaults: taylor, orders 8, f64, wasm, without values', async () => {
    const document = await documentFrom(['expand', fixture('mlp-tanh'), '--input', tanhInput])
    expect(document).toMatchObject({ expansion: 'taylor', orders: 8, dtype: 'f64', backend: 'wasm' })
    expect(document).not.toHaveProperty('values')
    expect(document).not.toHaveProperty('output')
  })

  test('gated stops at the number of blocks, however many orders are asked for', async () => {
    const argv = ['expand', fixture('mlp-tanh'), '--input', tanhInput, '--expansion', 'gated', '--orders']
    const [all, many] = [await documentFrom([...argv, 'all']), await documentFrom([...argv, '50'])]
    expect([all.orders, many.orders]).toEqual([8, 8])
    expect(all.norms).toEqual(many.norms)
    expect(all.remainder.at(-1)).toBeLessThan(1e-13)
  })

  test('the scale of the command line takes the place of the model’s own', async () => {
    const argv = ['expand', fixture('mlp-tanh'), '--input', tanhInput, '--orders', '2', '--scale']
    expect((await documentFrom([...argv, '1/n'])).scale).toBe(1 / 8)
    expect((await documentFrom([...argv, '1/sqrt(n)'])).scale).toBe(1 / Math.sqrt(8))
    const negative = await documentFrom([...argv, '-0.125'])
    const own = await documentFrom(argv.slice(0, -1))
    expect(negative.scale).toBe(-0.125)
    expect(negative.norms[1]).toBeCloseTo(own.norms[1]!, 12)
  })

  test('scales that differ are a list, and a quantity that does not exist is null', async () => {
    const model = copyOf('mlp-tanh')
    const path = join(model, 'config.json')
    const config = JSON.parse(readFileSync(path, 'utf8'))
    const values = Array.from({ length: 8 }, (_, l) => l / 10)
    writeFileSync(path, JSON.stringify({ ...config, scale: { rule: 'per-block', values } }))
    expect((await documentFrom(['expand', model, '--input', tanhInput, '--orders', '2'])).scale).toEqual(values)
    const still = await documentFrom(['expand', model, '--input', tanhInput, '--orders', '2', '--scale', '0'])
    expect(still).toMatchObject({ scale: 0, radius: null, remainder: [0, 0, 0] })
  })

  test('f32 and the js backend are what the document says', async () => {
    const argv = ['expand', fixture('mlp-tanh'), '--input', tanhInput, '--values']
    const narrow = await documentFrom([...argv, '--dtype', 'f32', '--backend', 'js'])
    expect(narrow).toMatchObject({ dtype: 'f32', backend: 'js' })
    const wide = await documentFrom(argv)
    const [a, b] = [narrow, wide].map(d => (d.output as number[][]).flat())
    for (const [i, value] of b!.entries())
      expect(Math.abs(a![i]! - value)).toBeLessThan(64 * 2 ** -23 * Math.abs(value) + 1e-6)
    expect((a as number[]).map(Math.fround)).toEqual(a)
  })

  test('warnings stand in the document and on standard error', async () => {
    const { stdout, stderr, status } = await run([
      ...['expand', fixture('mlp-tanh'), '--input', tanhInput, '--scale', '5', '--json'],
    ])
    const { warnings } = expansionDocument.parse(JSON.parse(stdout))
    expect(status).toBe(0)
    expect(warnings.length).toBeGreaterThan(0)
    for (const warning of warnings) expect(stderr).toContain(warning)
  })
})

describe('the table', () => {
  test('the table has a row for each order, and the error of their sums', async () => {
    const { stdout, stderr, status } = await run([
      ...['expand', fixture('mlp-tanh'), '--input', tanhInput, '--orders', '3'],
    ])
    expect(status).toBe(0)
    const lines = stdout.split('\n')
    expect(lines[0]).toBe(`taylor expansion of ${fixture('mlp-tanh')}`)
    expect(lines[1]).toBe('8 blocks, λ = 0.125, 2 inputs, f64 on wasm')
    expect(lines[3]).toMatch(/^order +norm +share +remainder +terms +chains$/)
    expect(lines.slice(4, 8).map(line => line.trim().split(/ {2,}/).length)).toEqual([6, 6, 6, 6])
    expect(stdout).toMatch(/^best truncation +order \d, remainder/m)
    expect(stdout).toMatch(/^radius /m)
    expect(stdout).toMatch(/^resummed +remainder \S+ by the epsilon algorithm, \S+ by Padé \[\d\/\d\]$/m)
    expect(stderr).not.toMatch(/Warning/)
  })

  test('prints the warnings in plain words, and the kink radius of a ReLU network', async () => {
    const input = join(fixture('mlp-relu'), 'input.npy')
    const { stdout } = await run(['expand', fixture('mlp-relu'), '--input', input])
    expect(stdout).toMatch(/^kink radius +\|λ\| = \S+: the first gate flips there$/m)
    expect(stdout).toMatch(/^Warning: .*gated/m)
  })

  test('names the output whose gradient it is, the tail, and the values if asked', async () => {
    const { stdout } = await run([
      ...['expand', fixture('mlp-tanh'), '--input', tanhInput, '--values'],
      ...['--expansion', 'gradient', '--target', '2', '--orders', '1'],
    ])
    expect(stdout).toMatch(/^gradient \(of output 2\) expansion/)
    expect(stdout).toMatch(/^gradient +norm \S+\ntail +norm \S+ in orders 2 to 8$/m)
    expect(stdout).toMatch(/^order 1: (-?[\d.e-]+, ){4}-?[\d.e-]+$/m)
  })
})

describe('the archive', () => {
  test('holds the numbers of the document, and appears whole', async () => {
    const place = mkdtempSync(join(folder, 'out-'))
    const document = await documentFrom([
      ...['expand', fixture('mlp-tanh'), '--input', tanhInput, '--values', '--orders', '3'],
      ...['--out', join(place, 'x.npz')],
    ])
    expect(readdirSync(place)).toEqual(['x.npz'])
    const arrays = parseNpz(readFileSync(join(place, 'x.npz')))
    expect(Object.fromEntries([...arrays].map(([name, { shape }]) => [name, shape]))).toEqual({
      values: [4, 2, 3],
      output: [2, 3],
      norms: [4],
      remainder: [4],
    })
    expect([...arrays.get('values')!.data]).toEqual((document.values as number[][][]).flat(2))
    expect([...arrays.get('output')!.data]).toEqual((document.output as number[][]).flat())
    expect([...arrays.get('norms')!.data]).toEqual(document.norms)
  })

  test('replaces an earlier one, and leaves it alone when the run fails', async () => {
    const place = mkdtempSync(join(folder, 'out-'))
    const out = join(place, 'x.npz')
    writeFileSync(out, 'earlier')
    await run(['expand', fixture('mlp-tanh'), '--input', 'missing.npy', '--out', out])
    expect(readFileSync(out, 'utf8')).toBe('earlier')
    await run(['expand', fixture('mlp-tanh'), '--input', tanhInput, '--out', out])
    expect(readFileSync(out).subarray(0, 2).toString()).toBe('PK')
    expect(readdirSync(place)).toEqual(['x.npz'])
  })
})

describe('the program as a process', () => {
  test('prints the same as in this process, with paths from INIT_CWD', async () => {
    mkdirSync(join(folder, 'here'))
    cpSync(fixture('mlp-tanh'), join(folder, 'here/model'), { recursive: true })
    const argv = ['expand', 'model', '--input', 'model/input.npy', '--out', 'result.npz']
    const [real, inside] = await Promise.all([
      startUnravel([...argv, '--json'], join(folder, 'here')).outcome,
      run([...argv, '--json'], join(folder, 'here')),
    ])
    expect(real.status).toBe(0)
    const timeless = (text: string) => ({ ...JSON.parse(text), seconds: null })
    expect(timeless(real.stdout)).toEqual(timeless(inside.stdout))
    expect(readdirSync(join(folder, 'here')).sort()).toEqual(['model', 'result.npz'])
  })

  test('bad input, and a reader that leaves early, end it quietly', async () => {
    const argv = ['expand', fixture('mlp-tanh'), '--input', tanhInput, '--json', '--values', '--orders', '300']
    const early = startUnravel(argv, folder)
    early.child.stdout.once('data', () => early.child.stdout.destroy())
    const wrong = startUnravel(['expand', 'nowhere', '--input', tanhInput], folder)
    const [bad, left] = await Promise.all([wrong.outcome, early.outcome])
    expectComplaint(bad, /nowhere/)
    expect(left.stderr).not.toMatch(/EPIPE|Error/)
    expect(left.status).toBe(0)
  })

  test.runIf(existsSync('/dev/full'))('standard output on a full disk is one line and exit 2', () => {
    const bin = join(package_, 'src/bin.ts')
    const argv = ['--conditions=@unravel/source', '--import', 'tsx', bin, '--version']
    const full = openSync('/dev/full', 'w')
    const { status, stderr } = spawnSync(process.execPath, argv, { cwd: package_, stdio: ['ignore', full, 'pipe'] })
    closeSync(full)
    expect(stderr.toString()).toMatch(/^unravel: cannot write standard output: ENOSPC[^\n]*\n$/)
    expect(status).toBe(2)
  })
})
