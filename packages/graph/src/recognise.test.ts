import { expandDims, gated, mul, narrow, Random, series, stack, sub, sum, type Tensor } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import { Evaluator, evaluate } from './evaluate.js'
import { folded } from './fold.js'
import type { Graph } from './graph.js'
import { modelOf, type NodeSpec, type TensorSpec } from './oracles/onnx.js'
import { readGraph } from './read.js'
import { frozenFactors, recognised } from './recognise.js'

const scalar = (name: string, value: number): TensorSpec => ({ name, type: 'f64', dims: [], values: [value] })

/** A node of the last output of the operator before it. */
const node = (
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: NodeSpec['attributes'] = {},
): NodeSpec => ({
  op,
  inputs,
  outputs: [output],
  attributes,
})

const graphOf = (nodes: readonly NodeSpec[], constants: readonly TensorSpec[] = []): Graph =>
  readGraph(modelOf({ nodes, constants, inputs: [{ name: 'x', shape: ['b', 3, 8] }], outputs: [{ name: 'y' }] }))

const axes = { axes: [-1] }
const eps = scalar('eps', 1e-5)
const half = scalar('half', 0.5)
const one = scalar('one', 1)
const two = scalar('two', 2)
const root2 = scalar('root2', Math.SQRT2)
const root2f = scalar('root2', Math.fround(Math.SQRT2))
const slope: TensorSpec = { name: 'slope', type: 'f64', dims: [3, 1], values: [0.1, 0.25, -0.5] }

const normBy = (last: readonly NodeSpec[]): readonly NodeSpec[] => [
  node('ReduceMean', ['x'], 'm', axes),
  node('Sub', ['x', 'm'], 'd'),
  node('Pow', ['d', 'two'], 'd2'),
  node('ReduceMean', ['d2'], 'v', axes),
  node('Add', ['v', 'eps'], 've'),
  ...last,
]
const tanhGelu = (inner: number, cubic: number): [readonly NodeSpec[], readonly TensorSpec[]] => [
  [
    node('Pow', ['x', 'three'], 'x3'),
    node('Mul', ['x3', 'cubic'], 'c'),
    node('Add', ['x', 'c'], 's'),
    node('Mul', ['s', 'inner'], 'i'),
    node('Tanh', ['i'], 't'),
    node('Add', ['t', 'one'], 't1'),
    node('Mul', ['x', 't1'], 'p'),
    node('Mul', ['half', 'p'], 'y'),
  ],
  [scalar('three', 3), scalar('cubic', cubic), scalar('inner', inner), one, half],
]
const erfGelu: readonly NodeSpec[] = [
  node('Div', ['x', 'root2'], 'a'),
  node('Erf', ['a'], 'e'),
  node('Add', ['one', 'e'], 'e1'),
  node('Mul', ['x', 'half'], 'h'),
  node('Mul', ['h', 'e1'], 'y'),
]

const weight: TensorSpec = {
  name: 'w',
  type: 'f64',
  dims: [8, 5],
  values: Array.from({ length: 40 }, (_, i) => Math.sin(i)),
}
const bias: TensorSpec = { name: 'b', type: 'f64', dims: [5], values: [1, 2, 3, 4, 5] }

