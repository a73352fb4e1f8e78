import { turned } from './constants.js'
import { known, live } from './fold.js'
import type { Attribute, Constant, Graph, HostArray, Node } from './graph.js'
import { isConstant, isGraph } from './graph.js'
import { isFloat, numbersOf } from './host.js'
import { OWN } from './operators/table.js'
import { any, constant, either, Finder, type Match, number, op, type Pattern, product } from './pattern.js'
import { readsOf, sorted } from './sort.js'

// Files spell out what their writers had no operator for: layer norm as means and roots, GELU by erf or tanh, PReLU as
// relu(x) + a(x − |x|)/2. Each becomes the one node that it is, with a gate of its own: additions within it are no residual ones.
// Numbers stay what they were: where a file's constants are rounded ones, the node computes with these.

interface Composite {
  readonly name: string
  readonly pattern: Pattern
  /** The node in place of what matched; undefined where it does not hold after all. */
  readonly node: (match: Match, at: Finder) => Replacement | undefined
}

interface Replacement {
  readonly op: string
  readonly domain?: string
  /** Version of ONNX's vocabulary that has the operator. */
  readonly version?: number
  readonly inputs: readonly (string | Constant)[]
  readonly attributes?: Readonly<Record<string, Attribute>>
}

const x = any('x')
const halves = (pattern: Pattern): Pattern => op('Pow', pattern, number(0.5, 0))
const root = (pattern: Pattern): Pattern => either(op('Sqrt', pattern), halves(pattern))
const square = (pattern: Pattern): Pattern => either(op('Pow', pattern, number(2, 0)), op('Mul', pattern, pattern))

/** d / √(mean(d²) + ε) in the ways that it is written. */
const normalised = (d: Pattern, squares: Pattern): Pattern => {
  const variance = op('Add', squares, number('epsilon'))
  return either(
    op('Div', d, root(variance)),
    op('Mul', d, op('Reciprocal', root(variance))),
    op('Mul', d, op('Div', number(1, 0), root(variance))),
    op('Mul', d, op('Pow', variance, number(-0.5, 0))),
  )
}

const meanOf = (pattern: Pattern): Pattern => op('ReduceMean', pattern)
const centred = op('Sub', x, meanOf(x))

/** Axes that all means within a match are over, from the end; undefined where they differ or the rank is not known. */
function axesOf(match: Match, at: Finder): readonly number[] | undefined {
  const lists = match.nodes
    .filter(node => node.op === 'ReduceMean')
    .map(node => {
      const input = node.inputs[1] ? at.constant(node.inputs[1]) : undefined
      const axes = (node.attributes.axes as readonly number[] | undefined) ?? (input && numbersOf(input.read()))
      if (axes === undefined || node.attributes.keepdims === 0) return undefined
      const rank = at.graph.declared.get(node.inputs[0]!)?.shape?.length
      if (rank === undefined && axes.some(a => a >= 0)) return undefined
      return axes.map(a => (a < 0 ? a : a - rank!)).sort((a, b) => a - b)
    })
  const [first] = lists
  return lists.every(list => list !== undefined && String(list) === String(first)) ? first : undefined
}

const norm =
  (name: 'LayerNorm' | 'RMSNorm') =>
  (match: Match, at: Finder): Replacement | undefined => {
    const axes = axesOf(match, at)
    if (axes === undefined) return undefined
    return { op: name, domain: OWN, inputs: [match.values.x!], attributes: { axes, epsilon: match.numbers.epsilon! } }
  }

const unit =
  (name: string, attributes?: (match: Match) => Record<string, Attribute>) =>
  (match: Match): Replacement => ({
    op: name,
    domain: OWN,
    inputs: [match.values.x!],
    ...(attributes && { attributes: attributes(match) }),
  })

/** A constant times a number, plus another. */
function scaled(of: Constant, by: number, plus = 0): Constant {
  const read = (): HostArray => ({
    type: of.type,
    shape: of.shape,
    data: Float64Array.from(numbersOf(of.read()), v => v * by + plus),
  })
  return by === 1 && plus === 0 ? of : { type: of.type, shape: of.shape, read }
}

