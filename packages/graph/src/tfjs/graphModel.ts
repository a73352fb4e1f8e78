import { shown } from '@unravel/tensor/internals'
import { live } from '../fold.js'
import type { Constant, Dimension, Graph, Node, ValueInfo } from '../graph.js'
import { sorted } from '../sort.js'
import { Builder, TFJS } from './builder.js'
import { fail, field, integer, isRecord, type Json, list, record, text } from './json.js'
import { elementTypeOf, Operation, operators, Refusal } from './operators.js'

// A graph model: TensorFlow's GraphDef as JSON. Nodes are read as they are, sorted, and translated one after the other.

/** "name", "name:1" or "name:output:1" as the value of a node: the first output has the node's name. */
function valueName(reference: string): string {
  const parts = reference.split(':')
  const index = parts.length === 1 ? 0 : Number(parts.at(-1))
  if (!Number.isInteger(index) || index < 0 || index > 1 << 16) fail(`${shown(reference)} names no output of a node`)
  return index === 0 ? parts[0]! : `${parts[0]}:${index}`
}

/** The shape of a value by a signature or an attribute. */
function dimensions(shape: unknown, what: string): Dimension[] | undefined {
  if (!isRecord(shape) || field(shape, 'unknownRank') === true) return undefined
  const axes = list(field(shape, 'dim') ?? [], `the shape of ${what}`)
  return axes.map(axis => {
    const size = field(record(axis, `an axis of ${what}`), 'size')
    const n = typeof size === 'string' ? Number(size) : size
    if (n === undefined) return null
    const length = integer(n, `an axis of ${what}`)
    return length < 0 ? null : length
  })
}

interface Raw {
  readonly node: Node
  readonly attributes: Json
}

function readNode(value: unknown): Raw {
  const entry = record(value, 'a node')
  const name = text(field(entry, 'name'), 'the name of a node')
  const op = text(field(entry, 'op'), `the operator of node ${shown(name)}`)
  const inputs = list(field(entry, 'input') ?? [], `the inputs of node ${shown(name)}`)
    .map(input => text(input, `an input of node ${shown(name)}`))
    // An input that begins with ^ is a control dependency.
    .filter(input => !input.startsWith('^'))
    .map(valueName)
  const attributes = record(field(entry, 'attr') ?? {}, `the attributes of node ${shown(name)}`)
  // The next turn of a loop is no input: loops are refused by their operators, not as cycles.
  const reads = op === 'NextIteration' ? [] : inputs
  return { node: { op, domain: TFJS, version: 1, name, inputs: reads, outputs: [name], attributes: {} }, attributes }
}

/** Keys of a signature and the values that they are. */
function signatureOf(model: Json, kind: 'inputs' | 'outputs'): Map<string, { value: string; info: Json }> {
  const user = field(model, 'userDefinedMetadata')
  const signature = (isRecord(user) ? field(user, 'signature') : undefined) ?? field(model, 'signature')
  const entries = isRecord(signature) ? field(signature, kind) : undefined
  const found = new Map<string, { value: string; info: Json }>()
  for (const [key, entry] of Object.entries(isRecord(entries) ? entries : {})) {
    const info = record(entry, `${shown(key)} of the signature`)
    found.set(key, {
      value: valueName(text(field(info, 'name') ?? key, `the name of ${shown(key)} in the signature`)),
      info,
    })
  }
  return found
}

