import { type Backend, keep, type Tensor, tensor } from '@unravel/tensor'
import { entryOf, like } from '@unravel/tensor/internals'
import type { Attribute, Constant, ElementType, Graph, HostArray, Node } from './graph.js'
import { isConstant, isGraph } from './graph.js'
import { doublesOf, elementsOf, hostOf, isFloat, numbersOf, placed, taken, truncated } from './host.js'

/** Real numbers, and what is computed from them while it may still be traced: on a backend, in the dtype of the run. */
export interface Flow {
  /** Type of its elements in the file; integers and booleans that are computed from real numbers flow as real numbers. */
  readonly type: ElementType
  readonly tensor: Tensor
  /** Of a small constant: its numbers. */
  readonly host?: HostArray
}

/** The value of a name while a graph is evaluated: integers, booleans and constants in memory, or a flow. */
export type Value = HostArray | Flow

export const isFlow = (value: Value): value is Flow => 'tensor' in value
export const shapeOf = (value: Value): readonly number[] => (isFlow(value) ? value.tensor.shape : value.shape)

/** How a graph is run. */
export interface Run {
  readonly dtype: 'f32' | 'f64'
  readonly backend: Backend
  /** Outputs of a graph in an attribute, given its inputs; it sees the values around it. */
  readonly inner: (graph: Graph, inputs: readonly Value[]) => Value[]
}

/** Numbers of an array as a tensor. */
export function flowOf(array: HostArray, run: Pick<Run, 'dtype' | 'backend'>): Flow {
  const values = isFloat(array.type) ? (array.data as Float32Array) : doublesOf(array)
  const made = tensor(values, { shape: array.shape, ...like(run) })
  return { type: array.type, tensor: made, ...(values.length <= 64 && { host: array }) }
}

/** A constant, as operators take it, for good: real numbers are converted once. */
export function loaded(constant: Constant, run: Pick<Run, 'dtype' | 'backend'>): Value {
  const array = constant.read()
  if (!isFloat(array.type)) return array
  const flow = flowOf(array, run)
  keep(flow.tensor)
  return flow
}

/** A value in memory. Throws RuleError for what is traced. */
export function hosted(value: Value): HostArray {
  if (!isFlow(value)) return value
  const { type, tensor: t, host } = value
  if (host !== undefined) return host
  const data = t.dataSync()
  if (!isFloat(type)) return truncated(type, t.shape, data)
  return { type, shape: t.shape, data: type === 'f64' ? Float64Array.from(data) : (data as Float32Array) }
}

/** One application of an operator: the node and the values that it reads, as its row in the table sees them. */
export class Call {
  constructor(
    readonly node: Node,
    readonly inputs: readonly (Value | undefined)[],
    readonly run: Run,
  ) {}

  has(i: number): boolean {
    return this.inputs[i] !== undefined
  }

  value(i: number): Value {
    const value = this.inputs[i]
    if (value === undefined) throw new RangeError(`input ${i} is missing`)
    return value
  }

  type(i: number): ElementType {
    return this.value(i).type
  }

  shape(i: number): readonly number[] {
    return shapeOf(this.value(i))
  }

  /** All inputs that are there. */
  get values(): Value[] {
    return this.inputs.filter(v => v !== undefined)
  }

  /** Whether an input is all in memory, so that its numbers decide how an operator runs. */
  inMemory(i: number): boolean {
    const value = this.inputs[i]
    return value !== undefined && !isFlow(value)
  }

  /** An input as a tensor of the run's dtype on its backend. */
  tensor(i: number): Tensor {
    return this.tensorOf(this.value(i))
  }

  tensorOf(value: Value): Tensor {
    const { backend } = this.run
    const t = (isFlow(value) ? value : flowOf(value, this.run)).tensor
    // Constants of a device that cannot be read are computed elsewhere.
    return t.level > 0 || t.backend === backend ? t : t.to(backend)
  }

  /** An input as a tensor: real numbers in the run's dtype, integers in memory in f64, which must hold them. */
  exact(i: number): Tensor {
    const value = this.value(i)
    if (isFlow(value) || isFloat(value.type)) return this.tensorOf(value)
    return flowOf(value, { dtype: 'f64', backend: this.run.backend }).tensor
  }

  optional(i: number): Tensor | undefined {
    return this.has(i) ? this.tensor(i) : undefined
  }

  /** An input in memory. */
  host(i: number): HostArray {
    return hosted(this.value(i))
  }

  /** An input of integers, or of few real numbers, that say how the operator runs. */
  numbers(i: number): number[] {
    return numbersOf(this.host(i))
  }

