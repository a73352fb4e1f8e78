import type { ByteSource } from '@unravel/tensor'
import { shown } from '@unravel/tensor/internals'
import type { Attribute, Constant, Dimension, Graph, Node, ValueInfo } from '../graph.js'
import { hostOf } from '../host.js'
import { sorted } from '../sort.js'
import { inlined, type LocalFunction, Reference } from './functions.js'
import { type Field, fail, Protobuf } from './protobuf.js'
import { elementType, readTensor } from './tensor.js'

// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto: numbers of fields are those of the messages there.

/** Graphs in attributes of nodes of graphs: as deep as If and Loop of real files go, and shallower than the call stack. */
const MOST_DEPTH = 16

type Beside = ((path: string) => ByteSource) | undefined

/** The state that all graphs of a model share. */
interface Model {
  readonly proto: Protobuf
  readonly beside: Beside
  readonly opsets: ReadonlyMap<string, number>
}

/** The graph of an ONNX model. Weights are read when they are asked for, those outside of the file through `beside`; functions
 *  of the model are written out. Throws FormatError. */
export function readOnnx(source: ByteSource, beside?: (path: string) => ByteSource): Graph {
  const proto = new Protobuf(source)
  let graph: Field | undefined
  let version = 0n
  const opsets: Field[] = []
  const functions: Field[] = []
  for (const f of proto.fields(0, proto.size)) {
    if (f.number === 1) version = proto.integer(f)
    else if (f.number === 7) graph = f
    else if (f.number === 8) opsets.push(f)
    else if (f.number === 25) functions.push(f)
  }
  if (graph === undefined) return fail('the file holds no graph; expected a ModelProto')
  const model: Model = { proto, beside, opsets: readOpsets(proto, opsets) }
  // Before version 3 a model named no opset.
  if (!model.opsets.has('') && version < 3n) (model.opsets as Map<string, number>).set('', 1)
  const main = readGraphProto(model, graph, 0)
  const local = functions.map(f => readFunction(model, f))
  return sorted(inlined(main, local), fail)
}

/** OperatorSetIdProto. */
function readOpsets(proto: Protobuf, fields: readonly Field[]): Map<string, number> {
  const opsets = new Map<string, number>()
  for (const field of fields) {
    let [domain, version] = ['', 0n]
    for (const f of proto.message(field)) {
      if (f.number === 1) domain = proto.text(f)
      else if (f.number === 2) version = proto.integer(f)
    }
    if (version < 1n || version > 1000n) fail(`the model imports version ${version} of ${shown(domain)}`)
    opsets.set(domain === 'ai.onnx' ? '' : domain, Number(version))
  }
  return opsets
}

function readGraphProto(model: Model, field: Field, depth: number): Graph {
  const { proto, beside } = model
  if (depth > MOST_DEPTH) fail(`graphs are nested more than ${MOST_DEPTH} deep`)
  let name = ''
  const nodes: Node[] = []
  const constants = new Map<string, Constant>()
  const inputs: ValueInfo[] = []
  const outputs: ValueInfo[] = []
  const declared = new Map<string, ValueInfo>()
  const refused: { readonly name: string; readonly why: () => never }[] = []
  for (const f of proto.message(field)) {
    if (f.number === 1) {
      nodes.push(readNode(model, f, depth))
    } else if (f.number === 2) name = proto.text(f)
    else if (f.number === 5) {
      const tensor = readTensor(proto, f, beside)
      if (constants.has(tensor.name)) fail(`the value ${shown(tensor.name)} is made twice`)
      constants.set(tensor.name, tensor)
    } else if (f.number === 11) {
      // Inputs that are no tensors are refused unless the file gives them a value.
      const info = readValueInfo(proto, f)
      if (typeof info.type === 'string') inputs.push(info as ValueInfo)
      else refused.push({ name: info.name, why: info.type })
    } else if (f.number === 12) {
      const info = readValueInfo(proto, f)
      if (typeof info.type === 'string') outputs.push(info as ValueInfo)
      else info.type()
    } else if (f.number === 13) {
      const info = readValueInfo(proto, f)
      if (typeof info.type === 'string') declared.set(info.name, info as ValueInfo)
    } else if (f.number === 15) fail('sparse weights are not supported')
  }
  for (const { name: input, why } of refused) if (!constants.has(input)) why()
  return {
    name,
    inputs: inputs.filter(i => !constants.has(i.name)),
    outputs,
    constants,
    nodes,
    declared,
  }
}

/** ValueInfoProto; of what is no tensor of numbers, `type` is a function that refuses it. */
function readValueInfo(
  proto: Protobuf,
  field: Field,
): Omit<ValueInfo, 'type'> & { readonly type: ValueInfo['type'] | (() => never) } {
  let name = ''
  let type: Field | undefined
  for (const f of proto.message(field)) {
    if (f.number === 1) name = proto.text(f)
    else if (f.number === 2) type = f
  }
  let tensor: Field | undefined
  if (type !== undefined) for (const f of proto.message(type)) if (f.number === 1) tensor = f
  // Bodies of loops may leave types out.
  if (type === undefined || type.begin === type.end) return { name, type: 'f32' }
  if (tensor === undefined) {
    return { name, type: () => fail(`${shown(name)} is a sequence, a map or optional; expected a tensor`) }
  }
  let code = 0
  let shape: Dimension[] | undefined
  for (const f of proto.message(tensor)) {
    if (f.number === 1) code = Number(proto.integer(f))
    else if (f.number === 2) shape = [...proto.message(f)].filter(d => d.number === 1).map(d => dimension(proto, d))
  }
  try {
    return { name, type: elementType(code, shown(name)), shape }
  } catch (error) {
    return {
      name,
      type: () => {
        throw error
      },
    }
  }
}