/** x W + b with constants is one operator, as PyTorch lays it out; unless x W is read by others too. */
function dense({ values, nodes }: Match, at: Finder): Replacement | undefined {
  const [weight, bias] = [at.constant(values.weight!)!, at.constant(values.bias!)!]
  const product = nodes.find(node => node.op === 'MatMul')!
  const fits = weight.shape.length === 2 && bias.shape.length === 1 && bias.shape[0] === weight.shape[1]
  if (!fits || !isFloat(weight.type) || at.readers(product.outputs[0]!) > 1) return undefined
  return { op: 'Linear', domain: OWN, inputs: [values.x!, turned(weight, [1, 0]), bias] }
}

/** relu(x) + slope·(x − |x|)·scale is PRelu with the slope 2·scale times as large; with x for relu(x), 1 more than that. */
const prelu =
  (slope: (match: Match) => number, more = 0) =>
  (match: Match, at: Finder): Replacement => ({
    op: 'PRelu',
    version: 16,
    inputs: [match.values.x!, scaled(at.constant(match.values.slope!)!, slope(match), more)],
  })

const exactly = (a: number, b: number) => Math.abs(a - b) <= 1e-14 * Math.abs(b)
const relu = op('Relu', x)
const negative = op('Relu', op('Neg', x))
const shifted = (what: Pattern) => op('Add', what, number(1, 0))

const cube = either(
  product('cubic', op('Pow', x, number(3, 0))),
  product('cubic', x, x, x),
  product('cubic', x, square(x)),
)
const withCube = op('Add', x, cube)
const withSquare = shifted(either(product('cubic', x, x), product('cubic', square(x))))

const composites: readonly Composite[] = [
  { name: 'dense layer', pattern: op('Add', op('MatMul', x, constant('weight')), constant('bias')), node: dense },
  { name: 'layer norm', pattern: normalised(centred, meanOf(square(centred))), node: norm('LayerNorm') },
  { name: 'RMS norm', pattern: normalised(x, meanOf(square(x))), node: norm('RMSNorm') },
  {
    name: 'GELU by erf',
    pattern: product('outer', x, shifted(op('Erf', product('inner', x)))),
    node: unit('Gelu', ({ numbers }) => ({ inner: numbers.inner!, outer: numbers.outer! })),
  },
  {
    name: 'GELU by tanh',
    // outer·x·(1 + tanh(inner·(x + cubic·x³))), or with x·(1 + cubic·x²)
    pattern: product(
      'outer',
      x,
      shifted(op('Tanh', either(product('inner', withCube), product('inner', x, withSquare)))),
    ),
    node: unit('GeluTanh', ({ numbers }) => ({ inner: numbers.inner!, outer: numbers.outer!, cubic: numbers.cubic! })),
  },
  {
    name: 'PReLU by |x|',
    pattern: op('Add', relu, product('scale', constant('slope'), op('Sub', x, op('Abs', x)))),
    node: prelu(({ numbers }) => 2 * numbers.scale!),
  },
  {
    name: 'PReLU by |x| beside x',
    pattern: op('Add', x, product('scale', constant('slope'), op('Sub', x, op('Abs', x)))),
    node: prelu(({ numbers }) => 2 * numbers.scale!, 1),
  },
  {
    name: 'PReLU by relu(−x), added',
    pattern: op('Add', relu, product('scale', constant('slope'), negative)),
    node: prelu(({ numbers }) => -numbers.scale!),
  },
  {
    name: 'PReLU by relu(−x), subtracted',
    pattern: op('Sub', relu, product('scale', constant('slope'), negative)),
    node: prelu(({ numbers }) => numbers.scale!),
  },
  {
    name: 'SiLU',
    pattern: product('scale', x, op('Sigmoid', x)),
    node: match => (match.numbers.scale === 1 ? { op: 'Swish', version: 24, inputs: [match.values.x!] } : undefined),
  },
  {
    name: 'Mish',
    pattern: product('scale', x, op('Tanh', op('Softplus', x))),
    node: match => (match.numbers.scale === 1 ? { op: 'Mish', version: 18, inputs: [match.values.x!] } : undefined),
  },
  {
    name: 'h-swish',
    pattern: product('scale', x, op('Clip', op('Add', x, number(3, 0)))),
    node: (match, at) => (exactly(match.numbers.scale!, 1 / 6) && clipsTo6(match, at) ? hardSwish(match) : undefined),
  },
  {
    name: 'h-swish by HardSigmoid',
    pattern: product('scale', x, op('HardSigmoid', x)),
    node: match => {
      const { alpha, beta } = match.nodes.find(node => node.op === 'HardSigmoid')!.attributes
      const plain = exactly((alpha as number) ?? 0.2, 1 / 6) && ((beta as number) ?? 0.5) === 0.5
      return plain && match.numbers.scale === 1 ? hardSwish(match) : undefined
    },
  },
]

