import { GraphError } from './errors.js'
import { known, live } from './fold.js'
import { stoppedIn } from './freeze.js'
import type { Graph, Node } from './graph.js'
import { numbersOf } from './host.js'
import { OWN } from './operators/table.js'
import { readsOf } from './sort.js'

/** How a skip gets from where the branch begins to where it is added: as it is (or moved about), through operators without a
 *  nonlinearity of their own (convolution, pooling, norm, padding, factors, …), or through others too. */
export type SkipKind = 'identity' | 'projection' | 'nonlinear'

/** A residual addition: a skip, and operands that are computed from it, or from what it is projected from. */
export interface Site {
  /** The node that adds. */
  readonly node: string
  /** The value that it makes. */
  readonly sum: string
  /** Name of the addition: that of its sum in the file. */
  readonly name: string
  /** The value that the skip and the branch both come from. */
  readonly from: string
  /** The operand that skips. */
  readonly skip: string
  /** All other operands: the branch is their sum. Of additions in a row that nothing else reads, those of all of them. */
  readonly branches: readonly string[]
  readonly kind: Exclude<SkipKind, 'nonlinear'>
  /** The constant factor at the end of the branch; 1 where there is none. */
  readonly scale: number
  /** How many other sites have it in their branch. */
  readonly level: number
}

const additions: ReadonlySet<string> = new Set(['Add', 'Sum'])
/** Operators that leave a factor of a whole tensor a factor. */
const layout: ReadonlySet<string> = new Set(['Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Flatten'])
const copies: ReadonlySet<string> = new Set(['Identity', 'Dropout', 'Cast'])
const projections: ReadonlySet<string> = new Set([
  ...['Conv', 'ConvTranspose', 'MatMul', 'Gemm', 'AveragePool', 'MaxPool', 'GlobalAveragePool', 'GlobalMaxPool', 'Pad'],
  ...['BatchNormalization', 'InstanceNormalization', 'GroupNormalization', 'LayerNormalization', 'LpNormalization'],
  ...['Resize', 'Upsample', 'Slice', 'Concat', 'DepthToSpace', 'SpaceToDepth', 'Expand', 'Tile', 'Neg', 'ReduceMean'],
])
const ownProjections: ReadonlySet<string> = new Set(['Linear', 'LayerNorm', 'RMSNorm'])

/** Operands of additions in a row that are looked at together. */
const MOST_PARALLEL = 16
/** Values of a graph; which comes from which takes a bit for each two. */
const MOST_VALUES = 2 ** 15

/** The values that depend on the numbers in the inputs of a live graph, and how. */
export class Flow {
  /** Values in the order in which they are made, inputs first. */
  readonly order: readonly string[]
  readonly makers = new Map<string, Node>()
  readonly #places: ReadonlyMap<string, number>
  /** Of every value the bits of those that it comes from. */
  readonly #from: readonly Uint32Array[]

  constructor(readonly graph: Graph) {
    const fixed = known(graph)
    for (const node of graph.nodes)
      for (const o of node.outputs) if (o !== '' && !fixed.has(o)) this.makers.set(o, node)
    this.order = [...graph.inputs.map(i => i.name).filter(n => !fixed.has(n)), ...this.makers.keys()]
    this.#places = new Map(this.order.map((name, i) => [name, i]))
    if (this.order.length > MOST_VALUES) {
      throw new GraphError(
        `residual additions are looked for among at most ${MOST_VALUES} values; the network has ${this.order.length}`,
      )
    }
    const words = (this.order.length + 31) >>> 5
    const from: Uint32Array[] = []
    for (const name of this.order) {
      const bits = new Uint32Array(words)
      for (const read of this.reads(this.makers.get(name))) {
        const at = this.#places.get(read)!
        from[at]!.forEach((word, i) => (bits[i]! |= word)) // biome-ignore format: short
        bits[at >>> 5]! |= 1 << (at & 31)
      }
      from.push(bits)
    }
    this.#from = from
  }

