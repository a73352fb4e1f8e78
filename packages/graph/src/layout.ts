import { integers, reshaped, turned } from './constants.js'
import { live } from './fold.js'
import { type Constant, type Graph, isGraph, type Node, type View } from './graph.js'
import { numbersOf } from './host.js'

// Networks that keep channels last have every convolution between two transposes. These are moved behind the operators after
// them, where they meet the next ones and cancel: what is left of them is at the inputs and the outputs. Every value keeps its
// name and its layout: a transpose makes it from the turned one, and is computed by a run that is asked for the value.

type Order = readonly number[]

/** Operators of one element at a time, of any number of inputs that broadcast. */
const elementwise: ReadonlySet<string> = new Set([
  ...['Abs', 'Neg', 'Sign', 'Floor', 'Ceil', 'Round', 'Exp', 'Log', 'Sqrt', 'Reciprocal', 'Sin', 'Cos', 'Tan'],
  ...['Sinh', 'Cosh', 'Tanh', 'Asinh', 'Acosh', 'Atanh', 'Erf', 'Sigmoid', 'Relu', 'LeakyRelu', 'Elu', 'Celu', 'Selu'],
  ...['Softplus', 'Softsign', 'Mish', 'Gelu', 'Swish', 'HardSigmoid', 'HardSwish', 'ThresholdedRelu', 'PRelu', 'Clip'],
  ...['Add', 'Sub', 'Mul', 'Div', 'Mod', 'Pow', 'Max', 'Min', 'Sum', 'Mean', 'Where', 'Equal', 'Less', 'LessOrEqual'],
  ...['Greater', 'GreaterOrEqual', 'And', 'Or', 'Xor', 'Not', 'IsNaN', 'IsInf', 'Cast', 'Identity'],
])
const reductions: ReadonlySet<string> = new Set([
  ...['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceL2', 'ReduceL1', 'ReduceSumSquare'],
])
const sameRank: ReadonlySet<string> = new Set([
  ...['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'BatchNormalization'],
  ...['LRN', 'Softmax', 'LogSoftmax', 'Concat', 'Split', 'Pad', 'Slice', 'Resize', 'Tile', 'DepthToSpace'],
  ...['SpaceToDepth', 'CumSum', 'LayerNormalization', 'GroupNormalization'],
])

const isOrder = (order: Order | undefined, rank: number | undefined): order is Order =>
  order !== undefined &&
  (rank === undefined || rank === order.length) &&
  new Set(order).size === order.length &&
  order.every(axis => Number.isInteger(axis) && axis >= 0 && axis < order.length)
const inOrder = (order: Order) => order.every((axis, i) => axis === i)
const inverse = (order: Order): number[] => order.map((_, i) => order.indexOf(i))
/** A transpose of a transpose. */
const composed = (first: Order, second: Order): number[] => second.map(axis => first[axis]!)
const axisIn = (axis: number, rank: number): number | undefined => {
  const at = axis < 0 ? axis + rank : axis
  return Number.isInteger(at) && at >= 0 && at < rank ? at : undefined
}

export const listOf = (node: Node, name: string): readonly number[] | undefined => {
  const value = node.attributes[name]
  return Array.isArray(value) && value.every(v => typeof v === 'number') ? (value as number[]) : undefined
}

/** Numbers of a constant of few. */
export function fewOf(constant: Constant | undefined): number[] | undefined {
  return constant !== undefined && constant.shape.length <= 2 && constant.shape.reduce((a, b) => a * b, 1) <= 256
    ? numbersOf(constant.read())
    : undefined
}

/** Axes, lengths or pads that a constant has: integers. */
function integersOf(constant: Constant | undefined): number[] | undefined {
  const values = fewOf(constant)
  return values?.every(Number.isSafeInteger) ? values : undefined
}

/** The rank of what a node makes, as far as its operator and the ranks of its inputs say. */
export function rankAfter(
  node: Node,
  rank: (name: string) => number | undefined,
  few: (name: string) => readonly number[] | undefined,
): number | undefined {
  const { op, inputs } = node
  if (node.domain !== '') return undefined
  const first = inputs[0] === undefined ? undefined : rank(inputs[0])
  if (elementwise.has(op)) {
    const ranks = inputs.filter(i => i !== '').map(rank)
    return ranks.every(r => r !== undefined) && ranks.length > 0 ? Math.max(...ranks) : undefined
  }
  if (sameRank.has(op)) return first
  const named = (i: number) => listOf(node, 'axes') ?? (inputs[i] ? few(inputs[i]!) : undefined)
  if (op === 'Shape') return 1
  if (op === 'Transpose') return listOf(node, 'perm')?.length ?? first
  if (op === 'Reshape' || op === 'Expand') {
    const to = few(inputs[1]!)?.length
    return op === 'Reshape' || to === undefined || first === undefined ? to : Math.max(to, first)
  }
  if (first === undefined) return undefined
  if (reductions.has(op)) {
    if (node.attributes.keepdims !== 0) return first
    const axes = named(1)
    return axes === undefined ? (inputs[1] ? undefined : 0) : first - axes.length
  }
  if (op === 'Unsqueeze' || op === 'Squeeze') {
    const axes = named(1)
    return axes === undefined ? undefined : first + (op === 'Squeeze' ? -axes.length : axes.length)
  }
  const second = inputs[1] ? rank(inputs[1]) : undefined
  if (second === undefined) return undefined
  if (op === 'Gather') return first + second - 1
  return op === 'MatMul' && first >= 2 && second >= 2 ? Math.max(first, second) : undefined
}

/** Names that are taken. */
export class Names {
  readonly #taken: Set<string>
  /** The last number behind a name. */
  readonly #last = new Map<string, number>()

  constructor(names: Iterable<string> = []) {
    this.#taken = new Set(names)
  }

  add(name: string): void {
    this.#taken.add(name)
  }

  /** This name, or one with a number behind it, which is taken from now on. */
  unique(name: string): string {
    let made = name
    let i = this.#last.get(name) ?? 1
    while (this.#taken.has(made)) made = `${name}_${++i}`
    this.#last.set(name, i)
    this.#taken.add(made)
    return made
  }
}

/** The graph without the transposes that cancel. `known` are ranks of values; the result has those of all that it finds. */
export function withoutTransposes(graph: Graph, known: ReadonlyMap<string, number> = new Map()): Graph {
  return new Turning(graph, known).run()
}

/**
 * The live graph, whose values have the names that the file has for them, though it may have them in another layout: `views` says
 * in which. Nodes that only copy or turn a value for a name are gone.
 */
export function withViews(graph: Graph, names: ReadonlySet<string>): Graph {
  const kept = live(graph)
  const values = new Set([
    ...kept.inputs.map(i => i.name),
    ...kept.constants.keys(),
    ...kept.nodes.flatMap(n => n.outputs),
  ])
  const views = new Map<string, View>()
  const renamed = new Map<string, string>()
  const made = new Set(kept.nodes.flatMap(n => n.outputs))
  for (const { op, inputs, outputs, attributes } of graph.nodes) {
    const [name, from] = [outputs[0]!, inputs[0]!]
    if (values.has(name) || (op !== 'Identity' && op !== 'Transpose')) continue
    const before = values.has(from) ? undefined : views.get(from)
    if (before === undefined && !values.has(from)) continue
    const perm = op === 'Transpose' ? (attributes.perm as Order) : undefined
    const order = before === undefined ? (perm ?? []) : perm === undefined ? before.order : composed(before.order, perm)
    const of = before?.of ?? from
    views.set(name, { of, order })
    if (names.has(name) && made.has(of) && !names.has(of) && !renamed.has(of)) renamed.set(of, name)
  }
  const now = (name: string) => renamed.get(name) ?? name
  return {
    ...kept,
    nodes: kept.nodes.map(node => ({ ...node, inputs: node.inputs.map(now), outputs: node.outputs.map(now) })),
    views: new Map(
      [...views].filter(([name]) => names.has(name)).map(([name, { of, order }]) => [name, { of: now(of), order }]),
    ),
  }
}

class Turning {
  readonly #views = new Map<string, View>()
  readonly #ranks: Map<string, number>
  readonly #constants: Map<string, Constant>
  readonly #nodes: Node[] = []
  /** Transposes that are made: of a value, or a constant, in an order. */
  readonly #made = new Map<string, string>()
  readonly #names: Names

  constructor(
    readonly graph: Graph,
    known: ReadonlyMap<string, number>,
  ) {
    this.#constants = new Map(graph.constants)
    this.#ranks = new Map(known)
    for (const [name, { shape }] of graph.constants) this.#ranks.set(name, shape.length)
    for (const { name, shape } of graph.inputs) if (shape !== undefined) this.#ranks.set(name, shape.length)
    this.#names = new Names([...graph.constants.keys(), ...graph.inputs.map(i => i.name)])
    for (const node of graph.nodes) for (const name of node.outputs) this.#names.add(name)
  }

  run(): Graph {
    for (const node of this.graph.nodes) {
      const plain = node.domain === '' && node.outputs.length > 0 && !Object.values(node.attributes).some(isGraph)
      if (!plain || !(this.#transposed(node) || this.#through(node))) this.#push(this.#resolved(node))
    }
    return { ...this.graph, nodes: this.#nodes, constants: this.#constants }
  }

  #push(node: Node): void {
    this.#nodes.push(node)
    const rank = rankAfter(node, name => this.#ranks.get(name), name => fewOf(this.#constants.get(name))) // biome-ignore format: short
    if (rank !== undefined) for (const name of node.outputs) this.#ranks.set(name, rank)
  }

  /** The value that a name is a view of; itself, in order, where it is none. */
  #view(name: string, rank: number): View {
    return this.#views.get(name) ?? { of: name, order: Array.from({ length: rank }, (_, i) => i) }
  }

  /** Reads of copies are reads of what they copy, and those of equal transposes are of the first. */
  #resolved(node: Node): Node {
    const inputs = node.inputs.map(name => {
      const view = this.#views.get(name)
      if (view === undefined) return name
      return inOrder(view.order) ? view.of : this.#made.get(`${view.of}\n${view.order}`)!
    })
    return { ...node, inputs }
  }

  /** Says that `name` is a view, and writes what makes it from the value behind. */
  #record(name: string, { of, order }: View, like: Node): void {
    this.#views.set(name, { of, order })
    this.#ranks.set(name, order.length)
    const copy = inOrder(order)
    if (!copy && !this.#made.has(`${of}\n${order}`)) this.#made.set(`${of}\n${order}`, name)
    this.#push({
      ...like,
      ...{ op: copy ? 'Identity' : 'Transpose', domain: '', name: '', inputs: [of], outputs: [name] },
      attributes: copy ? {} : { perm: order },
    })
  }

  #transposed(node: Node): boolean {
    const [input] = node.inputs
    const [output] = node.outputs
    if (input === undefined || output === undefined) return false
    const rank = this.#ranks.get(input)
    if (node.op === 'Identity') {
      const view = this.#views.get(input)
      // A copy of a value whose rank is not known has no order to be in.
      if (view === undefined && rank === undefined) return false
      this.#record(output, view ?? this.#view(input, rank!), node)
      return true
    }
    if (node.op !== 'Transpose') return false
    const perm = listOf(node, 'perm')
    if (!isOrder(perm, rank)) return false
    const view = this.#view(input, perm.length)
    this.#record(output, { of: view.of, order: composed(view.order, perm) }, node)
    return true
  }

  /** A value in the order of those that a node reads: what it is turned from, a turned constant, or a transpose of it. */
  #turnedInput(name: string, order: Order, like: Node): string | undefined {
    if (name === '') return name
    const view = this.#views.get(name)
    if (view !== undefined && String(view.order) === String(order)) return view.of
    const constant = this.#constants.get(name)
    if (constant !== undefined) {
      if (constant.shape.every(n => n === 1) && constant.shape.length <= order.length) return name
      if (constant.shape.length > order.length) return undefined
      const lead = new Array<number>(order.length - constant.shape.length).fill(1)
      const key = `constant ${name}\n${order}`
      const made = this.#made.get(key)
      if (made !== undefined) return made
      const value = turned(reshaped(constant, [...lead, ...constant.shape]), inverse(order))
      this.#made.set(key, this.#constant(`${name}/turned`, value))
      return this.#made.get(key)
    }
    if (this.#ranks.get(name) !== order.length) return undefined
    const of = this.#view(name, order.length)
    const wanted = composed(of.order, inverse(order))
    if (inOrder(wanted)) return of.of
    const made = this.#made.get(`${of.of}\n${wanted}`)
    if (made !== undefined) return made
    const output = this.#names.unique(`${name}/turned`)
    this.#record(output, { of: of.of, order: wanted }, like)
    return output
  }

  #constant(name: string, value: Constant): string {
    const made = this.#names.unique(name)
    this.#constants.set(made, value)
    this.#ranks.set(made, value.shape.length)
    return made
  }

  /** Writes a node that computes turned values, whose views its outputs are. */
  #turn(node: Node, inputs: readonly string[], attributes: Node['attributes'], order: Order): true {
    const outputs = node.outputs.map(name => (name === '' ? '' : this.#names.unique(`${name}/turned`)))
    this.#push({ ...node, inputs, outputs, attributes })
    node.outputs.forEach((name, i) => {
      if (name === '') return
      this.#ranks.set(outputs[i]!, order.length)
      this.#record(name, { of: outputs[i]!, order }, node)
    })
    return true
  }

  /** A node behind a transpose, before it instead; false where that is not to be done. */
  #through(node: Node): boolean {
    const { op, inputs, attributes } = node
    const order = inputs.map(name => this.#views.get(name)?.order).find(o => o !== undefined && !inOrder(o))
    if (order === undefined) return false
    const rank = order.length
    const all = () => {
      const made: string[] = []
      // Every input is known to turn before a node is written.
      const fits = inputs.every(
        name =>
          name === '' ||
          (this.#constants.get(name)?.shape.length ?? rank + 1) <= rank ||
          this.#ranks.get(name) === rank,
      )
      if (!fits) return undefined
      for (const name of inputs) {
        const input = this.#turnedInput(name, order, node)
        if (input === undefined) return undefined
        made.push(input)
      }
      return made
    }
    const axisOf = (missing?: number) => {
      const axis = attributes.axis ?? missing
      const at = typeof axis === 'number' ? axisIn(axis, rank) : undefined
      return at === undefined ? undefined : order[at]!
    }
    const first = this.#views.get(inputs[0]!)
    const turnsFirst = first !== undefined && first.order === order
    if (elementwise.has(op)) {
      const made = all()
      return made !== undefined && this.#turn(node, made, attributes, order)
    }
    if (op === 'Concat') {
      const axis = axisOf()
      const made = axis === undefined ? undefined : all()
      return made !== undefined && this.#turn(node, made, { ...attributes, axis: axis! }, order)
    }
    if (!turnsFirst) return false
    const few = (i: number) => (inputs[i] ? integersOf(this.#constants.get(inputs[i]!)) : undefined)
    if (op === 'Softmax' || op === 'LogSoftmax') {
      const axis = node.version < 13 ? undefined : axisOf(-1)
      return axis !== undefined && this.#turn(node, [first.of], { ...attributes, axis }, order)
    }
    if (op === 'Split') {
      const axis = axisOf(0)
      return axis !== undefined && this.#turn(node, [first.of, ...inputs.slice(1)], { ...attributes, axis }, order)
    }
    if (reductions.has(op)) return this.#reduced(node, first)
    if (op === 'Slice') {
      const [starts, axes] = [few(1), few(3)]
      const named = axes ?? starts?.map((_, i) => i)
      const at = named?.map(a => axisIn(a, rank))
      if (at?.every(a => a !== undefined) !== true) return false
      const moved = this.#constant(`${node.outputs[0]}/axes`, integers(at.map(a => order[a!]!)))
      return this.#turn(node, [first.of, inputs[1]!, inputs[2]!, moved, ...inputs.slice(4)], attributes, order)
    }
    if (op === 'Pad') {
      const pads = few(1)
      if (pads?.length !== 2 * rank || inputs[3]) return false
      // The padded value is the one that the order is of.
      const back = inverse(order)
      const moved = [...back.map(a => pads[a]!), ...back.map(a => pads[a + rank]!)]
      const input = this.#constant(`${node.outputs[0]}/pads`, integers(moved))
      return this.#turn(node, [first.of, input, ...inputs.slice(2)], attributes, order)
    }
    if (op === 'Resize') {
      const axes = listOf(node, 'axes')
      const at = axes?.map(a => axisIn(a, rank))
      if (at?.every(a => a !== undefined) !== true) return false
      const moved = { ...attributes, axes: at.map(a => order[a!]!) }
      return this.#turn(node, [first.of, ...inputs.slice(1)], moved, order)
    }
    if (op === 'Tile') {
      const times = few(1)
      if (times?.length !== rank) return false
      const input = this.#constant(`${node.outputs[0]}/times`, integers(inverse(order).map(a => times[a]!)))
      return this.#turn(node, [first.of, input], attributes, order)
    }
    return false
  }

  /** A reduction over axes of a view: those that are left keep their order among each other. */
  #reduced(node: Node, { of, order }: View): boolean {
    const rank = order.length
    const given = listOf(node, 'axes') ?? (node.inputs[1] ? integersOf(this.#constants.get(node.inputs[1])) : undefined)
    const axes = given?.map(a => axisIn(a, rank))
    if (axes?.every(a => a !== undefined) !== true || axes.length === 0) return false
    const moved = this.#constant(`${node.outputs[0]}/axes`, integers(axes.map(a => order[a!]!)))
    const { axes: _, ...attributes } = node.attributes
    if (node.attributes.keepdims !== 0) return this.#turn(node, [of, moved], attributes, order)
    const left = order.filter((_, i) => !axes.includes(i))
    const places = [...left].sort((a, b) => a - b)
    const rest = left.map(axis => places.indexOf(axis))
    if (!inOrder(rest)) return this.#turn(node, [of, moved], attributes, rest)
    this.#push({ ...node, inputs: [of, moved], attributes })
    return true
  }
}
