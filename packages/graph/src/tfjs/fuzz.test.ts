import { describe, expect, it } from 'vitest'
import { GraphError } from '../errors.js'
import { evaluate } from '../evaluate.js'
import { folded } from '../fold.js'
import { fuzz, mutated, mutatedJson, outcomeOf } from '../oracles/fuzz.js'
import { attr, given, graphFiles, input, type OnDisk, readFiles, saved, shake, tfl } from '../oracles/tfjs.js'
import { recognised } from '../recognise.js'

/** A layers model with a model in it, shared layers, and one layer of many kinds. */
function layersModel(): Promise<OnDisk> {
  const L = tfl.layers
  const apply = (layer: tfl.layers.Layer, x: tfl.SymbolicTensor | tfl.SymbolicTensor[]) =>
    layer.apply(x) as tfl.SymbolicTensor
  const x = tfl.input({ shape: [6, 6, 2], name: 'x' })
  const inner = tfl.sequential({
    layers: [
      L.separableConv2d({ filters: 3, kernelSize: 3, padding: 'same', inputShape: [6, 6, 3], name: 'separable' }),
      L.batchNormalization({ name: 'norm' }),
      L.prelu({ sharedAxes: [1, 2], name: 'prelu' }),
    ],
  })
  const a = apply(L.conv2d({ filters: 3, kernelSize: 3, padding: 'same', activation: 'relu', name: 'conv' }), x)
  const b = apply(L.add({ name: 'add' }), [a, inner.apply(inner.apply(a)) as tfl.SymbolicTensor])
  const c = apply(L.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: 'same', name: 'deconv' }), b)
  const d = apply(L.zeroPadding2d({ padding: 1, name: 'pad' }), apply(L.upSampling2d({ name: 'up' }), c))
  const e = apply(L.concatenate({ name: 'concat' }), [apply(L.maxPooling2d({ name: 'pool' }), d), apply(L.averagePooling2d({ name: 'mean' }), d)]) // biome-ignore format: short
  const f = apply(L.repeatVector({ n: 2, name: 'repeat' }), apply(L.globalAveragePooling2d({ name: 'global' } as never), e)) // biome-ignore format: short
  const g = apply(L.dense({ units: 3, activation: 'softmax', name: 'dense' }), apply(L.reshape({ targetShape: [4, 2], name: 'reshape' }), f)) // biome-ignore format: short
  const model = tfl.model({ inputs: x, outputs: apply(L.layerNormalization({ name: 'out' }), g) })
  shake(model)
  return saved(model)
}

const ints = (...values: number[]) => ({ type: 'i32', shape: [values.length], data: Int32Array.from(values) }) as const
const number = (value: number) => ({ type: 'i32', shape: [], data: Int32Array.of(value) }) as const

function graphModel(): OnDisk {
  const layout = { data_format: attr.s('NHWC'), padding: attr.s('SAME'), dilations: attr.ints([1, 1, 1, 1]) }
  const strides = (n: number) => ({ ...layout, strides: attr.ints([1, n, n, 1]) })
  const fused = { ...strides(1), fused_ops: attr.texts(['BiasAdd', 'Relu']), num_args: attr.i(1) }
  const nodes = [
    input('x', [-1, 6, 6, 2]),
    { name: 'conv', op: '_FusedConv2D', input: ['x', 'w', 'b'], attr: fused },
    { name: 'apart', op: 'DepthwiseConv2dNative', input: ['conv', 'd'], attr: strides(1) },
    { name: 'sum', op: 'AddV2', input: ['x', 'apart'], attr: {} },
    { name: 'back', op: 'Conv2DBackpropInput', input: ['size', 'w', 'sum'], attr: strides(2) },
    { name: 'large', op: 'ResizeBilinear', input: ['back', 'two'], attr: { half_pixel_centers: attr.b(true) } },
    { name: 'pad', op: 'Pad', input: ['large', 'pads'], attr: {} },
    { name: 'pool', op: 'MaxPool', input: ['pad'], attr: { ...strides(2), ksize: attr.ints([1, 2, 2, 1]) } },
    { name: 'shape', op: 'Shape', input: ['pool'], attr: {} },
    { name: 'n', op: 'StridedSlice', input: ['shape', 'zero', 'one', 'one'], attr: { shrink_axis_mask: attr.i(1) } },
    { name: 'to', op: 'Pack', input: ['n', 'minus'], attr: { axis: attr.i(0), N: attr.i(2) } },
    { name: 'flat', op: 'Reshape', input: ['pool', 'to'], attr: {} },
    { name: 'halves', op: 'Split', input: ['axis', 'flat'], attr: { num_split: attr.i(2) } },
    {
      name: 'product',
      op: '_FusedMatMul',
      input: ['halves:1', 'm', 'b'],
      attr: { ...fused, transpose_b: attr.b(true) },
    },
    { name: 'tiled', op: 'Tile', input: ['product', 'times'], attr: {} },
    { name: 'y', op: 'Softmax', input: ['tiled'], attr: {} },
  ]
  const pads = { type: 'i32', shape: [4, 2], data: Int32Array.of(0, 0, 1, 1, 0, 2, 0, 0) } as const
  const constants = {
    ...{ w: given([3, 3, 2, 2], 1), b: given([2], 2), d: given([3, 3, 2, 1], 3), m: given([2, 49], 4), pads },
    ...{ size: ints(2, 12, 12, 2), two: ints(12, 11), zero: ints(0), one: ints(1), minus: number(-1), axis: number(1) },
    ...{ times: ints(1, 3) },
  }
  const signature = { inputs: { x: { name: 'x:0' } }, outputs: { y: { name: 'y:0' } } }
  return graphFiles(nodes, constants, { signature })
}

