import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  FormatError,
  formatNpy,
  gated,
  memory,
  mul,
  readNpy,
  stack,
  sub,
  sum,
  type Tensor,
  tensor,
  wasm,
} from '@unravel/tensor'
import { sourceOf } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'
import { Evaluator, evaluate } from '../evaluate.js'
import { folded, live } from '../fold.js'
import { unsupported } from '../operators/table.js'
import {
  apart,
  attr,
  evaluated,
  executed,
  type Given,
  given,
  graphFiles,
  input,
  type OnDisk,
  predicted,
  readFiles,
  saved,
  shake,
  type TfNode,
  tfl,
  waves,
} from '../oracles/tfjs.js'
import { readGraph } from '../read.js'
import { recognised } from '../recognise.js'
import { cuts, sitesOf } from '../sites.js'
import { readTfjs } from './read.js'

const count = (graph: { nodes: readonly { op: string }[] }, op: string) => graph.nodes.filter(n => n.op === op).length
const refusal = (f: () => unknown): string => {
  try {
    f()
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError)
    return (error as Error).message
  }
  throw new Error('nothing was refused')
}

describe("UpscalerJS's ESRGAN", () => {
  const folder = join(import.meta.dirname, '../../node_modules/@upscalerjs/esrgan-slim/models/x2')
  const file = (name: string) => readFileSync(join(folder, name))
  const read = () => readGraph(file('model.json'), { beside: name => sourceOf(file(name)) })
  const x = { ...given([1, 6, 8, 3], 1), data: waves(144, 1).map(v => 127 * v + 128) }

  it('gives what tfjs gives, in f64 and f32, for a size that the file leaves open', async () => {
    const { modelTopology, weightsManifest } = JSON.parse(file('model.json').toString())
    const specs = weightsManifest.flatMap((g: { weights: unknown[] }) => g.weights)
    const bytes = Buffer.concat(weightsManifest.flatMap((g: { paths: string[] }) => g.paths.map(file)))
    const weightData = new Uint8Array(bytes).buffer
    const model = await tfl.loadLayersModel({ load: async () => ({ modelTopology, weightSpecs: specs, weightData }) })
    const [expected] = predicted(model, [x])
    expect(expected!.shape).toEqual([1, 12, 16, 3])
    for (const dtype of ['f64', 'f32'] as const) {
      expect(apart(evaluated(read(), { LR: x }, dtype).SR!, expected!)).toBeLessThanOrEqual(5e-6)
    }
  })

  it('the sites are its three additions, and transposes stand at its ends alone', () => {
    const graph = read()
    expect(sitesOf(graph).map(s => [s.node, s.kind, s.level])).toEqual([
      ['LRL_1', 'identity', 1],
      ['LRL_2', 'identity', 1],
      ['FDF', 'identity', 0],
    ])
    expect(count(live(graph), 'Transpose')).toBe(2)
    expect(cuts(graph).length).toBeGreaterThan(5)
  })

  it('path sums with frozen gates are the run', () => {
    const given = tensor(Float64Array.from(x.data), { shape: x.shape })
    const evaluator = new Evaluator(recognised(folded(read(), { LR: given })))
    const run = (h: Tensor) => (evaluator.run({ LR: h }, ['SR']).SR as { tensor: Tensor }).tensor
    const { value, stack: paths } = gated(run, given, stack([mul(given, 0.5), mul(given, 0.5)]), 1)
    const largest = (t: Tensor) => t.dataSync().reduce((m, v) => Math.max(m, Math.abs(v)), 0)
    expect(largest(sub(sum(paths, 0), value))).toBeLessThanOrEqual(1e-12 * largest(value))
  })

  it('frees what it computes', () => {
    const evaluator = new Evaluator(read())
    const given = tensor(Float64Array.from(x.data), { shape: x.shape })
    const once = () => (evaluator.run({ LR: given }, ['SR']).SR as { tensor: Tensor }).tensor.dispose()
    once()
    const before = memory(wasm()).buffers
    once()
    expect(memory(wasm()).buffers).toBe(before)
  })
})

const four = (h: number, w: number) => attr.ints([1, h, w, 1])

