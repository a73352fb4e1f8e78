import { known } from './fold.js'
import type { Graph, Node } from './graph.js'
import { OWN } from './operators/table.js'
import { readsOf } from './sort.js'

/** The nodes from whose results only frozen values are computed, the values that others are computed from, and those that carry paths. */
function partsOf(graph: Graph) {
  const fixed = known(graph)
  const isPattern = ({ op, domain }: Node) => op === 'Softmax' && domain === OWN
  const carrying = new Set(graph.inputs.map(i => i.name).filter(name => !fixed.has(name)))
  for (const node of graph.nodes) {
    const reached = !isPattern(node) && readsOf(node).some(name => carrying.has(name))
    for (const output of reached ? node.outputs : []) if (!fixed.has(output)) carrying.add(output)
  }
  /** Which of its inputs a node reads as frozen. */
  const frozenInput = (node: Node): number | undefined => {
    if (isPattern(node)) return 0
    const factor =
      node.op === 'Div' && node.domain === '' ? 1 : node.domain === OWN ? node.attributes.frozen : undefined
    // Where paths run through it alone, a factor is not frozen.
    return typeof factor === 'number' && carrying.has(node.inputs[1 - factor]!) ? factor : undefined
  }
  const followed = new Set(graph.outputs.map(o => o.name))
  const stopped = new Set<Node>()
  for (const node of [...graph.nodes].reverse()) {
    const isStopped = node.outputs.every(name => !followed.has(name))
    if (isStopped) stopped.add(node)
    const frozen = frozenInput(node)
    for (const name of isStopped ? [] : readsOf(node)) {
      const others = node.inputs.filter((_, i) => i !== frozen)
      if (frozen === undefined || name !== node.inputs[frozen] || others.includes(name)) followed.add(name)
    }
  }
  return { stopped, followed, carrying }
}

/** The nodes from whose results only frozen values are computed. */
export const stoppedIn = (graph: Graph): ReadonlySet<Node> => partsOf(graph).stopped

/**
 * The graph with `Frozen` before whatever only frozen values are computed from: the frozen factor of a product, the scores of an
 * attention pattern, the denominator of a quotient. Path sums stop there, so that a frozen factor may be computed by operators that
 * have no gate, such as the square root of a norm that is spelled out.
 */
export function withFrozen(graph: Graph): Graph {
  const { stopped, followed, carrying } = partsOf(graph)
  const made = new Set<string>()
  const nodes = graph.nodes.flatMap(node => {
    if (!stopped.has(node)) return [node]
    const entering = node.inputs.filter(name => carrying.has(name) && followed.has(name))
    const added = entering.filter(name => !made.has(name))
    for (const name of added) made.add(name)
    const frozen = [...new Set(added)].map(
      (name): Node => ({
        ...{ op: 'Frozen', domain: OWN, version: 1, name: `${name}/frozen`, attributes: {} },
        ...{ inputs: [name], outputs: [`${name}/frozen`] },
      }),
    )
    const inputs = node.inputs.map(name => (entering.includes(name) ? `${name}/frozen` : name))
    return [...frozen, { ...node, inputs }]
  })
  return { ...graph, nodes }
}