  number(i: number): number {
    const [value] = this.numbers(i)
    if (value === undefined) throw new RangeError(`input ${i} is empty; expected one number`)
    return value
  }

  /** Places along an axis of `length` elements, negative ones from its end, as an input names them. */
  places(i: number, length: number): { readonly shape: readonly number[]; readonly at: Int32Array } {
    const { shape } = this.value(i) as HostArray
    const at = Int32Array.from(this.numbers(i), p => {
      if (!(p >= -length && p < length)) throw new RangeError(`index ${p} is outside of ${length} elements`)
      return p < 0 ? p + length : p
    })
    return { shape: shape ?? this.shape(i), at }
  }

  /** A real result, of the element type of an input. */
  out(result: Tensor, type: ElementType = this.type(0)): Value {
    // Integers that nothing traces are in memory.
    if (!isFloat(type) && type !== 'bool' && result.level === 0) return hosted({ type, tensor: result })
    return { type, tensor: result }
  }

  /**
   * A rearrangement of elements of values, which may drop or repeat them: f on tensors, and on the places of elements that are in
   * memory. All values are of one type.
   */
  moved(values: readonly Value[], f: (...tensors: Tensor[]) => Tensor): Value {
    const arrays = values.filter((v): v is HostArray => !isFlow(v))
    const { type } = values[0]!
    if (arrays.length < values.length) return this.out(f(...values.map(v => this.tensorOf(v))), type)
    const { all, places } = placed(arrays)
    return taken(all, f(...places))
  }

  /** A computation with numbers: f on tensors, of integers in f64, which must hold them. */
  computed(values: readonly Value[], f: (...tensors: Tensor[]) => Tensor, type = values[0]!.type): Value {
    const whole = values.every(v => !isFlow(v) && !isFloat(v.type))
    if (!whole) return this.out(f(...values.map(v => this.tensorOf(v))), type)
    const result = f(...values.map(v => flowOf(v as HostArray, { dtype: 'f64', backend: this.run.backend }).tensor))
    const data = result.dataSync()
    const wrong = data.find(v => !Number.isSafeInteger(v))
    if (wrong !== undefined && Number.isFinite(wrong) && !Number.isInteger(wrong)) {
      throw new RangeError(`the result ${wrong} of integers is no integer, which ${type} cannot hold`)
    }
    if (wrong !== undefined) throw new RangeError(`integers beyond 2^53 (${wrong}) are not computed with`)
    return hostOf(type, result.shape, data)
  }

  #attribute<T extends Attribute>(name: string, is: (value: Attribute) => value is T, what: string): T | undefined {
    const value = this.node.attributes[name]
    if (value === undefined) return undefined
    if (!is(value)) throw new RangeError(`attribute "${name}" is no ${what}`)
    return value
  }

  /** An attribute; with `missing`, where the node does not have it. */
  attribute(name: string, missing?: number): number {
    const value = this.#attribute(name, v => typeof v === 'number', 'number') ?? missing
    if (value === undefined) throw new RangeError(`attribute "${name}" is missing`)
    return value
  }

  text(name: string, missing: string): string {
    return this.#attribute(name, v => typeof v === 'string', 'string') ?? missing
  }

  /** The entry of a table that an attribute names. */
  choice<T>(name: string, missing: string, table: Readonly<Record<string, T>>): T {
    return entryOf(table, this.text(name, missing), `${name} is`)
  }

  list(name: string): readonly number[] | undefined {
    const is = (v: Attribute): v is readonly number[] => Array.isArray(v) && v.every(n => typeof n === 'number')
    return this.#attribute(name, is, 'list of numbers')
  }

  constant(name: string): Constant | undefined {
    return this.#attribute(name, isConstant, 'tensor')
  }

  graph(name: string): Graph {
    const value = this.#attribute(name, isGraph, 'graph')
    if (value === undefined) throw new RangeError(`attribute "${name}" is missing`)
    return value
  }

  /** An axis from 0 of a tensor of so many. */
  axis(axis: number, rank: number): number {
    if (!(axis >= -rank && axis < Math.max(rank, 1))) throw new RangeError(`axis ${axis} is none of ${rank}`)
    return axis < 0 ? axis + rank : axis
  }

  /** Integers from the attribute `name`, or, where the operator has that by now, from an input. */
  listOr(name: string, i: number): readonly number[] | undefined {
    return this.list(name) ?? (this.has(i) && elementsOf(this.shape(i)) > 0 ? this.numbers(i) : undefined)
  }
}