const x = given([2, 6, 6, 2], 1)

/** A model with another number among its integers. */
function changedSize(files: OnDisk, name: string, at: number, value: number): OnDisk {
  const [{ paths, weights }] = JSON.parse(files.json).weightsManifest
  const bytes = Uint8Array.from(paths.flatMap((path: string) => Array.from(files.shards.get(path)!)))
  let begin = 0
  for (const { name: other, shape } of weights) {
    if (other === name) new DataView(bytes.buffer).setInt32(begin + 4 * at, value, true)
    begin += 4 * shape.reduce((a: number, b: number) => a * b, 1)
  }
  const first = files.shards.get(paths[0])!.length
  return { ...files, shards: new Map([[paths[0], bytes.slice(0, first)], [paths[1], bytes.slice(first)]]) } // biome-ignore format: short
}

describe.each([
  ['a layers model', layersModel],
  ['a graph model', graphModel],
])('%s', (_, make) => {
  const run = (files: OnDisk) =>
    outcomeOf(() => {
      const graph = readFiles(files)
      const sizes = [...graph.constants.values()].map(c => c.read()).filter(c => c.type === 'i32')
      // Sizes that memory may be asked for are computed, and are not the subject of this test.
      if (sizes.some(({ data }) => Array.from(data, Number).some(n => n > 200 && n < 2 ** 29))) return undefined
      const inputs = Object.fromEntries(
        graph.inputs.flatMap(({ name, shape = [] }) => {
          const lengths = shape.map(n => (typeof n === 'number' ? n : 2))
          return lengths.reduce((a, b) => a * b, 1) <= 4096 ? [[name, given(lengths, 1)]] : []
        }),
      )
      return { graph, inputs }
    })

  it('the file runs without changes', async () => {
    expect(run(await make())).toBe('run')
  })

  it('a file with random errors runs or is refused by one error', { timeout: 7_200_000 }, async () => {
    const files = await make()
    const json = JSON.parse(files.json)
    const text = new TextEncoder().encode(files.json)
    // Mostly values of the JSON; its text and the bytes of its weights, too.
    const mutate = (next: (below: number) => number): OnDisk => {
      const how = next(8)
      if (how > 1) return { ...files, json: JSON.stringify(mutatedJson(json, next)) }
      if (how === 1) return { ...files, json: new TextDecoder().decode(mutated(text, next)) }
      return { ...files, shards: new Map([...files.shards].map(([name, bytes]) => [name, mutated(bytes, next)])) }
    }
    fuzz(11, mutate, run, changed => changed.json)
  })
})

it('sizes that no memory holds are refused at once, wherever they are', () => {
  const files = graphModel()
  const places = { size: [1, 2], two: [0, 1], pads: [0, 1, 2, 3, 4, 5, 6, 7], times: [0, 1] }
  for (const most of [2 ** 29, 2 ** 31 - 1]) {
    for (const [name, list] of Object.entries(places)) {
      for (const at of list) {
        const graph = readFiles(changedSize(files, name, at, most))
        const start = performance.now()
        expect(() => evaluate(recognised(folded(graph, { x })), { x }), `${name} ${at}`).toThrow(GraphError)
        expect(performance.now() - start, `${name} ${at}`).toBeLessThan(5000)
      }
    }
  }
})