/** The expression spelled out, its operator, and nodes and constants. */
const spelled: readonly (readonly [string, string, readonly NodeSpec[], readonly TensorSpec[]])[] = [
  [
    'layer norm with a root',
    'LayerNorm',
    normBy([node('Sqrt', ['ve'], 's'), node('Div', ['d', 's'], 'y')]),
    [eps, two],
  ],
  [
    'layer norm with a reciprocal, its difference written twice',
    'LayerNorm',
    [
      node('ReduceMean', ['x'], 'm', axes),
      node('Sub', ['x', 'm'], 'd'),
      node('Sub', ['x', 'm'], 'd_'),
      node('Mul', ['d_', 'd_'], 'd2'),
      node('ReduceMean', ['d2'], 'v', axes),
      node('Add', ['eps', 'v'], 've'),
      node('Sqrt', ['ve'], 's'),
      node('Reciprocal', ['s'], 'r'),
      node('Mul', ['r', 'd'], 'y'),
    ],
    [eps],
  ],
  [
    'layer norm over an axis in the middle',
    'LayerNorm',
    [
      node('ReduceMean', ['x'], 'm', { axes: [1] }),
      node('Sub', ['x', 'm'], 'd'),
      node('Pow', ['d', 'two'], 'd2'),
      node('ReduceMean', ['d2'], 'v', { axes: [1] }),
      node('Add', ['v', 'eps'], 've'),
      node('Sqrt', ['ve'], 's'),
      node('Div', ['d', 's'], 'y'),
    ],
    [eps, two],
  ],
  [
    'RMS norm',
    'RMSNorm',
    [
      node('Pow', ['x', 'two'], 'x2'),
      node('ReduceMean', ['x2'], 'v', axes),
      node('Add', ['v', 'eps'], 've'),
      node('Sqrt', ['ve'], 's'),
      node('Div', ['one', 's'], 'r'),
      node('Mul', ['x', 'r'], 'y'),
    ],
    [eps, two, one],
  ],
  ['GELU by erf', 'Gelu', erfGelu, [root2, one, half]],
  ['GELU by erf with the root of 2 of f32', 'Gelu', erfGelu, [root2f, one, half]],
  ['GELU by tanh', 'GeluTanh', ...tanhGelu(Math.sqrt(2 / Math.PI), 0.044715)],
  ['GELU by tanh with numbers of f32', 'GeluTanh', ...tanhGelu(Math.fround(0.7978845608), Math.fround(0.044715))],
  [
    'PReLU by |x|',
    'PRelu',
    [
      node('Relu', ['x'], 'r'),
      node('Abs', ['x'], 'a'),
      node('Sub', ['x', 'a'], 'd'),
      node('Mul', ['slope', 'd'], 'm'),
      node('Mul', ['m', 'half'], 'h'),
      node('Add', ['r', 'h'], 'y'),
    ],
    [slope, half],
  ],
  [
    'PReLU by |x| beside x',
    'PRelu',
    [
      node('Abs', ['x'], 'a'),
      node('Sub', ['x', 'a'], 'd'),
      node('Mul', ['d', 'slope'], 'm'),
      node('Add', ['x', 'm'], 'y'),
    ],
    [slope],
  ],
  [
    'PReLU by relu(−x)',
    'PRelu',
    [
      node('Relu', ['x'], 'r'),
      node('Neg', ['x'], 'n'),
      node('Relu', ['n'], 'rn'),
      node('Mul', ['slope', 'rn'], 'm'),
      node('Add', ['r', 'm'], 'y'),
    ],
    [slope],
  ],
  ['dense layer', 'Linear', [node('MatMul', ['x', 'w'], 'p'), node('Add', ['b', 'p'], 'y')], [weight, bias]],
  ['SiLU', 'Swish', [node('Sigmoid', ['x'], 's'), node('Mul', ['s', 'x'], 'y')], []],
  ['Mish', 'Mish', [node('Softplus', ['x'], 's'), node('Tanh', ['s'], 't'), node('Mul', ['x', 't'], 'y')], []],
  [
    'h-swish',
    'HardSwish',
    [
      node('Add', ['x', 'three'], 'a'),
      node('Clip', ['a', 'zero', 'six'], 'c'),
      node('Mul', ['x', 'c'], 'm'),
      node('Div', ['m', 'six'], 'y'),
    ],
    [scalar('three', 3), scalar('zero', 0), scalar('six', 6)],
  ],
]

const input = () => new Random(3).normal([2, 3, 8], 0.3, 2, { dtype: 'f64' })
const largest = (t: Tensor) => t.dataSync().reduce((m, v) => Math.max(m, Math.abs(v)), 0)
const yOf = (evaluator: Evaluator, x: Tensor) => (evaluator.run({ x }, ['y']).y as { tensor: Tensor }).tensor