/** A tower as MobileNet has it: blocks of a depthwise convolution and one across channels, with their skips. */
function tower(blocks: number): { files: OnDisk; additions: string[] } {
  const nodes: TfNode[] = [input('x', [-1, 8, 8, 4])]
  const constants: Record<string, Given[string]> = {}
  const at = (stride: number) => ({
    ...{ data_format: attr.s('NHWC'), strides: four(stride, stride), dilations: four(1, 1), padding: attr.s('SAME') },
    ...{ fused_ops: attr.texts(['BiasAdd']), num_args: attr.i(1) },
  })
  let from = 'x'
  const additions: string[] = []
  for (let l = 0; l < blocks; l++) {
    const [d, p, b] = [`block${l}/depthwise/filter`, `block${l}/project/filter`, `block${l}/bias`]
    constants[d] = given([3, 3, 4, 1], l + 1)
    constants[p] = given([1, 1, 4, 4], l + 2)
    constants[b] = given([4], l + 3)
    // The block in the middle makes half as many rows: its skip is a pool.
    const stride = l === 1 ? 2 : 1
    nodes.push({ name: `block${l}/depthwise`, op: 'FusedDepthwiseConv2dNative', input: [from, d, b], attr: { ...at(stride), fused_ops: attr.texts(['BiasAdd', 'Relu6']) } }) // biome-ignore format: short
    nodes.push({ name: `block${l}/project`, op: '_FusedConv2D', input: [`block${l}/depthwise`, p, b], attr: at(1) })
    if (stride === 2) {
      nodes.push({ name: `block${l}/pool`, op: 'MaxPool', input: [from], attr: { ...at(2), ksize: four(2, 2) } })
      from = `block${l}/pool`
    }
    nodes.push({ name: `block${l}/add`, op: 'AddV2', input: [from, `block${l}/project`], attr: {} })
    nodes.push({ name: `block${l}/relu`, op: 'Relu', input: [`block${l}/add`], attr: {} })
    additions.push(`block${l}/add`)
    from = `block${l}/relu`
  }
  constants.axes = { type: 'i32', shape: [2], data: Int32Array.of(1, 2) }
  nodes.push({ name: 'mean', op: 'Mean', input: [from, 'axes'], attr: { keep_dims: attr.b(false) } })
  return { files: graphFiles(nodes, constants), additions }
}

describe('a tower of a graph model', () => {
  it('gives what tfjs gives, with its additions as sites and one transpose', async () => {
    const { files, additions } = tower(4)
    const x = given([2, 8, 8, 4], 5)
    const graph = readFiles(files)
    expect(apart(evaluated(graph, { x }).mean!, (await executed(files, { x })).mean!)).toBeLessThanOrEqual(1e-5)
    const sites = sitesOf(graph)
    expect(sites.map(s => s.node)).toEqual(additions)
    expect(sites.map(s => s.kind)).toEqual(['identity', 'projection', 'identity', 'identity'])
    expect(count(live(graph), 'Transpose')).toBe(1)
    expect(cuts(graph).length).toBeGreaterThanOrEqual(4)
  })

  it('the scales of branches are found, and gates stay between transposes', async () => {
    // x + 0.2·conv(x)·σ(mean(conv(x)))
    const at = { data_format: attr.s('NHWC'), strides: four(1, 1), dilations: four(1, 1), padding: attr.s('SAME') }
    const nodes: TfNode[] = [
      input('x', [-1, 4, 4, 3]),
      { name: 'conv', op: 'Conv2D', input: ['x', 'w'], attr: at },
      { name: 'pooled', op: 'Mean', input: ['conv', 'axes'], attr: { keep_dims: attr.b(true) } },
      { name: 'gate', op: 'Sigmoid', input: ['pooled'], attr: {} },
      { name: 'gated', op: 'Mul', input: ['conv', 'gate'], attr: {} },
      { name: 'scaled', op: 'Mul', input: ['gated', 'beta'], attr: {} },
      { name: 'sum', op: 'AddV2', input: ['x', 'scaled'], attr: {} },
    ]
    const axes = { type: 'i32', shape: [2], data: Int32Array.of(1, 2) } as const
    const beta = { type: 'f32', shape: [], data: Float32Array.of(0.2) } as const
    const files = graphFiles(nodes, { w: given([3, 3, 3, 3], 1), axes, beta })
    const graph = readFiles(files)
    const x = given([1, 4, 4, 3], 2)
    expect(apart(evaluated(graph, { x }).sum!, (await executed(files, { x })).sum!)).toBeLessThanOrEqual(1e-5)
    expect(count(live(graph), 'Transpose')).toBe(2)
    const [site] = sitesOf(graph)
    expect([site!.node, site!.kind, Math.round(site!.scale * 1e6) / 1e6]).toEqual(['sum', 'identity', 0.2])
  })
})

