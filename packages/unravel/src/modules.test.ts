import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { formatNpy, formatNpz, parseNpy } from '@unravel/tensor'
import { afterAll, describe, expect, test } from 'vitest'
import { runUnravel, startUnravel } from '../../../test/support/cli.js'

const package_ = resolve(import.meta.dirname, '..')
const fixtures = resolve(package_, '../../test/fixtures/oracle')
const model = join(fixtures, 'mlp-tanh')
const input = join(model, 'input.npy')
const folder = mkdtempSync(join(tmpdir(), 'unravel-modules-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content)
  return name
}

/** In a process of its own: modules import the libraries natively. */
const start = (...argv: string[]) => startUnravel(argv, folder).outcome
const run = (...argv: string[]) => runUnravel(argv, folder)

/** The tower of the fixture mlp-tanh, written by hand. */
const byHand = file(
  'tower.mjs',
  `import { linear, tanh } from '@unravel/tensor'
export default (w, { dtype, backend }) => {
  const dense = (name, x) => linear(x, w[name + '.weight'], w[name + '.bias'])
  return {
    encode: x => dense('encoder', x),
    blocks: Array.from({ length: 8 }, (_, l) => ({
      scale: 0.125,
      branch: h => dense('blocks.' + l + '.fc2', tanh(dense('blocks.' + l + '.fc1', h))),
    })),
    decode: h => dense('decoder', h),
  }
}
`,
)
const weights = ['--weights', join(model, 'model.safetensors')]

describe('a module for MODEL', () => {
  test('a module is expanded to the numbers of the same network in a folder', async () => {
    const { status, stdout } = await start('expand', byHand, ...weights, '--input', input, '--json', '--values')
    expect(status).toBe(0)
    const [got, want] = [stdout, (await run('expand', model, '--input', input, '--json', '--values')).stdout].map(
      text => ({
        ...JSON.parse(text),
        seconds: null,
      }),
    )
    expect(got).toEqual({ ...want, model: byHand })
  })

  test('is inspected: its blocks, and on an input what they compute', async () => {
    const inspected = async (...argv: string[]) => JSON.parse((await start('inspect', ...argv, '--json')).stdout)
    const module = `
      import { matmul, relu, tanh, tensor } from '@unravel/tensor'
      const w = tensor([[0.1, 0.2], [0.3, -0.4]])
      const project = h => matmul(h, w)
      const blocks = [{ branch: h => tanh(project(h)), scale: 0.5 }, { branch: tanh, skip: project, scale: 1 }]
      export default { encode: x => x, blocks: [...blocks, { branch: tanh, skip: relu, scale: 1 }], decode: project }`
    const name = file('kinds.mjs', module)
    const bare = await inspected(name)
    expect(bare.blocks.map((b: object) => Object.values(b))).toEqual([
      ['block 0', 'identity', {}, 0.5],
      ['block 1', 'nonlinear', {}, 1],
      ['block 2', 'nonlinear', {}, 1],
    ])
    const two = file('two.npy', formatNpy({ shape: [3, 2], dtype: 'f64', data: new Float64Array(6) }))
    const run = await inspected(name, '--input', two)
    expect(run.blocks.map((b: object) => Object.values(b).slice(1, 3))).toEqual([
      ['identity', { matmul: 1, tanh: 1 }],
      ['projection', { matmul: 1, tanh: 1 }],
      ['nonlinear', { relu: 1, tanh: 1 }],
    ])
    expect(run.operators).toEqual({ matmul: 3, tanh: 3, relu: 1 })
    expect([run.parameters, bare.inputs[0].shape, run.outputs[0].shape]).toEqual([null, null, [null, 2]])
    const weighted = await inspected(byHand, ...weights, '--input', input)
    expect(weighted.blocks[7].operators).toEqual({ linear: 2, tanh: 1 })
  })

  test('a CommonJS module and a .ts or .js file without "type": "module" share the tensors of the program', async () => {
    const body = `
const tower = { encode: x => x, blocks: [{ scale: 0.5, branch: h => tanh(mul(h, tensor([2], { dtype: 'f64' }))) }], decode: h => h }`
    const imports = `import { mul, tanh, tensor } from '@unravel/tensor'${body}\nexport default tower`
    const requires = `const { mul, tanh, tensor } = require('@unravel/tensor')${body}\nmodule.exports = tower`
    // The packages are also installed beside the modules, where Node would find them by itself.
    const beside = join(folder, 'beside')
    mkdirSync(beside)
    symlinkSync(join(package_, 'node_modules'), join(beside, 'node_modules'))
    const found: string[] = []
    for (const [name, text] of [
      ['beside/typed.ts', imports.replace('x => x', '(x: unknown) => x')],
      ['plain.js', imports],
      ['beside/common.cjs', requires],
    ] as const) {
      const { status, stdout, stderr } = await start('expand', file(name, text), '--input', input, '--json')
      expect({ name, status, stderr }).toMatchObject({ status: 0, stderr: expect.not.stringContaining('warning') })
      found.push(JSON.stringify(JSON.parse(stdout).orders))
    }
    expect(new Set(found).size).toBe(1)
  }, 120_000)

  test('every command on a model takes a module', async () => {
    for (const command of ['paths', 'complexity', 'lesion', 'sweep', 'verify', 'report']) {
      const few = command === 'lesion' ? ['--draws', '1'] : command === 'sweep' ? ['--steps', '2'] : []
      const { status, stderr } = await start(command, byHand, ...weights, '--input', input, '--scale', '0.1', ...few)
      expect({ command, status, stderr }).toMatchObject({ status: 0 })
    }
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('<td>0.1000</td>')
  }, 120_000)

  test('may export a tower as it is; inputs are in the precision of its tensors, and that is said', async () => {
    const tower = file(
      'plain.mjs',
      `import { mul, tanh, tensor } from '@unravel/tensor'
const a = tensor([2])
export const tower = { encode: x => x, blocks: [{ scale: 0.5, branch: h => tanh(mul(h, a)) }], decode: h => h }
`,
    )
    const { status, stdout, stderr } = await start('expand', tower, '--input', input, '--orders', '1')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^1 block, λ = 0\.5, 2 inputs, f32 on wasm$/m)
    expect(stdout).toMatch(/^scale +from the module$/m)
    expect(stderr).toContain("warning: plain.mjs: the tower's tensors are f32, so all is computed in f32, not in f64")
    expect((await start('verify', tower, '--input', input)).stderr).toMatch(/plain\.mjs: verify computes in f64/)
  })

  test('may name an architecture of one’s own, which config.json then may name', async () => {
    file(
      'mine.mjs',
      `import { residualMlp } from '@unravel/resnet'
import { z } from 'zod'
const schema = z.object({ ...residualMlp.schema.shape, architecture: z.literal('my-mlp') })
export const mine = { ...residualMlp, name: 'my-mlp', schema }
`,
    )
    cpSync(model, join(folder, 'own'), { recursive: true })
    file('own/config.json', readFileSync(join(model, 'config.json'), 'utf8').replace('residual-mlp', 'my-mlp'))
    const { status, stdout } = await start('expand', 'own', '--architecture', 'mine.mjs', '--input', input, '--json')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ model: 'own', blocks: 8, scale: 0.125 })
  })

  test.each([
    ['missing', ['nowhere.mjs'], /nowhere\.mjs: there is no such module/],
    ['broken', [file('broken.mjs', 'export default {')], /broken\.mjs: /],
    [
      'without a tower',
      [file('none.mjs', 'export const x = 1')],
      /none\.mjs: the module exports no tower; expected a tower \{/,
    ],
    [
      'with a tower that is none',
      [file('half.mjs', 'export default { encode: x => x, blocks: [{ branch: h => h }], decode: h => h }')],
      /half\.mjs: scale of block 0 is undefined, no finite number/,
    ],
    [
      'whose function fails',
      [file('fails.mjs', 'export default () => { throw new Error("I need weights") }')],
      /fails\.mjs: I need weights/,
    ],
    [
      'that does not take the inputs',
      [file('wrong.mjs', 'export default { encode: x => x, blocks: [], decode: () => { throw new Error("shape") } }')],
      /wrong\.mjs on \S+input\.npy, f64\[2,5\]: shape/,
    ],
    [
      'with weights beside a folder',
      [model, '--weights', 'w.safetensors'],
      /--weights is for a MODEL that is a module/,
    ],
    [
      'for an architecture, with none',
      [model, '--architecture', file('empty.mjs', 'export const x = 1')],
      /empty\.mjs: the module exports no architecture/,
    ],
  ])('%s is told in one line', async (_, argv, saying) => {
    const { status, stdout, stderr } = await run('expand', ...argv, '--input', input)
    expect(stderr).toMatch(saying)
    expect({ status, stdout, lines: stderr.trimEnd().split('\n').length }).toEqual({ status: 2, stdout: '', lines: 1 })
  })
})

