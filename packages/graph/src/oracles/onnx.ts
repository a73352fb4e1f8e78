import type { ElementType } from '../graph.js'
import { typeCodes } from '../onnx/tensor.js'

// A writer of small ONNX files for tests: the messages of onnx.proto, field by field.

type Bytes = readonly number[] | Uint8Array

/** An unsigned varint; of negative numbers, their 64 bits. */
export function varint(value: number | bigint): number[] {
  let rest = BigInt.asUintN(64, BigInt(value))
  const out: number[] = []
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80)
  return [...out, Number(rest)]
}

/** A field of bytes, a string or a message. */
export function bytes(number: number, of: Bytes | string): number[] {
  const body = typeof of === 'string' ? new TextEncoder().encode(of) : of
  return [...varint(8 * number + 2), ...varint(body.length), ...body]
}

export const int = (number: number, value: number | bigint): number[] => [...varint(8 * number), ...varint(value)]

export const floatBytes = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)
export const float = (number: number, value: number): number[] => [...varint(8 * number + 5), ...floatBytes([value])]

export interface TensorSpec {
  readonly name?: string
  readonly type?: ElementType
  readonly dims: readonly number[]
  /** Numbers, written as raw_data of f32 or i64; or fields as they are. */
  readonly values?: readonly number[]
  readonly fields?: readonly number[]
}

/** TensorProto. */
export function tensorProto({ name = '', type = 'f32', dims, values, fields = [] }: TensorSpec): number[] {
  const raw = (list: readonly number[]) =>
    type === 'i64'
      ? new Uint8Array(BigInt64Array.from(list, BigInt).buffer)
      : type === 'f64'
        ? new Uint8Array(Float64Array.from(list).buffer)
        : floatBytes(list)
  return [
    ...dims.flatMap(n => int(1, n)),
    ...int(2, typeCodes[type]),
    ...bytes(8, name),
    ...(values === undefined ? [] : bytes(9, raw(values))),
    ...fields,
  ]
}

type AttributeSpec =
  | number
  | bigint
  | string
  | readonly number[]
  | { readonly f: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: TensorSpec }
  | { readonly graph: GraphSpec }
  | { readonly ref: string; readonly type: number }

/** AttributeProto: numbers and lists are integers. */
export function attributeProto(name: string, value: AttributeSpec): number[] {
  const body = (): number[] => {
    if (typeof value === 'number' || typeof value === 'bigint') return [...int(3, value), ...int(20, 2)]
    if (typeof value === 'string') return [...bytes(4, value), ...int(20, 3)]
    if ('f' in value) return [...float(2, value.f), ...int(20, 1)]
    if ('floats' in value) return [...bytes(7, floatBytes(value.floats)), ...int(20, 6)]
    if ('tensor' in value) return [...bytes(5, tensorProto(value.tensor)), ...int(20, 4)]
    if ('graph' in value) return [...bytes(6, graphProto(value.graph)), ...int(20, 5)]
    if ('ref' in value) return [...bytes(21, value.ref), ...int(20, value.type)]
    return [...value.flatMap(v => int(8, v)), ...int(20, 7)]
  }
  return [...bytes(1, name), ...body()]
}

export interface NodeSpec {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly name?: string
  readonly domain?: string
  readonly attributes?: Readonly<Record<string, AttributeSpec>>
}

/** NodeProto. */
export const nodeProto = ({ op, inputs, outputs, name = '', domain = '', attributes = {} }: NodeSpec): number[] => [
  ...inputs.flatMap(i => bytes(1, i)),
  ...outputs.flatMap(o => bytes(2, o)),
  ...bytes(3, name),
  ...bytes(4, op),
  ...Object.entries(attributes).flatMap(([key, value]) => bytes(5, attributeProto(key, value))),
  ...bytes(7, domain),
]

export interface ValueSpec {
  readonly name: string
  readonly type?: ElementType
  readonly shape?: readonly (number | string)[]
}

/** ValueInfoProto. */
export function valueProto({ name, type = 'f32', shape }: ValueSpec): number[] {
  const dims = shape?.flatMap(n => bytes(1, typeof n === 'number' ? int(1, n) : bytes(2, n)))
  const tensor = [...int(1, typeCodes[type]), ...(dims === undefined ? [] : bytes(2, dims))]
  return [...bytes(1, name), ...bytes(2, bytes(1, tensor))]
}

export interface GraphSpec {
  readonly nodes: readonly NodeSpec[]
  readonly inputs?: readonly ValueSpec[]
  readonly outputs: readonly ValueSpec[]
  readonly constants?: readonly TensorSpec[]
}

/** GraphProto. */
export const graphProto = ({ nodes, inputs = [], outputs, constants = [] }: GraphSpec): number[] => [
  ...nodes.flatMap(n => bytes(1, nodeProto(n))),
  ...bytes(2, 'graph'),
  ...constants.flatMap(t => bytes(5, tensorProto(t))),
  ...inputs.flatMap(v => bytes(11, valueProto(v))),
  ...outputs.flatMap(v => bytes(12, valueProto(v))),
]

/** A ModelProto of a graph in a version of ONNX's vocabulary, with further fields. */
export const modelOf = (graph: GraphSpec, opset = 17, more: readonly number[] = []): Uint8Array =>
  Uint8Array.from([...int(1, 8), ...bytes(7, graphProto(graph)), ...bytes(8, int(2, opset)), ...more])

/** FunctionProto, as a field of the model. */
export const functionField = (
  name: string,
  domain: string,
  inputs: readonly string[],
  outputs: readonly string[],
  nodes: readonly NodeSpec[],
  attributes: readonly string[] = [],
): number[] =>
  bytes(25, [
    ...bytes(1, name),
    ...inputs.flatMap(i => bytes(4, i)),
    ...outputs.flatMap(o => bytes(5, o)),
    ...attributes.flatMap(a => bytes(6, a)),
    ...nodes.flatMap(n => bytes(7, nodeProto(n))),
    ...bytes(9, int(2, 17)),
    ...bytes(10, domain),
  ])
