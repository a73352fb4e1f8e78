import { expect, it } from 'vitest'
import type { Constant, Graph, Node } from './graph.js'
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
const kinds = (graph: Graph) => sitesOf(graph).map(s => [s.name, s.kind, s.level, Math.round(s.scale * 1e6) / 1e6])

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