describe('weights', () => {
  const nodes = [input('x', [3]), { name: 'y', op: 'Add', input: ['x', 'w'], attr: {} }]
  /** A graph x + w whose weight is of so many bytes. */
  const model = (spec: object, bytes: readonly number[], cut: readonly number[] = [bytes.length]) => {
    const shards = new Map<string, Uint8Array>()
    let at = 0
    for (const [i, end] of cut.entries()) {
      shards.set(`s${i}`, Uint8Array.from(bytes.slice(at, end)))
      at = end
    }
    const json = {
      modelTopology: { node: [{ name: 'w', op: 'Const', attr: {} }, ...nodes] },
      weightsManifest: [{ paths: [...shards.keys()], weights: [spec] }],
    }
    return { json, shards }
  }
  const sums = (spec: object, bytes: readonly number[], cut?: readonly number[]) => {
    const { json, shards } = model(spec, bytes, cut)
    const zero = { type: 'f32', shape: [3], data: new Float32Array(3) } as const
    return Array.from(evaluated(readTfjs(json, shards), { x: zero }).y!.data)
  }
  const f32 = { name: 'w', shape: [3], dtype: 'float32' }
  const bytesOf = (array: ArrayBufferView) => Array.from(new Uint8Array(array.buffer))

  it('weights may be cut into files anywhere', () => {
    const bytes = bytesOf(Float32Array.of(1.5, -2, 3))
    for (const cut of [[12], [1, 12], [5, 6, 11, 12], [0, 12], [4, 8, 12]])
      expect(sums(f32, bytes, cut)).toEqual([1.5, -2, 3])
  })

  it('weights quantized in 8 and 16 bits, and halves, are converted', () => {
    const eight = { ...f32, quantization: { dtype: 'uint8', scale: 0.5, min: -1 } }
    expect(sums(eight, [0, 4, 255])).toEqual([-1, 1, 126.5])
    const sixteen = { ...f32, quantization: { dtype: 'uint16', scale: 0.25, min: 2 } }
    expect(sums(sixteen, [0, 0, 1, 0, 255, 255])).toEqual([2, 2.25, 65535 / 4 + 2])
    // 1, 1/6 to 11 bits, −2
    const half = { ...f32, quantization: { dtype: 'float16' } }
    expect(sums(half, bytesOf(Uint16Array.of(0x3c00, 0x3155, 0xc000)))).toEqual([1, 0.16662598, -2].map(v => Math.fround(v) === v ? v : 0.1666259765625)) // biome-ignore format: short
    const whole = { name: 'w', shape: [3], dtype: 'int32', quantization: { dtype: 'uint8', scale: 1, min: -3 } }
    expect(sums(whole, [0, 4, 255])).toEqual([-3, 1, 252])
  })

  it('that are broken are refused by name', () => {
    const bytes = bytesOf(Float32Array.of(1, 2, 3))
    const of = (spec: object, data = bytes) => refusal(() => readTfjs(model(spec, data).json, model(spec, data).shards))
    expect(of(f32, bytes.slice(0, 11))).toContain(
      'the weight "w" ends at byte 12 of group 0 of the weights; its shards ("s0") have 11',
    )
    expect(of({ ...f32, dtype: 'string' })).toContain('the weight "w" is of string')
    expect(of({ ...f32, quantization: { dtype: 'uint4' } })).toContain('quantized as uint4')
    expect(of({ ...f32, quantization: { dtype: 'uint8' } })).toContain('lacks "scale" or "min"')
    expect(of({ ...f32, shape: [2 ** 40, 2 ** 40] })).toContain('more than 2^53 elements')
    expect(of({ ...f32, shape: [-1] })).toContain('expected an integer of at least 0')
    expect(of({ ...f32, name: 'v' })).toContain('the weights do not have the constant "w"')
    const { json } = model(f32, bytes)
    expect(refusal(() => readTfjs(json, new Map()))).toContain('the file of weights "s0" is not there')
    const path = (name: string) => ({ ...json, weightsManifest: [{ ...json.weightsManifest[0], paths: [name] }] })
    for (const name of ['../w', '/etc/w', 'C:\\w', 'a/../../w', '']) {
      expect(refusal(() => readTfjs(path(name), () => new Uint8Array(12)))).toContain(
        "expected a path inside of the model's folder",
      )
    }
    // Files that were dropped on a page have no folder.
    expect(readTfjs(path('folder/s0'), new Map([['s0', Uint8Array.from(bytes)]])).inputs.length).toBe(1)
    const twice = { ...json, weightsManifest: [...json.weightsManifest, ...json.weightsManifest] }
    expect(refusal(() => readTfjs(twice, () => Uint8Array.from(bytes)))).toContain('the weight "w" is there twice')
  })
})