function dimension(proto: Protobuf, field: Field): Dimension {
  let length: Dimension = null
  for (const f of proto.message(field)) {
    if (f.number === 1) {
      const n = proto.integer(f)
      // Some exporters write -1 or 0 for a free axis.
      length = n > 0n && n < 2n ** 53n ? Number(n) : null
    } else if (f.number === 2) length = proto.text(f) || null
  }
  return length
}

function readNode(model: Model, field: Field, depth: number): Node {
  const { proto, opsets } = model
  const inputs: string[] = []
  const outputs: string[] = []
  const attributes: Record<string, Attribute> = Object.create(null)
  let [name, op, domain] = ['', '', '']
  for (const f of proto.message(field)) {
    if (f.number === 1) inputs.push(proto.text(f))
    else if (f.number === 2) outputs.push(proto.text(f))
    else if (f.number === 3) name = proto.text(f)
    else if (f.number === 4) op = proto.text(f)
    else if (f.number === 5) {
      const [key, value] = readAttribute(model, f, depth)
      attributes[key] = value
    } else if (f.number === 7) domain = proto.text(f)
  }
  if (domain === 'ai.onnx') domain = ''
  const called = `node ${shown(name || (outputs.find(o => o !== '') ?? ''))}`
  if (op === '') fail(`${called} names no operator`)
  const version =
    opsets.get(domain) ?? (domain === '' ? fail(`${called} is of ONNX, of which the model names no opset`) : 1)
  return { op, domain, version, name, inputs, outputs, attributes }
}

/** AttributeProto. */
function readAttribute(model: Model, field: Field, depth: number): [name: string, value: Attribute] {
  const { proto, beside } = model
  let name = ''
  let type = 0
  const fields = new Map<number, Field[]>()
  for (const f of proto.message(field)) {
    if (f.number === 1) name = proto.text(f)
    else if (f.number === 20) type = Number(proto.integer(f))
    else if (f.number === 21) return [nameIn(proto, field), new Reference(proto.text(f))]
    else fields.set(f.number, [...(fields.get(f.number) ?? []), f])
  }
  const what = `attribute ${shown(name)}`
  const of = (number: number) => fields.get(number) ?? []
  const one = (number: number) => of(number).at(-1)
  // Old files name no type: the field that is there says it.
  const kind = type || kinds.find(([, number]) => fields.has(number))?.[0] || 0
  switch (kind) {
    case 1:
      return [name, one(2) ? proto.float(one(2)!) : 0]
    case 2: {
      const value = one(3) ? proto.integer(one(3)!) : 0n
      return [name, name === 'value_int' ? integers([], [value]) : Number(value)]
    }
    case 3:
      return [name, one(4) ? proto.text(one(4)!) : '']
    case 4:
      return [name, readTensor(proto, one(5) ?? fail(`${what} has no tensor`), beside, `${name}`)]
    case 5:
      return [name, readGraphProto(model, one(6) ?? fail(`${what} has no graph`), depth + 1)]
    case 6: {
      const bytes = proto.fixed(of(7), 4)
      return [name, Array.from(new Float32Array(bytes.slice().buffer))]
    }
    case 7: {
      const values = Array.from(proto.varints(of(8)), v => BigInt.asIntN(64, v))
      return [name, name === 'value_ints' ? integers([values.length], values) : values.map(Number)]
    }
    case 8:
      return [name, of(9).map(f => proto.text(f))]
    default:
      return fail(
        `${what} is ${kind === 0 ? 'empty' : `of type ${kind}`}; expected numbers, strings, a tensor or a graph`,
      )
  }
}

/** Integers of a Constant node, exactly. */
const integers = (shape: readonly number[], values: readonly bigint[]): Constant => ({
  type: 'i64',
  shape,
  read: () => hostOf('i64', shape, values),
})

/** Types of attributes and the fields that hold them. */
const kinds = [
  ...([[1, 2], [2, 3], [3, 4], [4, 5], [5, 6], [6, 7], [7, 8], [8, 9]] as const), // biome-ignore format: pairs
]

function nameIn(proto: Protobuf, field: Field): string {
  for (const f of proto.message(field)) if (f.number === 1) return proto.text(f)
  return ''
}

/** FunctionProto. */
function readFunction(model: Model, field: Field): LocalFunction {
  const { proto } = model
  let [name, domain, overload] = ['', '', '']
  const inputs: string[] = []
  const outputs: string[] = []
  const parameters: string[] = []
  const nodes: Field[] = []
  const opsets: Field[] = []
  const defaults: [string, Attribute][] = []
  for (const f of proto.message(field)) {
    if (f.number === 1) name = proto.text(f)
    else if (f.number === 4) inputs.push(proto.text(f))
    else if (f.number === 5) outputs.push(proto.text(f))
    else if (f.number === 6) parameters.push(proto.text(f))
    else if (f.number === 7) nodes.push(f)
    else if (f.number === 9) opsets.push(f)
    else if (f.number === 10) domain = proto.text(f)
    else if (f.number === 11) defaults.push(readAttribute(model, f, 1))
    else if (f.number === 13) overload = proto.text(f)
  }
  if (overload !== '') fail(`function ${shown(name)} is overloaded, which is not supported`)
  const own: Model = { ...model, opsets: new Map([...model.opsets, ...readOpsets(proto, opsets)]) }
  return {
    name,
    domain,
    inputs,
    outputs,
    parameters,
    defaults: new Map(defaults),
    nodes: nodes.map(f => readNode(own, f, 1)),
  }
}
