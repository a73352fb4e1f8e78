import { known, live } from './fold.js'
import type { Graph, Node } from './graph.js'
import { numbersOf } from './host.js'
import { readsOf } from './sort.js'

/** A residual addition: two operands that depend on the numbers in the input, of which one, or what it is projected from, is an
 *  ancestor of the other. */
export interface Site {
  /** The node that adds. */
  readonly name: string
  /** The value that it makes. */
  readonly sum: string
  /** The value that the skip and the branch both come from. */
  readonly from: string
  /** The operands of the addition. */
  readonly skip: string
  readonly branch: string
  /** Identity, or operators without a nonlinearity (convolution, pooling, norm, padding, …). */
  readonly kind: 'identity' | 'projection'
  /** The constant factor at the end of the branch; 1 where there is none. */
  readonly scale: number
  /** How many other sites have it in their branch. */
  readonly level: number
}

const additions = new Set(['Add', 'Sum'])
const projections = new Set([
  ...['Conv', 'MatMul', 'Gemm', 'AveragePool', 'MaxPool', 'GlobalAveragePool', 'BatchNormalization', 'Pad'],
  ...['Identity', 'Dropout', 'Cast', 'Resize', 'Reshape', 'Transpose', 'Slice', 'Squeeze', 'Unsqueeze'],
])
const transparent = new Set(['Identity', 'Dropout', 'Cast'])

/** Values that depend on the numbers in the inputs, in the order in which they are made; and the node of each that has one. */
function flowOf(graph: Graph): { readonly order: readonly string[]; readonly makers: ReadonlyMap<string, Node> } {
  const fixed = known(graph)
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) for (const o of node.outputs) if (o !== '' && !fixed.has(o)) makers.set(o, node)
  return { order: [...graph.inputs.map(i => i.name).filter(n => !fixed.has(n)), ...makers.keys()], makers }
}

/**
 * The values through which every path from the inputs to the outputs passes, in order. No step may lead from before such a value
 * to after it: linear in the size of the graph.
 */
export function cuts(whole: Graph): string[] {
  const graph = live(whole)
  const { order, makers } = flowOf(graph)
  const places = new Map(order.map((name, i) => [name, i]))
  const furthest = order.map((_, i) => i)
  for (const [name, node] of makers) {
    for (const read of readsOf(node)) {
      const from = places.get(read)
      if (from !== undefined) furthest[from] = Math.max(furthest[from]!, places.get(name)!)
    }
  }
  for (const { name } of graph.outputs) {
    const from = places.get(name)
    if (from !== undefined) furthest[from] = order.length
  }
  // Inputs are where paths begin: one after another is a path that passes by the others.
  const inputs = order.length - makers.size
  let reached = inputs > 1 ? inputs : 0
  return order.filter((_, i) => {
    const isCut = reached <= i
    reached = Math.max(reached, furthest[i]!)
    return isCut && !(inputs > 1 && i < inputs)
  })
}

/** The residual additions of a graph, nested ones included, in order. Spelled-out activations and norms are recognised before. */
export function sitesOf(whole: Graph): Site[] {
  const graph = live(whole)
  const { order, makers } = flowOf(graph)
  const places = new Map(order.map((name, i) => [name, i]))
  const ancestors = new Map<string, Set<string>>()
  const of = (name: string) => ancestors.get(name)!
  const readsAt = (node: Node) => readsOf(node).filter(r => places.has(r))
  for (const name of order) {
    const node = makers.get(name)
    ancestors.set(name, new Set(node === undefined ? [] : readsAt(node).flatMap(r => [r, ...of(r)])))
  }
  const constant = (name: string | undefined): number | undefined => {
    const value = name === undefined ? undefined : graph.constants.get(name)
    if (value === undefined || value.shape.some(n => n !== 1)) return undefined
    return numbersOf(value.read())[0]
  }
  /** The product of constant factors that a value ends with. */
  const factor = (name: string): number => {
    const node = makers.get(name)
    if (node === undefined || node.domain !== '') return 1
    const [a, b] = node.inputs
    if (transparent.has(node.op)) return factor(a!)
    const [left, right] = [constant(a), constant(b)]
    if (node.op === 'Mul' && right !== undefined) return right * factor(a!)
    if (node.op === 'Mul' && left !== undefined) return left * factor(b!)
    return node.op === 'Div' && right !== undefined ? factor(a!) / right : 1
  }
  /** A value and those that it is projected from, nearest first. */
  const projected = (name: string): string[] => {
    const node = makers.get(name)
    const reads = node === undefined ? [] : readsAt(node)
    const goes = node !== undefined && node.domain === '' && projections.has(node.op) && reads.length === 1
    return goes ? [name, ...projected(reads[0]!)] : [name]
  }
  const found: Omit<Site, 'level'>[] = []
  for (const [sum, node] of makers) {
    const operands = readsAt(node)
    if (node.domain !== '' || !additions.has(node.op) || operands.length !== 2) continue
    const [a, b] = operands as [string, string]
    const ways = [
      [a, b],
      [b, a],
    ].flatMap(([skip, branch]) => {
      const steps = projected(skip!)
      const at = steps.findIndex(v => of(branch!).has(v))
      return at < 0 ? [] : [{ skip: skip!, branch: branch!, from: steps[at]!, at }]
    })
    const [way] = ways.sort((p, q) => p.at - q.at)
    if (way === undefined) continue
    const { at, ...ends } = way
    found.push({ name: node.name, sum, ...ends, kind: at === 0 ? 'identity' : 'projection', scale: factor(way.branch) })
  }
  const within = (inner: (typeof found)[number], outer: (typeof found)[number]) =>
    (inner.sum === outer.branch || of(outer.branch).has(inner.sum)) &&
    (inner.sum !== outer.from && !of(outer.from).has(inner.sum)) // biome-ignore format: short
  return found.map(site => ({ ...site, level: found.filter(o => o !== site && within(site, o)).length }))
}