describe('a module for --layers', () => {
  // x + shift, and a residual addition to it.
  const layer = (class_name: string, name: string, from: readonly string[], config = {}) => ({
    ...{ class_name, name, config: { name, ...config } },
    inbound_nodes: [from.map(f => [f, 0, 0, {}])],
  })
  const config = {
    name: 'model',
    layers: [
      { ...layer('InputLayer', 'in', [], { batch_input_shape: [null, 2], dtype: 'float32' }), inbound_nodes: [] },
      layer('Shifted', 'shifted', ['in'], { scale: 3 }),
      layer('Activation', 'branch', ['shifted'], { activation: 'tanh' }),
      layer('Add', 'out', ['shifted', 'branch']),
    ],
    ...{ input_layers: [['in', 0, 0]], output_layers: [['out', 0, 0]] },
  }
  mkdirSync(join(folder, 'own'))
  file('own/w.bin', new Uint8Array(Float32Array.of(1, 2).buffer))
  const weights = [{ name: 'shifted/shift', shape: [2], dtype: 'float32' }]
  const network = file(
    'own/model.json',
    JSON.stringify({
      format: 'layers-model',
      modelTopology: { keras_version: '2.15.0', model_config: { class_name: 'Functional', config } },
      weightsManifest: [{ paths: ['w.bin'], weights }],
    }),
  )
  const x = file('x.npy', formatNpy({ shape: [1, 2], dtype: 'f32', data: Float32Array.of(0.5, -1) }))
  const body = `{
    const scaled = layer.node('Mul', [layer.input(), layer.real(layer.number('scale', 1))])
    return layer.node('Add', [scaled, layer.weights(['shift']).shift])
  }`
  const named = file('named.mjs', `export function Shifted(layer) ${body}`)
  const whole = file('whole.mjs', `export default { Shifted: layer => ${body} }`)

  test.each([named, whole])('%s: run, inspect and expand know its layers', async module => {
    const own = ['--layers', module, '--json']
    const [ran, inspected, expanded] = await Promise.all([
      start('run', network, '--input', x, ...own),
      start('inspect', network, ...own),
      start('expand', network, '--input', x, '--expansion', 'gated', '--values', ...own),
    ])
    const want = [3 * 0.5 + 1, 3 * -1 + 2].map(v => v + Math.tanh(v))
    JSON.parse(ran.stdout).outputs.out.values[0].forEach((v: number, i: number) => expect(v).toBeCloseTo(want[i]!, 12))
    expect(JSON.parse(inspected.stdout).blocks.map((b: { name: string }) => b.name)).toEqual(['out'])
    const { values } = JSON.parse(expanded.stdout)
    expect(values[0]).toEqual([[2.5, -1]])
    expect(values[1][0][0]).toBeCloseTo(Math.tanh(2.5), 12)
  })

  test('says what is wrong with a module, and where --layers has no use', async () => {
    const broken = file('broken.mjs', `export const Shifted = () => { throw new Error('no such shift') }`)
    const nothing = file('nothing.mjs', `export const Shifted = 1`)
    const number = file('number.mjs', `export const Shifted = () => 1`)
    const complaint = async (...argv: string[]) => {
      const { status, stderr } = await start(...argv)
      expect([status, stderr.trim().split('\n').length]).toEqual([2, 1])
      return stderr
    }
    const found = await Promise.all([
      complaint('inspect', network),
      ...[broken, nothing, number].map(module => complaint('inspect', network, '--layers', module)),
      complaint('inspect', model, '--layers', named),
      complaint('expand', model, '--input', input, '--layers', named),
    ])
    const wanted = [
      'Shifted (no row of the table computes it; a function for its class may, by `layers` or --layers)',
      'broken.mjs: layer Shifted: no such shift',
      'nothing.mjs: the module exports no layer; expected functions',
      'number.mjs: layer Shifted: the function returns number, not the name of a value',
      '--layers is for a model.json',
      '--layers is for a model.json',
    ]
    wanted.forEach((words, i) => expect(found[i]).toContain(words))
  })
})

