/** The few messages of ONNX's protobuf format that a graph of floats needs (github.com/onnx/onnx, onnx.proto). */

const text = new TextEncoder()

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest > 127) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  return [...bytes, rest]
}

const concat = (parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

const number = (field: number, value: number) => Uint8Array.from([...varint(field << 3), ...varint(value)])
const bytes = (field: number, value: Uint8Array) =>
  concat([Uint8Array.from([...varint((field << 3) | 2), ...varint(value.length)]), value])
const string = (field: number, value: string) => bytes(field, text.encode(value))
const float = (field: number, value: number) =>
  concat([Uint8Array.from(varint((field << 3) | 5)), new Uint8Array(Float32Array.of(value).buffer)])

/** A number, a list of integers, a string, or {float}. */
export type Attribute = number | string | readonly number[] | { readonly float: number }

export interface OnnxNode {
  readonly op: string
  readonly inputs: readonly string[]
  readonly output: string
  readonly attributes?: Readonly<Record<string, Attribute>>
}

export interface OnnxTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array | BigInt64Array
}

const [FLOAT, INT64] = [1, 7]
const typeOf = (data: Float32Array | BigInt64Array) => (data instanceof Float32Array ? FLOAT : INT64)

const constant = ({ name, shape, data }: OnnxTensor) =>
  concat([
    ...shape.map(n => number(1, n)),
    number(2, typeOf(data)),
    string(8, name),
    bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ])

function attribute(name: string, value: Attribute): Uint8Array {
  if (typeof value === 'number') return concat([string(1, name), number(3, value), number(20, 2)])
  if (typeof value === 'string') return concat([string(1, name), string(4, value), number(20, 3)])
  if ('float' in value) return concat([string(1, name), float(2, value.float), number(20, 1)])
  return concat([string(1, name), ...value.map(v => number(8, v)), number(20, 7)])
}

const node = ({ op, inputs, output, attributes = {} }: OnnxNode) =>
  concat([
    ...inputs.map(i => string(1, i)),
    string(2, output),
    string(4, op),
    ...Object.entries(attributes).map(([k, v]) => bytes(5, attribute(k, v))),
  ])

const valueInfo = (name: string, shape: readonly number[]) => {
  const dims = concat(shape.map(n => bytes(1, number(1, n))))
  return concat([string(1, name), bytes(2, bytes(1, concat([number(1, FLOAT), bytes(2, dims)])))])
}

/** A model of the graph `nodes` from the float input `x` to the float output `y`; opset 20. */
export function onnxModel(graph: {
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[]
  readonly output: readonly number[]
  readonly constants?: readonly OnnxTensor[]
  readonly nodes: readonly OnnxNode[]
}): Uint8Array {
  const body = concat([
    ...graph.nodes.map(n => bytes(1, node(n))),
    string(2, 'bench'),
    ...(graph.constants ?? []).map(c => bytes(5, constant(c))),
    ...graph.inputs.map(({ name, shape }) => bytes(11, valueInfo(name, shape))),
    bytes(12, valueInfo('y', graph.output)),
  ])
  return concat([number(1, 9), bytes(7, body), bytes(8, concat([string(1, ''), number(2, 20)]))])
}