describe.each(spelled)('%s', (_, name, nodes, constants) => {
  const made = () => {
    const graph = graphOf(nodes, constants)
    return { graph, short: recognised(folded(graph, { x: input() })) }
  }

  it(`becomes the one operator ${name}`, () => {
    expect(made().short.nodes.map(n => n.op)).toEqual([name])
  })

  it('keeps its numbers, and its series in what goes in', () => {
    const { graph, short } = made()
    const x = input()
    const [long, one] = [graph, short].map(g => evaluate(g, { x }).y!)
    expect(largest(sub(long!, one!))).toBeLessThanOrEqual(1e-12)
    const told: number[][] = []
    evaluate(graph, { x }, { onNode: (...now) => void told.push(now) })
    expect(told).toEqual(graph.nodes.map((_, i) => [i + 1, graph.nodes.length]))
    const curve = stack([x, new Random(4).normal([2, 3, 8], 0, 1, { dtype: 'f64' })])
    const [a, b] = [graph, short].map(g => {
      const evaluator = new Evaluator(g)
      return series(h => yOf(evaluator, h), curve, 3)
    })
    expect(largest(sub(a!, b!))).toBeLessThanOrEqual(1e-9)
  })

  it('the gate of an operator: path sums are the run, and some of them move', () => {
    const evaluator = new Evaluator(made().short)
    const x = input()
    const parts = stack([mul(x, 0.25), mul(x, 0.75)])
    const { value, stack: paths } = gated(h => yOf(evaluator, h), x, parts, 1)
    expect(largest(sub(sum(paths, 0), value))).toBeLessThanOrEqual(1e-12)
    expect(largest(narrow(paths, 0, 1, 1))).toBeGreaterThan(0.1)
  })
})

it('means over other axes, or without their axes kept, are no norm', () => {
  const nodes = normBy([node('Sqrt', ['ve'], 's'), node('Div', ['d', 's'], 'y')])
  const other = nodes.map(n => (n.outputs[0] === 'v' ? { ...n, attributes: { axes: [1] } } : n))
  const short = recognised(folded(graphOf(other, [eps, two]), { x: input() }))
  expect(short.nodes.map(n => n.op)).not.toContain('LayerNorm')
})

describe('products of two values that come from the input', () => {
  const factorsOf = (nodes: readonly NodeSpec[], constants: readonly TensorSpec[] = []) =>
    frozenFactors(recognised(graphOf(nodes, constants))).map(f => f.factor)

  it('freeze the factor that is computed from the other one', () => {
    const excite = [
      node('ReduceMean', ['x'], 'm', axes),
      node('Relu', ['m'], 'r'),
      node('Sigmoid', ['r'], 's'),
      node('Mul', ['x', 's'], 'y'),
    ]
    expect(factorsOf(excite)).toEqual(['s'])
    expect(factorsOf(excite.with(3, node('Mul', ['s', 'x'], 'y')))).toEqual(['s'])
  })

  it('freeze the factor that ends in a function, where neither is computed from the other', () => {
    const gate = [node('MatMul', ['x', 'w'], 'a'), node('MatMul', ['x', 'w2'], 'b'), node('Sigmoid', ['b'], 's')]
    const w = (name: string): TensorSpec => ({
      name,
      dims: [8, 8],
      values: Array.from({ length: 64 }, (_, i) => i % 7),
    })
    expect(factorsOf([...gate, node('Mul', ['a', 's'], 'y')], [w('w'), w('w2')])).toEqual(['s'])
    expect(factorsOf([...gate, node('Mul', ['s', 'a'], 'y')], [w('w'), w('w2')])).toEqual(['s'])
  })

  it('freeze the attention pattern, which paths do not enter', () => {
    const attention = [
      node('Transpose', ['x'], 'k', { perm: [0, 2, 1] }),
      node('MatMul', ['x', 'k'], 'scores'),
      node('Softmax', ['scores'], 'pattern', { axis: -1 }),
      node('MatMul', ['pattern', 'x'], 'y'),
    ]
    const graph = recognised(graphOf(attention))
    expect(frozenFactors(graph).map(f => f.factor)).toContain('pattern')
    const evaluator = new Evaluator(graph)
    const x = input()
    const parts = stack([mul(x, 0.25), mul(x, 0.75)])
    const { value, stack: paths } = gated(h => yOf(evaluator, h), x, parts, 1)
    // The pattern is linear in the values: order 1 has its share of them.
    expect(largest(sub(narrow(paths, 0, 1, 1), mul(expandDims(value, 0), 0.75)))).toBeLessThanOrEqual(1e-12)
  })
})