const hardSwish = (match: Match): Replacement => ({ op: 'HardSwish', version: 14, inputs: [match.values.x!] })

function clipsTo6({ nodes }: Match, at: Finder): boolean {
  const clip = nodes.find(node => node.op === 'Clip')!
  const bound = (name: string, i: number) =>
    clip.version < 11 ? clip.attributes[name] : clip.inputs[i] ? at.number(clip.inputs[i]!) : undefined
  return bound('min', 1) === 0 && bound('max', 2) === 6
}

/** Nodes that compute the same from the same inputs become one. */
function shared(graph: Graph): Graph {
  const renamed = new Map<string, string>()
  const seen = new Map<string, Node>()
  const outputs = new Set(graph.outputs.map(o => o.name))
  const nodes = graph.nodes.flatMap(node => {
    const inputs = node.inputs.map(name => renamed.get(name) ?? name)
    const now = { ...node, inputs }
    const attributes = Object.entries(node.attributes)
    if (attributes.some(([, v]) => isGraph(v) || isConstant(v))) return [now]
    const key = JSON.stringify([
      node.op,
      node.domain,
      node.version,
      inputs,
      attributes.sort(([a], [b]) => (a < b ? -1 : 1)),
    ])
    const before = seen.get(key)
    if (
      before === undefined ||
      before.outputs.length !== node.outputs.length ||
      node.outputs.some(o => outputs.has(o))
    ) {
      seen.set(key, now)
      return [now]
    }
    node.outputs.forEach((name, i) => {
      if (name !== '' && before.outputs[i]) renamed.set(name, before.outputs[i]!)
    })
    return node.outputs.every((name, i) => name === '' || before.outputs[i]) ? [] : [now]
  })
  // Graphs in attributes read by name: of those nothing is renamed.
  const inner = new Set(graph.nodes.flatMap(node => readsOf(node).filter(name => !node.inputs.includes(name))))
  return [...inner].some(name => renamed.has(name)) ? graph : { ...graph, nodes }
}

/** The graph with every spelled-out composite as the node that it is, and with products that have no gate as `frozen`. */
export function recognised(graph: Graph): Graph {
  const from = shared(graph)
  const at = new Finder(from)
  const constants = new Map(from.constants)
  const nodes = from.nodes.map(node => {
    const [output] = node.outputs
    if (output === undefined || node.domain !== '' || node.outputs.length !== 1) return node
    for (const { pattern, node: made } of composites) {
      const match = at.find(pattern, output)
      const replacement = match && made(match, at)
      if (replacement === undefined) continue
      const inputs = replacement.inputs.map((input, i) => {
        if (typeof input === 'string') return input
        const name = `${output}/${i}`
        constants.set(name, input)
        return name
      })
      const { op: name, domain = '', version = 1, attributes = {} } = replacement
      return { ...node, op: name, domain, version, inputs, attributes }
    }
    return node
  })
  const refuse = (message: string): never => {
    throw new Error(message)
  }
  return frozen(live(sorted({ ...from, nodes, constants }, refuse)))
}