  /** The inputs of a node that depend on the inputs of the graph. */
  reads(node: Node | undefined): string[] {
    return node === undefined ? [] : readsOf(node).filter(name => this.#places.has(name))
  }

  place(name: string): number | undefined {
    return this.#places.get(name)
  }

  /** Whether `value` is computed from `ancestor`, which is another one. */
  comesFrom(value: string, ancestor: string): boolean {
    const at = this.#places.get(ancestor)!
    return ((this.#from[this.#places.get(value)!]![at >>> 5]! >>> (at & 31)) & 1) === 1
  }

  shape(name: string): string | undefined {
    return this.graph.declared.get(name)?.shape?.join()
  }

  /** The number that a value is everywhere, where it is one constant. */
  number(name: string | undefined): number | undefined {
    const constant = name === undefined ? undefined : this.graph.constants.get(name)
    if (constant === undefined || constant.shape.some(n => n !== 1)) return undefined
    return numbersOf(constant.read())[0]
  }

  /** The one value from which a node makes its result by moving or copying, and the constant that it multiplies with. */
  factored(node: Node | undefined): { readonly of: string; readonly factor: number } | undefined {
    if (node === undefined || node.domain !== '') return undefined
    const [a, b] = node.inputs
    if (copies.has(node.op) || layout.has(node.op)) return { of: a!, factor: 1 }
    const [left, right] = [this.number(a), this.number(b)]
    if (node.op === 'Mul' && right !== undefined) return { of: a!, factor: right }
    if (node.op === 'Mul' && left !== undefined) return { of: b!, factor: left }
    if (node.op === 'Div' && right !== undefined) return { of: a!, factor: 1 / right }
    return node.op === 'Neg' ? { of: a!, factor: -1 } : undefined
  }

  /** The product of constant factors that a value ends with. */
  factor(name: string): number {
    let product = 1
    for (let at = this.factored(this.makers.get(name)); at; at = this.factored(this.makers.get(at.of)))
      product *= at.factor
    return product
  }

  /** The kind of the step that a node is, on the way of a skip. */
  step(node: Node): SkipKind {
    const { op, domain } = node
    if (domain === '' && (copies.has(op) || layout.has(op))) return 'identity'
    if (domain === OWN ? ownProjections.has(op) : domain === '' && projections.has(op)) return 'projection'
    // A constant that is added or multiplied, one for the whole or for each channel.
    const affine = domain === '' && ['Add', 'Sub', 'Mul', 'Div'].includes(op)
    const constants = affine ? node.inputs.flatMap(name => this.graph.constants.get(name) ?? []) : []
    const spread = constants.every(({ shape }) => shape.filter(n => n !== 1).length <= 1)
    return constants.length === 1 && spread && (op !== 'Div' || this.graph.constants.has(node.inputs[1]!))
      ? 'projection'
      : 'nonlinear'
  }
}

/**
 * The values through which every path from the inputs to the outputs passes, in order. No step may lead from before such a value
 * to after it: linear in the size of the graph.
 */
export function cuts(graph: Graph): string[] {
  return cutsOf(new Flow(live(graph)))
}

export function cutsOf(flow: Flow): string[] {
  const { order, makers, graph } = flow
  const furthest = order.map((_, i) => i)
  for (const [name, node] of makers) {
    for (const read of flow.reads(node)) {
      const from = flow.place(read)!
      furthest[from] = Math.max(furthest[from]!, flow.place(name)!)
    }
  }
  for (const { name } of graph.outputs) {
    const from = flow.place(name)
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
export function sitesOf(graph: Graph): Site[] {
  return sitesIn(new Flow(live(graph)))
}

export function sitesIn(flow: Flow): Site[] {
  const { makers, graph } = flow
  const stopped = stoppedIn(graph)
  const readers = new Map<string, number>()
  for (const name of [...graph.nodes.flatMap(readsOf), ...graph.outputs.map(o => o.name)]) {
    readers.set(name, (readers.get(name) ?? 0) + 1)
  }
  const addsUp = (node: Node | undefined): node is Node => node?.domain === '' && additions.has(node.op)
  const found = new Map<string, Omit<Site, 'level'> & { readonly operands: readonly string[] }>()
  /** A value and those that it is projected from, nearest first; with `through`, also along the skips of residual additions. */
  const projected = (name: string, through: boolean): string[] => {
    const steps = [name]
    for (;;) {
      const value = steps.at(-1)!
      const node = makers.get(value)
      const reads = flow.reads(node)
      const onwards = through ? found.get(value)?.skip : undefined
      if (onwards !== undefined) steps.push(onwards)
      else if (node !== undefined && reads.length === 1 && flow.step(node) !== 'nonlinear') steps.push(reads[0]!)
      else return steps
    }
  }
  const isIdentity = (path: readonly string[]) => path.every(name => flow.step(makers.get(name)!) === 'identity')
  /** Which of the operands of a sum skips: the one with the fewest steps to a value from which all others come. */
  const skipOf = (sum: string, operands: readonly string[], through: boolean) => {
    const data = operands.filter(name => flow.place(name) !== undefined)
    if (data.length < 2) return undefined
    const shape = flow.shape(sum)
    const ways = data.flatMap(skip => {
      // A skip is as large as the sum: a value that is broadcast to it (a mask, a mean) is none.
      const own = flow.shape(skip)
      if (own !== undefined && shape !== undefined && own !== shape) return []
      const steps = projected(skip, through)
      const others = data.filter(name => name !== skip)
      const at = steps.findIndex(v => others.length > 0 && others.every(name => flow.comesFrom(name, v)))
      return at < 0 ? [] : [{ operands, skip, from: steps[at]!, at, identity: isIdentity(steps.slice(0, at)) }]
    })
    return ways.sort((p, q) => p.at - q.at)[0]
  }
  /** Branches that are added to one skip one after the other, where nothing else reads the sums between, are one. */
  const parallel = (sum: string, operands: readonly string[]): ReturnType<typeof skipOf> => {
    const inner = operands.find(name => readers.get(name) === 1 && addsUp(makers.get(name)))
    if (inner === undefined || operands.length > MOST_PARALLEL) return undefined
    const flat = operands.flatMap(name =>
      name === inner ? (found.get(inner)?.operands ?? makers.get(name)!.inputs) : [name],
    )
    const way = skipOf(sum, flat, false)
    if (way === undefined) return parallel(sum, flat)
    const within = found.get(inner)
    if (within !== undefined && (within.skip !== way.skip || within.from !== way.from)) return undefined
    found.delete(inner)
    return way
  }
  for (const [sum, node] of makers) {
    if (!addsUp(node)) continue
    const inputs = node.inputs.filter(name => name !== '')
    const way = skipOf(sum, inputs, false) ?? parallel(sum, inputs) ?? skipOf(sum, inputs, true)
    if (way === undefined) continue
    const { operands, skip, from, identity } = way
    // Two projections that are added to the scores of an attention pattern, for content and position, are no skip and its branch.
    if (!identity && stopped.has(node)) continue
    const at = operands.indexOf(skip)
    const branches = operands.filter((_, i) => i !== at)
    const factors = branches.map(name => flow.factor(name))
    const scale = factors.every(f => f === factors[0]) ? factors[0]! : 1
    found.set(sum, {
      name: sum,
      node: node.name,
      sum,
      operands,
      from,
      skip,
      branches,
      kind: identity ? 'identity' : 'projection',
      scale,
    })
  }
  const sites = [...found.values()]
  const reaches = (name: string, value: string) =>
    name === value || (flow.place(name) !== undefined && flow.comesFrom(name, value))
  const within = (inner: (typeof sites)[number], outer: (typeof sites)[number]) =>
    outer.branches.some(name => reaches(name, inner.sum)) && !reaches(outer.from, inner.sum)
  return sites.map(site => {
    const { operands: _, ...rest } = site
    return { ...rest, level: sites.filter(o => o !== site && within(site, o)).length }
  })
}
