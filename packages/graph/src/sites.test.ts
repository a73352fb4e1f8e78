import { expect, it } from 'vitest'
import type { Constant, Graph, Node } from './graph.js'
import { recognised } from './recognise.js'
import { cuts, sitesOf } from './sites.js'

/** A graph from lines `y = Op a b`; names c… are constants of one number. */
function graphOf(outputs: string[], lines: string[], numbers: Record<string, number> = {}): Graph {
  const constants = new Map(
    Object.entries(numbers).map(([name, n]): [string, Constant] => {
      const array = { type: 'f32' as const, shape: [], data: Float32Array.of(n) }
      return [name, { ...array, read: () => array }]
    }),
  )
  const nodes = lines.map((line): Node => {
    const [output, op, ...inputs] = line.replace('= ', '').split(' ') as [string, string, ...string[]]
    return { op, domain: '', version: 17, name: output, inputs, outputs: [output], attributes: {} }
  })
  const info = (name: string) => ({ name, type: 'f32' as const })
  return { name: 'g', inputs: [info('x')], outputs: outputs.map(info), constants, nodes, declared: new Map() }
}
const kinds = (graph: Graph) => sitesOf(graph).map(s => [s.sum, s.kind, s.level, Math.round(s.scale * 1e6) / 1e6])

it('finds plain blocks, with activations between them, and the values that all paths pass', () => {
  const graph = graphOf(['y'], ['a = Conv x', 'f = Relu a', 's = Add a f', 'r = Relu s', 'g = Tanh r', 'y = Add g r'])
  expect(kinds(graph)).toEqual([['s', 'identity', 0, 1], ['y', 'identity', 0, 1]]) // biome-ignore format: short
  expect(cuts(graph)).toEqual(['x', 'a', 's', 'r', 'y'])
})

it('finds nested blocks with their scales, in either order of operands, by division and behind copies', () => {
  const lines = ['f = Relu x', 'fs = Mul f c', 'i = Add x fs', 'o = Mul c i', 'k = Identity o', 's = Add k x']
  const graph = graphOf(['y'], [...lines, 'g = Relu s', 'h = Div g d', 'y = Add s h'], { c: 0.2, d: 4 })
  expect(kinds(graph)).toEqual([['i', 'identity', 1, 0.2], ['s', 'identity', 0, 0.2], ['y', 'identity', 0, 0.25]]) // biome-ignore format: short
  expect(cuts(graph)).toEqual(['x', 's', 'y'])
})

it('finds projections, and no residual addition in constants, in two branches or in concatenations', () => {
  const projection = graphOf(['y'], ['p = Conv x', 'q = MaxPool p', 'f = Relu x', 'g = Conv f', 'y = Add g q'])
  expect(kinds(projection)).toEqual([['y', 'projection', 0, 1]])
  expect(kinds(graphOf(['y'], ['a = Add x c', 'f = Relu a', 'g = Tanh a', 'y = Add f g'], { c: 3 }))).toEqual([])
  const dense = graphOf(['y'], ['f = Relu x', 'd = Concat x f', 'g = Relu d', 'y = Concat d g'])
  expect([kinds(dense), cuts(dense)]).toEqual([[], ['x', 'd', 'y']])
})

it('cuts nothing where several outputs leave early', () => {
  const graph = graphOf(['a', 'y'], ['h = Relu x', 'a = Conv h', 'f = Relu h', 'y = Add h f'])
  expect(cuts(graph)).toEqual(['x', 'h'])
})

const branchesOf = (graph: Graph) => sitesOf(graph).map(s => [s.sum, s.skip, s.branches.join()])

it('takes branches that are added to one skip, in any order and grouping, as one', () => {
  const lines = ['a = Conv x', 'f = Relu a', 'g = Tanh a']
  const sums = [
    ['t = Add a f', 'y = Add t g'],
    ['t = Add f g', 'y = Add a t'],
    ['t = Add g a', 'y = Add f t'],
    ['y = Sum g a f'],
  ]
  for (const last of sums) {
    const found = sitesOf(graphOf(['y'], [...lines, ...last]))
    expect(found.map(s => [s.sum, s.skip, s.level])).toEqual([['y', 'a', 0]])
  }
  // A sum that is read elsewhere too is a block of its own.
  const read = graphOf(['y'], [...lines, 't = Add a f', 'h = Tanh t', 'y = Add t h'])
  expect(branchesOf(read)).toEqual([['t', 'a', 'f'], ['y', 't', 'h']]) // biome-ignore format: short
})

it('tells a skip over a residual block from parallel branches', () => {
  const long = graphOf(['y'], ['a = Conv x', 'f = Relu a', 't = Add a f', 'y = Add x t'])
  expect(kinds(long)).toEqual([['t', 'identity', 1, 1], ['y', 'identity', 0, 1]]) // biome-ignore format: short
  // Laterals of a pyramid: the larger map, with a block of its own, is what the smaller one is added to.
  const pyramid = ['c = Relu x', 'd = Relu c', 'p = Conv c', 'g = Tanh p', 's = Add p g', 'u = Resize d', 'y = Add s u']
  expect(branchesOf(graphOf(['y'], pyramid))).toEqual([['s', 'p', 'g'], ['y', 's', 'u']]) // biome-ignore format: short
})

it('finds one scale for all branches, and behind what only moves numbers about', () => {
  const c = { c: 0.5, k: 0.25 }
  const scaled = (...lines: string[]) => kinds(graphOf(['y'], ['f = Relu x', 'g = Tanh x', ...lines], c))
  expect(scaled('a = Mul f c', 'b = Mul c g', 'y = Sum x a b')).toEqual([['y', 'identity', 0, 0.5]])
  expect(scaled('a = Mul f c', 'b = Mul k g', 'y = Sum x a b')).toEqual([['y', 'identity', 0, 1]])
  expect(scaled('a = Mul f c', 'r = Transpose a', 'b = Div r k', 'y = Add b x')).toEqual([['y', 'identity', 0, 2]])
})

it('takes no mask for a skip: it is spread over what it is added to', () => {
  const graph = graphOf(['y'], ['m = Relu x', 'h = Conv m', 'y = Add h m'])
  expect(kinds(graph)).toEqual([['y', 'identity', 0, 1]])
  const info = (name: string, shape: number[]) => [name, { name, type: 'f32' as const, shape }] as const
  const declared = new Map([info('m', [1, 1, 4]), info('h', [1, 4, 4]), info('y', [1, 4, 4])])
  expect(sitesOf({ ...graph, declared })).toEqual([])
})

it('takes scores for content and for position, which an attention pattern is of, for no residual addition', () => {
  const scores = ['q = Conv x', 'k = Conv x', 'v = Conv x', 'a = MatMul q k', 'b = MatMul q c', 's = Add a b']
  const attention = [...scores, 'p = Softmax s', 'h = MatMul p v', 'y = Add x h']
  const graph = recognised(graphOf(['y'], attention, { c: 2 }))
  expect(kinds(graph)).toEqual([['y', 'identity', 0, 1]])
  // A residual addition within a gate is one.
  const gate = ['f = Relu x', 's = Add x f', 'g = Sigmoid s', 'h = Mul x g', 'y = Add x h']
  expect(kinds(recognised(graphOf(['y'], gate)))).toEqual([['s', 'identity', 1, 1], ['y', 'identity', 0, 1]]) // biome-ignore format: short
})