describe('the scale', () => {
  const without = join(folder, 'no-scale')
  cpSync(model, without, { recursive: true })
  const { scale: _, ...config } = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'))
  writeFileSync(join(without, 'config.json'), JSON.stringify(config))

  test('comes from config.json or --scale, and the table says so', async () => {
    const own = await run('expand', model, '--input', input)
    expect(own.stdout).toMatch(/^scale +from config\.json, rule constant$/m)
    expect(own.stderr).toBe('')
    const given = await run('expand', without, '--input', input, '--scale', '0.125')
    expect(given.stdout).toMatch(/^scale +given by --scale$/m)
    expect(given.stderr).toBe('')
  })

  test('λ is 1 where config.json has no scale: in the table, on standard error, and in the warnings of the document', async () => {
    const table = await run('expand', without, '--input', input)
    expect(table.stdout).toMatch(/^8 blocks, λ = 1, /m)
    expect(table.stdout).toMatch(/^scale +assumed, as config\.json has none$/m)
    expect(table.stderr).toContain('config.json has no "scale", so λ = 1 is assumed')
    const document = await run('expand', without, '--input', input, '--json')
    expect(JSON.parse(document.stdout).warnings[0]).toContain('config.json has no "scale", so λ = 1 is assumed')
    expect((await run('sweep', without, '--input', input, '--steps', '2')).stderr).toContain('so λ = 1 is assumed')
  })

  test('unknown fields of config.json are named on standard error and in the document', async () => {
    const odd = join(folder, 'odd')
    cpSync(model, odd, { recursive: true })
    writeFileSync(join(odd, 'config.json'), JSON.stringify({ ...config, scale: { rule: '1/n' }, depth_scale: 2 }))
    const { stdout, stderr } = await run('expand', odd, '--input', input, '--json')
    expect(stderr).toMatch(/^warning: .*fields that a residual-mlp does not know.*"depth_scale": 2/m)
    expect(JSON.parse(stdout).warnings[0]).toContain('"depth_scale": 2')
  })

  const { output } = JSON.parse(readFileSync(join(model, 'expected.json'), 'utf8')) as { output: number[][] }
  const wanted = { shape: [2, 3], dtype: 'f64', data: Float64Array.from(output.flat()) } as const

  test.each([
    ['.npy', file('wanted.npy', formatNpy(wanted))],
    ['.npz by its name', file('wanted.npz', formatNpz({ norms: wanted, output: wanted }))],
    ['.npz with one array', file('one.npz', formatNpz({ anything: wanted }))],
  ])('--expect compares with outputs from elsewhere: %s', async (_, path) => {
    const right = await run('expand', model, '--input', input, '--expect', path, '--json')
    const { expected, warnings } = JSON.parse(right.stdout)
    expect(expected.max_abs).toBeLessThan(1e-14)
    expect(expected.relative).toBeLessThan(1e-14)
    expect(expected.tolerance).toBe(1e-4)
    expect(warnings.join()).not.toContain('differs')
  })

  test('--expect says by how much a network at another scale is off, and that it is', async () => {
    const wrong = await run('expand', without, '--input', input, '--expect', 'wanted.npy', '--json', '--values')
    const { expected, output: got, warnings } = JSON.parse(wrong.stdout)
    const gaps = output.flat().map((y, i) => (got as number[][]).flat()[i]! - y)
    expect(wrong.status).toBe(0)
    expect(expected.max_abs).toBeCloseTo(Math.max(...gaps.map(Math.abs)), 12)
    expect(expected.relative).toBeCloseTo(Math.hypot(...gaps) / Math.hypot(...output.flat()), 12)
    expect(warnings.join()).toMatch(
      /the output differs from wanted\.npy by at most .* of its norm \(tolerance 0\.0001\)/,
    )
    expect(wrong.stderr).toContain('differs from wanted.npy')
    expect((await run('expand', without, '--input', input, '--expect', 'wanted.npy')).stdout).toMatch(
      /^expected +the output/m,
    )
  })

  test('--expect refuses outputs of another shape', async () => {
    expect(parseNpy(readFileSync(input)).shape).toEqual([2, 5])
    const { status, stderr } = await run('expand', model, '--input', input, '--expect', input)
    expect(status).toBe(2)
    expect(stderr).toMatch(/--expect .*: the network's output is \[2,3\], the file's \[2,5\]/)
  })
})
