import { shown } from '@unravel/tensor/internals'
import { type Attribute, type Graph, isGraph, type Node } from './graph.js'

/** Values of the graph around it that a graph reads. */
export function captured(graph: Graph): Set<string> {
  const own = new Set([...graph.inputs.map(i => i.name), ...graph.constants.keys()])
  const names = new Set<string>()
  for (const node of graph.nodes) for (const output of node.outputs) own.add(output)
  for (const node of graph.nodes) for (const name of readsOf(node)) if (!own.has(name)) names.add(name)
  for (const { name } of graph.outputs) if (!own.has(name)) names.add(name)
  return names
}

/** Values that a node reads: its inputs, and what graphs among its attributes read of the graph that they are in. */
export function readsOf(node: Node): string[] {
  const inner = Object.values(node.attributes)
    .filter(isGraph)
    .flatMap(graph => [...captured(graph)])
  return [...node.inputs, ...inner].filter(name => name !== '')
}

/**
 * The graph with its nodes in topological order (that of the file, where it is one), all of them named and no name twice.
 * Calls `fail` for a value that nothing makes or two nodes make, and for a cycle.
 */
export function sorted(graph: Graph, fail: (message: string) => never, around: ReadonlySet<string> = new Set()): Graph {
  const makers = new Map<string, number>()
  const given = new Set([...graph.inputs.map(i => i.name), ...graph.constants.keys()])
  if (given.size < graph.inputs.length + graph.constants.size) {
    const twice = graph.inputs.find(
      (input, i) => graph.constants.has(input.name) || graph.inputs.findIndex(o => o.name === input.name) < i,
    )
    fail(`the input ${shown(twice?.name ?? '')} is there twice`)
  }
  graph.nodes.forEach((node, i) => {
    for (const output of node.outputs) {
      if (output === '') continue
      if (given.has(output) || makers.has(output)) fail(`the value ${shown(output)} is made twice`)
      makers.set(output, i)
    }
  })
  const reads = graph.nodes.map(readsOf)
  const waiting = graph.nodes.map(() => 0)
  const readers = new Map<number, number[]>()
  reads.forEach((names, i) => {
    for (const name of names) {
      const maker = makers.get(name)
      if (maker !== undefined) {
        waiting[i]!++
        const list = readers.get(maker)
        if (list === undefined) readers.set(maker, [i])
        else list.push(i)
      } else if (!given.has(name) && !around.has(name)) {
        fail(`${labelOf(graph.nodes[i]!)} reads ${shown(name)}, which nothing makes`)
      }
    }
  })
  for (const { name } of graph.outputs) {
    if (!makers.has(name) && !given.has(name) && !around.has(name)) fail(`nothing makes the output ${shown(name)}`)
  }
  const order = inOrder(waiting, readers)
  if (order.length < graph.nodes.length) {
    const stuck = graph.nodes[waiting.findIndex(n => n > 0)]!
    fail(`${labelOf(stuck)} is on a cycle, or behind one: no order of the nodes computes every value before it is read`)
  }
  const names = new Set<string>()
  const visible = new Set([...around, ...given, ...makers.keys()])
  const nodes = order.map(i => {
    const node = graph.nodes[i]!
    let name = node.name || `${node.op}_${node.outputs.find(o => o !== '') ?? i}`
    if (names.has(name)) name = `${name}_${i}`
    while (names.has(name)) name = `${name}_`
    names.add(name)
    const attributes: Record<string, Attribute> = Object.create(null)
    for (const [key, value] of Object.entries(node.attributes)) {
      attributes[key] = isGraph(value) ? sorted(value, fail, visible) : value
    }
    return { ...node, name, attributes }
  })
  return { ...graph, nodes }
}

export const labelOf = ({ op, name, outputs }: Node): string =>
  `${op} ${shown(name || (outputs.find(o => o !== '') ?? ''))}`

/** Nodes by when what they wait for is done: of those that are ready the first one in the file. */
function inOrder(waiting: number[], readers: ReadonlyMap<number, readonly number[]>): number[] {
  const order: number[] = []
  // A heap of the ready ones.
  const heap: number[] = []
  const push = (i: number) => {
    let at = heap.push(i) - 1
    for (let up = (at - 1) >> 1; at > 0 && heap[up]! > heap[at]!; up = (at - 1) >> 1) {
      ;[heap[at], heap[up]] = [heap[up]!, heap[at]!]
      at = up
    }
  }
  const pop = () => {
    const top = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return top
    heap[0] = last
    for (let at = 0; ; ) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && heap[child]! < heap[least]!) least = child
      if (least === at) return top
      ;[heap[at], heap[least]] = [heap[least]!, heap[at]!]
      at = least
    }
  }
  waiting.forEach((n, i) => {
    if (n === 0) push(i)
  })
  while (heap.length > 0) {
    const i = pop()
    order.push(i)
    for (const reader of readers.get(i) ?? []) if (--waiting[reader]! === 0) push(reader)
  }
  return order
}