/** A layers model of Keras with these layers. */
const keras = (
  config: object,
  weights: Readonly<Record<string, { shape: number[]; values: number[] }>> = {},
  kind = 'Functional',
) => {
  const values = Object.values(weights).flatMap(w => w.values)
  const specs = Object.entries(weights).map(([name, { shape }]) => ({ name, shape, dtype: 'float32' }))
  const json = {
    format: 'layers-model',
    modelTopology: { keras_version: '3.4.1', backend: 'tensorflow', model_config: { class_name: kind, config } },
    weightsManifest: [{ paths: ['w.bin'], weights: specs }],
  }
  return { json, shards: new Map([['w.bin', new Uint8Array(Float32Array.from(values).buffer)]]) }
}
const begin = (name = 'in', shape: (number | null)[] = [null, 2]) => ({
  class_name: 'InputLayer',
  name,
  config: { name, batch_input_shape: shape, dtype: 'float32' },
  inbound_nodes: [],
})
const layer = (
  kind: string,
  name: string,
  from: readonly (string | readonly [string, number])[],
  config: object = {},
) => ({
  class_name: kind,
  name,
  config: { name, ...config },
  inbound_nodes: [from.map(f => (typeof f === 'string' ? [f, 0, 0, {}] : [f[0], f[1], 0, {}]))],
})
const functional = (layers: object[], output = 'out', inputs = ['in']) => ({
  name: 'model',
  layers,
  input_layers: inputs.map(name => [name, 0, 0]),
  output_layers: [[output, 0, 0]],
})
const row = (...values: number[]) =>
  ({ type: 'f32', shape: [1, values.length], data: Float32Array.from(values) }) as const