/** The graph of a graph model. */
export function readGraphModel(
  model: Json,
  topology: Json,
  weights: ReadonlyMap<string, Constant>,
): { graph: Graph; builder: Builder } {
  const raws = list(field(topology, 'node'), 'the nodes of the model').map(readNode)
  const attributes = new Map(raws.map(raw => [raw.node.name, raw.attributes]))
  // Outputs beyond the first are those that are read.
  const counts = new Map<string, number>()
  const [keyIn, keyOut] = [signatureOf(model, 'inputs'), signatureOf(model, 'outputs')]
  const read = new Set(raws.flatMap(raw => raw.node.inputs))
  for (const value of [...read, ...[...keyOut.values()].map(k => k.value)]) {
    const at = value.lastIndexOf(':')
    if (at >= 0)
      counts.set(value.slice(0, at), Math.max(counts.get(value.slice(0, at)) ?? 0, Number(value.slice(at + 1))))
  }
  const outputsOf = (name: string) => [
    name,
    ...Array.from({ length: counts.get(name) ?? 0 }, (_, i) => `${name}:${i + 1}`),
  ]
  const placeholders = raws.filter(raw => raw.node.op === 'Placeholder')
  const names = new Map([...keyIn].map(([key, { value }]) => [value, key]))
  const inputs = placeholders.map(({ node: { name }, attributes: own }): ValueInfo & { readonly value: string } => {
    const key = names.get(name)
    const info = key === undefined ? undefined : keyIn.get(key)!.info
    const what = `the input ${shown(key ?? name)}`
    const of = (attribute: string, kind: string) => {
      const entry = field(own, attribute)
      return isRecord(entry) ? field(entry, kind) : undefined
    }
    const type = of('dtype', 'type') ?? (info && field(info, 'dtype')) ?? 'DT_FLOAT'
    const shape = dimensions(of('shape', 'shape'), what) ?? dimensions(info && field(info, 'tensorShape'), what)
    return { name: key ?? name, value: name, type: elementTypeOf(type, what), ...(shape !== undefined && { shape }) }
  })
  const constants = new Map<string, Constant>()
  for (const { node } of raws) {
    if (node.op !== 'Const') continue
    const value = weights.get(node.name) ?? fail(`the weights do not have the constant ${shown(node.name)}`)
    if (constants.has(node.name)) fail(`the value ${shown(node.name)} is made twice`)
    constants.set(node.name, value)
  }
  // Without a signature the outputs are what no node reads.
  const given = new Set(['Const', 'Placeholder', 'NoOp'])
  const isEnd = (node: Node) => !given.has(node.op) && !outputsOf(node.name).some(name => read.has(name))
  const ends = raws.filter(({ node }) => isEnd(node)).map(({ node }) => [node.name, node.name] as const)
  const outputs = keyOut.size > 0 ? [...keyOut].map(([key, { value }]) => [key, value] as const) : ends
  if (outputs.length === 0) fail('the model has no outputs')
  const plain = raws.map(raw => raw.node).filter(node => node.op !== 'Const' && node.op !== 'Placeholder')
  const whole: Graph = {
    name: 'tfjs',
    inputs: inputs.map(({ value, type, shape }) => ({ name: value, type, ...(shape !== undefined && { shape }) })),
    outputs: outputs.map(([, value]) => ({ name: value, type: 'f32' })),
    constants,
    nodes: plain.map(node => ({ ...node, outputs: outputsOf(node.name) })),
    declared: new Map(),
  }
  const graph = live(sorted(whole, fail))
  return translated(graph, inputs, outputs, attributes)
}

function translated(
  graph: Graph,
  inputs: readonly (ValueInfo & { readonly value: string })[],
  outputs: readonly (readonly [key: string, value: string])[],
  attributes: ReadonlyMap<string, Json>,
): { graph: Graph; builder: Builder } {
  const b = new Builder()
  for (const { outputs: names } of graph.nodes) for (const name of names) b.reserve(name)
  for (const [key] of outputs) b.reserve(key)
  for (const { name, value, shape } of inputs) {
    for (const reserved of [name, value]) b.reserve(reserved)
    if (shape !== undefined) b.ranks.set(name, shape.length)
    b.alias(value, name)
  }
  for (const [name, constant] of graph.constants) {
    b.reserve(name)
    b.add(name, constant)
  }
  for (const node of graph.nodes) {
    b.begin(node.name)
    const reads = node.inputs.map(name => b.resolve(name))
    const row = Object.hasOwn(operators, node.op) ? operators[node.op]! : undefined
    const count = b.nodes.length
    try {
      if (row === undefined) throw new Refusal('')
      const made = [
        row(new Operation(b, node.name, node.op, reads, attributes.get(node.name) ?? {}, node.outputs.length)),
      ].flat()
      const missing = node.outputs[made.length]
      if (missing !== undefined)
        fail(`${node.op} ${shown(node.name)} makes ${made.length} values; ${shown(missing)} is read`)
      node.outputs.forEach((name, i) => b.alias(name, made[i]!)) // biome-ignore format: short
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      b.undo(count)
      b.unknown(node.op, error.message, reads, node.outputs)
    }
  }
  const named = new Set<string>()
  for (const [key, value] of outputs) {
    // A key that another value has for its name leaves the output the name of its own.
    const taken =
      key !== value && (b.maker(key) !== undefined || b.constants.has(key) || inputs.some(i => i.name === key))
    if (!taken && key !== value) b.alias(key, b.resolve(value))
    named.add(taken ? value : key)
  }
  return {
    graph: {
      name: graph.name,
      inputs: inputs.map(({ value: _, ...info }) => info),
      outputs: [...named].map(name => ({ name, type: 'f32' as const })),
      constants: b.constants,
      nodes: b.nodes,
      declared: new Map(),
    },
    builder: b,
  }
}
