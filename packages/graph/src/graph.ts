import type { StoredType } from '@unravel/tensor'

// A network as a graph of operators, in the vocabulary of ONNX (https://onnx.ai/onnx/operators/), whatever file it came
// from. Values have names; an absent optional input is ''.

/** Kinds of elements of a value. */
export type ElementType = StoredType

/** Numbers in memory: a typed array of the element type; f16 and bf16 as f32, bool as 0 and 1. */
export interface HostArray {
  readonly type: ElementType
  readonly shape: readonly number[]
  readonly data: HostData
}
export type HostData =
  | (Float64Array | Float32Array)
  | (Int32Array | Int16Array | Int8Array | BigInt64Array)
  | (Uint32Array | Uint16Array | Uint8Array | BigUint64Array)

/** Numbers that are read from the file when they are asked for. */
export interface Constant {
  readonly type: ElementType
  readonly shape: readonly number[]
  /** Throws FormatError where the file does not hold them. */
  read(): HostArray
}

/** The length of an axis; where the file leaves it open, its name or null. */
export type Dimension = number | string | null

/** The declaration of a value in a file. */
export interface ValueInfo {
  readonly name: string
  readonly type: ElementType
  /** undefined where even the rank is open. */
  readonly shape?: readonly Dimension[]
}

/** Integers outside of ±2^53 are rounded (INT64_MAX stands for infinity in the files that have it). */
export type Attribute = number | string | readonly number[] | readonly string[] | Constant | Graph

export interface Node {
  /** The operator, `Conv`. */
  readonly op: string
  /** Its vocabulary: '' is ONNX's own; `com.microsoft`. */
  readonly domain: string
  /** The version of the vocabulary (opset) that the file names: it decides what the operator means. */
  readonly version: number
  /** Unique in the graph: the file's name for it, or one made of the operator and the output. */
  readonly name: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

export interface Graph {
  readonly name: string
  /** Inputs that have no value in the file, in its order. */
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  /** Weights and other constants, by name. */
  readonly constants: ReadonlyMap<string, Constant>
  /** In topological order: every input is an input of the graph, a constant, or an output of a node before. In a graph that
   *  is an attribute (a branch of If, a body of Loop) it may also be a value of the graph around it. */
  readonly nodes: readonly Node[]
  /** The file's declarations of inner values, by name; often none. */
  readonly declared: ReadonlyMap<string, ValueInfo>
  /** Values that the file has in another layout or under other names than the graph: which values these are, and how their axes
   *  are ordered. `evaluate` gives them as the file has them. */
  readonly views?: ReadonlyMap<string, View>
}

/** A value whose axis i is axis `order[i]` of another. */
export interface View {
  readonly of: string
  readonly order: readonly number[]
}

export const isGraph = (attribute: Attribute | undefined): attribute is Graph =>
  typeof attribute === 'object' && 'nodes' in attribute

export const isConstant = (attribute: Attribute | undefined): attribute is Constant =>
  typeof attribute === 'object' && 'read' in attribute