describe('configurations of Keras', () => {
  it('of Keras 3: tensors in the arguments of calls, policies for dtypes, weights by their places', () => {
    const tensorOf = (name: string) => ({
      class_name: '__keras_tensor__',
      config: { shape: [null, 2], dtype: 'float32', keras_history: [name, 0, 0] },
    })
    const dtype = { module: 'keras', class_name: 'DTypePolicy', config: { name: 'float32' }, registered_name: null }
    const call = (...args: unknown[]) => [{ args, kwargs: { mask: null } }]
    const config = {
      name: 'functional',
      layers: [
        {
          module: 'keras.layers',
          class_name: 'InputLayer',
          config: { batch_shape: [null, 2], dtype: 'float32', name: 'in' },
          name: 'in',
          inbound_nodes: [],
        },
        {
          module: 'keras.layers',
          class_name: 'Dense',
          config: { name: 'dense', units: 2, use_bias: true, activation: 'relu', dtype },
          name: 'dense',
          inbound_nodes: call(tensorOf('in')),
        },
        {
          module: 'keras.layers',
          class_name: 'Add',
          config: { name: 'out', dtype },
          name: 'out',
          inbound_nodes: call([tensorOf('in'), tensorOf('dense')]),
        },
      ],
      input_layers: ['in', 0, 0],
      output_layers: ['out', 0, 0],
    }
    const names = [['dense/kernel', 'dense/bias'], ['dense/0', 'dense/1'], ['_layers/dense/vars/0', '_layers/dense/vars/1'], ['dense/cell/kernel:0', 'dense/cell/bias:0']] // biome-ignore format: short
    for (const [kernel, bias] of names) {
      const { json, shards } = keras(config, {
        [kernel!]: { shape: [2, 2], values: [1, 2, 3, 4] },
        [bias!]: { shape: [2], values: [0.5, -20] },
      })
      const graph = readTfjs(json, shards)
      expect(graph.inputs).toEqual([{ name: 'in', type: 'f32', shape: [null, 2] }])
      // relu([1 2]·[1 2; 3 4] + [½ −20]) = [7½ 0]
      expect(Array.from(evaluated(graph, { in: row(1, 2) }).out!.data)).toEqual([8.5, 2])
    }
  })

  it('whose activation is an object, or a layer', () => {
    const of = (activation: unknown) => {
      const { json, shards } = keras(functional([begin(), layer('Activation', 'out', ['in'], { activation })]))
      return Array.from(evaluated(readTfjs(json, shards), { in: row(-2, 3) }).out!.data)
    }
    expect(of({ class_name: 'relu', config: {} })).toEqual([0, 3])
    expect(of({ module: 'builtins', class_name: 'function', config: 'relu6', registered_name: 'function' })).toEqual([
      0, 3,
    ])
    expect(of({ class_name: 'LeakyReLU', config: { alpha: 0.5 } })).toEqual([-1, 3])
    expect(of({ class_name: 'ReLU', config: { max_value: 1 } })).toEqual([0, 1])
  })

  it('with parameters that tfjs does not know', () => {
    const of = (kind: string, config: object, values: number[] = [-2, 3]) => {
      const { json, shards } = keras(functional([begin(), layer(kind, 'out', ['in'], config)]))
      return Array.from(evaluated(readTfjs(json, shards), { in: row(...values) }).out!.data)
    }
    expect(of('ELU', { alpha: 0.5 })[0]).toBeCloseTo(0.5 * Math.expm1(-2), 12)
    expect(of('ReLU', { negative_slope: 0.25, max_value: 2 })).toEqual([-0.5, 2])
    expect(of('ReLU', { threshold: 1, negative_slope: 0.5 })).toEqual([-1.5, 3])
    expect(of('LeakyReLU', { negative_slope: 0.25 })).toEqual([-0.5, 3])
    expect(of('LeakyReLU', {})[0]).toBeCloseTo(-0.6, 12)
    expect(of('Rescaling', { scale: 2, offset: [1, -1] })).toEqual([-3, 5])
  })

  it('with dilated depthwise filters, causal convolutions, and norms along the second axis', () => {
    const run = (
      kind: string,
      config: object,
      shape: number[],
      weights: Record<string, { shape: number[]; values: number[] }>,
      x: number[],
    ) => {
      const { json, shards } = keras(
        functional([begin('in', [null, ...shape]), layer(kind, 'out', ['in'], config)]),
        weights,
      )
      return evaluated(readTfjs(json, shards), {
        in: { type: 'f32', shape: [1, ...shape], data: Float32Array.from(x) },
      }).out!
    }
    const dilated = run('DepthwiseConv2D', { kernel_size: [1, 2], dilation_rate: [1, 2], use_bias: false }, [1, 4, 1], { 'out/depthwise_kernel': { shape: [1, 2, 1, 1], values: [1, 10] } }, [1, 2, 3, 4]) // biome-ignore format: short
    expect([dilated.shape, Array.from(dilated.data)]).toEqual([
      [1, 1, 2, 1],
      [31, 42],
    ])
    const causal = run('Conv1D', { kernel_size: 2, padding: 'causal', use_bias: false }, [3, 1], { 'out/kernel': { shape: [2, 1, 1], values: [10, 1] } }, [1, 2, 3]) // biome-ignore format: short
    expect(Array.from(causal.data)).toEqual([1, 12, 23])
    const two = (values: number[]) => ({ shape: [2], values })
    const norm = run('BatchNormalization', { axis: 1, epsilon: 0 }, [2, 2], { 'out/gamma': two([1, 2]), 'out/beta': two([0, 1]), 'out/moving_mean': two([1, 2]), 'out/moving_variance': two([1, 4]) }, [1, 2, 3, 4]) // biome-ignore format: short
    expect(Array.from(norm.data)).toEqual([0, 1, 2, 3])
  })

  it("with layers of one's own, of which those of ESRGAN are known", () => {
    const layers = [
      begin('in', [null, 1, 1, 4]),
      layer('Custom>MultiplyBeta', 'beta', ['in']),
      layer('PixelShuffle2x', 'out', ['beta']),
    ]
    const { json, shards } = keras(functional(layers))
    const x = { type: 'f32', shape: [1, 1, 1, 4], data: Float32Array.of(5, 10, 15, 20) } as const
    const y = evaluated(readTfjs(json, shards), { in: x }).out!
    expect([y.shape, Array.from(y.data, v => Math.fround(v))]).toEqual([
      [1, 2, 2, 1],
      [1, 2, 3, 4],
    ])
    const own = keras(functional([begin(), layer('Shifted', 'out', ['in'], { scale: 3 })]), {
      'out/shift': { shape: [2], values: [1, 2] },
    })
    const graph = readGraph(new TextEncoder().encode(JSON.stringify(own.json)), {
      beside: name => sourceOf(own.shards.get(name)!),
      layers: {
        Shifted: l =>
          l.node('Add', [l.node('Mul', [l.input(), l.real(l.number('scale', 1))]), l.weights(['shift']).shift]),
      },
    })
    expect(Array.from(evaluated(graph, { in: row(1, 2) }).out!.data)).toEqual([4, 8])
    // An addition of one's own is a site.
    const twice = keras(
      functional([begin(), layer('Dense', 'd', ['in'], { use_bias: false }), layer('Residual', 'out', ['in', 'd'])]),
      { 'd/kernel': { shape: [2, 2], values: [1, 0, 0, 1] } },
    )
    const residual = readTfjs(twice.json, twice.shards, { layers: { Residual: l => l.node('Add', l.inputs) } })
    expect(sitesOf(residual).map(s => s.node)).toEqual(['out'])
  })

  it('an input of a type that no table has is refused', () => {
    for (const dtype of ['toString', 'constructor', '__proto__', 'complex64']) {
      const first = { ...begin(), config: { name: 'in', batch_input_shape: [null, 2], dtype } }
      const { json, shards } = keras(functional([first, layer('ReLU', 'out', ['in'])]))
      expect(() => readTfjs(json, shards)).toThrow(`the input "in" is of "${dtype}", which is not supported`)
    }
  })

  it('with every layer that is not supported in one list', () => {
    const layers = [
      begin('in', [null, 3, 2]),
      layer('LSTM', 'a', ['in']),
      layer('Bidirectional', 'b', ['a']),
      layer('Unheard', 'c', ['b']),
      layer('UpSampling1D', 'out', ['c'], { interpolation: 'lanczos' }),
    ]
    const { json, shards } = keras(functional(layers))
    const found = unsupported(readTfjs(json, shards))
    expect(found.map(u => [u.operator, u.nodes, u.why.slice(0, 15)])).toEqual([
      ['tfjs.LSTM', ['a'], 'it is recurrent'],
      ['tfjs.Bidirectional', ['b'], 'it is recurrent'],
      ['tfjs.Unheard', ['c'], 'no row of the t'],
      ['tfjs.UpSampling1D', ['out'], 'its interpolati'],
    ])
    expect(() => evaluate(readTfjs(json, shards), { in: tensor(new Float64Array(6), { shape: [1, 3, 2] }) })).toThrow(
      /LSTM of node "a".*Bidirectional.*Unheard/,
    )
  })
})