/** Functions whose result is a gate rather than a signal. */
const gates: ReadonlySet<string> = new Set([
  ...[
    'Sigmoid',
    'HardSigmoid',
    'Softmax',
    'Tanh',
    'Clip',
    'Erf',
    'Relu',
    'HardSwish',
    'Swish',
    'Gelu',
    'GeluTanh',
    'Mish',
  ],
  ...['Softplus', 'Elu', 'Exp', 'Reciprocal'],
])
/** Operators that leave a gate a gate. */
const through: ReadonlySet<string> = new Set([
  ...[
    'Reshape',
    'Transpose',
    'Unsqueeze',
    'Squeeze',
    'Expand',
    'Identity',
    'Cast',
    'Dropout',
    'Slice',
    'Split',
    'Tile',
    'Resize',
  ],
  ...['Upsample', 'Flatten'],
])

const products: ReadonlySet<string> = new Set(['Mul', 'MatMul'])

/**
 * Which factor of a product of two values that both come from the input is frozen: the one that is computed from the other (as
 * the gate of squeeze and excite, or x·g(x)); else the one that ends in a function; else the first, as the attention pattern.
 * A Softmax whose result is such a factor is the pattern of the run.
 */
function frozen(graph: Graph): Graph {
  const at = new Finder(graph)
  const fixed = known(graph)
  const behind = (value: string, wanted: string): boolean => {
    const seen = new Set<string>()
    const stack = [value]
    while (stack.length > 0) {
      const name = stack.pop()!
      if (name === wanted) return true
      const node = seen.has(name) ? undefined : at.maker(name)
      seen.add(name)
      if (node !== undefined) stack.push(...readsOf(node))
    }
    return false
  }
  /** The function that a value ends in, after what only moves it about. */
  const end = (value: string): Node | undefined => {
    let node = at.maker(value)
    while (node !== undefined && through.has(node.op)) node = at.maker(node.inputs[0]!)
    return node
  }
  /** The axis of a Softmax; below version 13 that of all axes from one on, where this is the last. */
  const axisOf = ({ op: name, domain, version, attributes, inputs }: Node): number | undefined => {
    if (name !== 'Softmax' || domain !== '') return undefined
    const axis = (attributes.axis as number | undefined) ?? (version < 13 ? 1 : -1)
    const rank = graph.declared.get(inputs[0]!)?.shape?.length
    return version >= 13 || axis === -1 || axis + 1 === rank ? axis : undefined
  }
  const patterns = new Map<string, number>()
  const marked = new Map<string, number>()
  for (const node of graph.nodes) {
    const [a, b] = node.inputs
    const bilinear = node.domain === '' && (products.has(node.op) || (node.op === 'Einsum' && node.inputs.length === 2))
    if (!bilinear || a === undefined || b === undefined || a === b || fixed.has(a) || fixed.has(b)) continue
    const isGate = (value: string) => gates.has(end(value)?.op ?? '')
    const factor = behind(b, a) ? 1 : behind(a, b) ? 0 : isGate(b) && !isGate(a) ? 1 : 0
    // Of sums of products by an equation only the attention pattern is frozen.
    if (node.op !== 'Einsum') marked.set(node.name, factor)
    const pattern = end(node.inputs[factor]!)
    const axis = pattern && axisOf(pattern)
    if (axis !== undefined) patterns.set(pattern!.name, axis)
  }
  const nodes = graph.nodes.map(node => {
    const factor = marked.get(node.name)
    if (factor !== undefined) return { ...node, domain: OWN, attributes: { frozen: factor } }
    const axis = patterns.get(node.name)
    return axis === undefined ? node : { ...node, domain: OWN, attributes: { axis } }
  })
  return { ...graph, nodes }
}

/** Products of the graph with a frozen factor: the node, and the value that is frozen. */
export const frozenFactors = (graph: Graph): { readonly node: string; readonly factor: string }[] =>
  graph.nodes
    .filter(node => node.domain === OWN && typeof node.attributes.frozen === 'number')
    .map(node => ({ node: node.name, factor: node.inputs[node.attributes.frozen as number]! }))
