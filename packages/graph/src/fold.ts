import type { Backend, Tensor } from '@unravel/tensor'
import { hosted, isFlow, shapeOf, type Value } from './call.js'
import { GraphError } from './errors.js'
import { Evaluator, type Given } from './evaluate.js'
import {
  type Attribute,
  type Constant,
  type Graph,
  type HostArray,
  isGraph,
  type Node,
  type ValueInfo,
} from './graph.js'
import { readsOf, sorted } from './sort.js'

/** Operators whose results the shapes of their inputs decide. */
const ofShapes: ReadonlySet<string> = new Set(['Shape', 'Size'])

/** Names of the values that do not depend on the numbers in the inputs, but at most on their shapes. */
export function known(graph: Graph): Set<string> {
  const names = new Set(graph.constants.keys())
  for (const node of graph.nodes) {
    const reads = readsOf(node)
    const fixed = node.domain === '' && ofShapes.has(node.op)
    if (fixed || reads.every(name => names.has(name))) for (const output of node.outputs) names.add(output)
  }
  return names
}

/** The nodes, and the constants, from which the outputs are computed. */
export function live(graph: Graph): Graph {
  const wanted = new Set(graph.outputs.map(o => o.name))
  const kept: Node[] = []
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some(o => wanted.has(o))) continue
    kept.push(node)
    for (const name of readsOf(node)) wanted.add(name)
  }
  return {
    ...graph,
    nodes: kept.reverse(),
    constants: new Map([...graph.constants].filter(([name]) => wanted.has(name))),
  }
}

export const constantOf = (array: HostArray): Constant => ({ type: array.type, shape: array.shape, read: () => array })

/** The name of a value that a branch of If brings into the graph around it. */
function inlinedBranch(node: Node, branch: Graph, constants: Map<string, Constant>): Node[] {
  const own = new Set([...branch.constants.keys(), ...branch.nodes.flatMap(n => n.outputs)])
  const renamed = (name: string) => (own.has(name) ? `${node.name}/${name}` : name)
  const within = (graph: Graph): Graph => ({
    ...graph,
    nodes: graph.nodes.map(n => rename(n)),
    outputs: graph.outputs.map(o => ({ ...o, name: renamed(o.name) })),
  })
  const rename = (n: Node): Node => {
    const attributes: Record<string, Attribute> = Object.create(null)
    for (const [key, value] of Object.entries(n.attributes)) attributes[key] = isGraph(value) ? within(value) : value
    return {
      ...n,
      attributes,
      inputs: n.inputs.map(renamed),
      outputs: n.outputs.map(renamed),
      name: `${node.name}/${n.name}`,
    }
  }
  for (const [name, value] of branch.constants) constants.set(renamed(name), value)
  const copies = node.outputs.flatMap((output, i): Node[] => {
    if (output === '') return []
    const from = branch.outputs[i]
    if (from === undefined) throw new GraphError(`a branch of node "${node.name}" lacks output ${i}, "${output}"`)
    const name = `${node.name}/${i}`
    return [{ ...node, op: 'Identity', inputs: [renamed(from.name)], outputs: [output], name, attributes: {} }]
  })
  return [...branch.nodes.map(rename), ...copies]
}

const MOST_PASSES = 16

/**
 * The graph for inputs of these shapes: whatever does not depend on their numbers is computed (shapes and what is made of them,
 * constants of constants), branches of If with a known condition stand in its place, nodes that no output needs are gone, and
 * `declared` has the shapes of all values. One run of the network. Throws GraphError.
 */
export function folded(
  graph: Graph,
  inputs: Readonly<Record<string, Given>>,
  options: { readonly dtype?: 'f32' | 'f64'; readonly backend?: Backend } = {},
): Graph {
  let now = live(graph)
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const fixed = known(now)
    const unknown = now.nodes.filter(node => !node.outputs.every(o => o === '' || fixed.has(o)))
    // Values that the others read, and outputs.
    const frontier = new Set(
      [...unknown.flatMap(readsOf), ...now.outputs.map(o => o.name)].filter(name => fixed.has(name)),
    )
    const evaluator = new Evaluator(now, options)
    const shapes = new Map<string, ValueInfo>()
    const names = [...new Set([...frontier, ...now.outputs.map(o => o.name)])]
    const values = evaluator.run(inputs, names, (name, value) => {
      shapes.set(name, { name, type: value.type, shape: shapeOf(value) })
    })
    const constants = new Map(now.constants)
    for (const name of frontier) if (!constants.has(name)) constants.set(name, constantOf(hosted(values[name]!)))
    for (const value of Object.values(values)) dispose(value)
    evaluator.dispose()
    let inlined = false
    const nodes = unknown.flatMap(node => {
      const condition = node.op === 'If' && node.domain === '' ? constants.get(node.inputs[0]!) : undefined
      if (condition === undefined) return [node]
      const branch = node.attributes[Number(condition.read().data[0]) !== 0 ? 'then_branch' : 'else_branch']
      if (!isGraph(branch)) throw new GraphError(`node "${node.name}" lacks a branch`)
      inlined = true
      return inlinedBranch(node, branch, constants)
    })
    const given = now.inputs.map(info => {
      const value = Object.hasOwn(inputs, info.name) ? inputs[info.name] : undefined
      return value === undefined ? info : { ...info, shape: value.shape }
    })
    const refuse = (message: string): never => {
      throw new GraphError(message)
    }
    now = live(sorted({ ...now, nodes, constants, inputs: given, declared: shapes }, refuse))
    if (!inlined) return now
  }
  throw new GraphError(`branches of If are nested more than ${MOST_PASSES} deep`)
}

function dispose(value: Value): void {
  if (isFlow(value)) (value.tensor as Tensor).dispose()
}