describe('broken files', () => {
  it('broken files are refused by one error', () => {
    const of = (layers: object[], output?: string) => {
      const { json, shards } = keras(functional(layers, output))
      return refusal(() => readTfjs(json, shards))
    }
    expect(refusal(() => readTfjs('{"modelTopology": ', new Map()))).toContain('the model is no JSON')
    expect(refusal(() => readTfjs('{}', new Map()))).toContain('there is no "modelTopology"')
    expect(refusal(() => readTfjs('[]', new Map()))).toContain('expected an object')
    expect(of([begin(), layer('ReLU', 'a', ['b']), layer('ReLU', 'b', ['a'])], 'a')).toContain('is on a cycle')
    expect(of([begin(), layer('ReLU', 'out', ['out'])])).toContain('is on a cycle')
    expect(of([begin(), layer('ReLU', 'out', ['nowhere'])])).toContain(
      'reads application 0 of "nowhere", which is not there',
    )
    expect(of([begin(), layer('ReLU', 'out', [['in', 3]])])).toContain('reads application 3 of "in"')
    expect(of([begin(), layer('ReLU', 'out', [])])).toContain('is applied to nothing')
    expect(of([begin(), layer('Dense', 'out', ['in'])])).toContain('the weights do not have "out/kernel"')
    expect(of([begin(), layer('ReLU', 'out', ['in']), layer('ReLU', 'out', ['in'])])).toContain(
      'the layer "out" is there twice',
    )
    expect(of([begin(), layer('ReLU', 'out', ['in'])], 'other')).toContain('application 0 of "other" is not there')
    expect(
      refusal(() => readTfjs(keras({ layers: [] }, {}, 'Sequential').json, new Map([['w.bin', new Uint8Array()]]))),
    ).toContain('has no layers')
    expect(refusal(() => readTfjs(keras({}, {}, 'Diffusion').json, new Map([['w.bin', new Uint8Array()]])))).toContain(
      'the model is a "Diffusion"',
    )
  })

  it('that contains itself is refused, however it is nested', () => {
    const inner = functional([begin(), layer('ReLU', 'out', ['in'])]) as { layers: object[] }
    inner.layers.push({ class_name: 'Functional', name: 'self', config: inner, inbound_nodes: [[['in', 0, 0, {}]]] })
    const json = { modelTopology: { class_name: 'Functional', config: inner } }
    expect(refusal(() => readTfjs(json, new Map()))).toContain('models are nested more than 16 deep')
    // Twelve models, each twice in the next: 2^12 copies of 20 layers are more than a network has.
    let model: object = functional([begin(), ...Array.from({ length: 20 }, (_, i) => layer('ReLU', i === 19 ? 'out' : `r${i}`, [i === 0 ? 'in' : `r${i - 1}`]))]) // biome-ignore format: short
    for (let i = 0; i < 12; i++) {
      const twice = {
        class_name: 'Functional',
        name: 'm',
        config: model,
        inbound_nodes: [[['in', 0, 0, {}]], [['m', 1, 0, {}]]],
      }
      model = { ...functional([begin(), twice], 'm'), output_layers: [['m', 2, 0]] }
    }
    const start = performance.now()
    expect(
      refusal(() => readTfjs({ modelTopology: { class_name: 'Functional', config: model } }, new Map())),
    ).toContain('written out to more than')
    expect(performance.now() - start).toBeLessThan(20_000)
  })

  it('of a graph model is refused by one error', () => {
    const of = (nodes: TfNode[], more: object = {}) => refusal(() => readFiles(graphFiles(nodes, {}, more)))
    const relu = (name: string, from: string): TfNode => ({ name, op: 'Relu', input: [from], attr: {} })
    const x = input('x', [2])
    expect(of([x, relu('a', 'b'), relu('b', 'a'), relu('y', 'b')])).toContain('is on a cycle')
    expect(of([x, relu('y', 'nowhere')])).toContain('reads "nowhere", which nothing makes')
    expect(of([x, relu('y', 'x'), relu('y', 'x')])).toContain('the value "y" is made twice')
    expect(of([x, relu('y', 'x:99999999')])).toContain('names no output of a node')
    expect(of([x, relu('y', 'x')], { signature: { outputs: { y: { name: 'z:0' } } } })).toContain(
      'nothing makes the output "z"',
    )
    expect(of([x, { name: 'y', op: 'Unpack', input: ['x'], attr: { num: attr.i(2 ** 40) } }])).toContain(
      'makes 1099511627776 values',
    )
    expect(of([x])).toContain('the model has no outputs')
  })
})

it('a layers model is written to disk by tfjs and read as bytes, like every other file', async () => {
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 2, inputShape: [3], name: 'd' })] })
  shake(model)
  const { json, shards } = await saved(model)
  const x = given([2, 3], 1)
  expect(readTfjs(`\ufeff${json}`, shards).nodes).toHaveLength(readTfjs(json, shards).nodes.length)
  const graph = readGraph(new TextEncoder().encode(`\ufeff \n${json}`), { beside: name => sourceOf(shards.get(name)!) })
  expect(apart(evaluated(graph, { d_input: x }).d!, predicted(model, [x])[0]!)).toBeLessThanOrEqual(5e-6)
  // As NumPy keeps it, too.
  const array = readNpy(formatNpy({ shape: x.shape, dtype: 'f32', data: x.data as Float32Array }))
  expect(evaluate(graph, { d_input: array }).d!.shape).toEqual([2, 2])
})
