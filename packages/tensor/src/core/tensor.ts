/// <reference lib="esnext.disposable" preserve="true" />
import type { Backend, Buffer, DType, Kernels, MapGradOp, MapOp, SeriesOp, Shape, TypedArray } from '@unravel/kernels'
import { standardBackend } from '#standard-backend'
import type { Deferred } from './deferred.js'
import { arrayOf, checkedDType, dtypeOf } from './dtype.js'
import { describe, disposed, RuleError, type TensorType } from './errors.js'
import { shown } from './messages.js'
import { adopt } from './owner.js'
import { formatted, type Nested, nested } from './printing.js'
import { sizeOf } from './shape.js'

/**
 * An immutable array of numbers: contiguous, row-major, of one dtype. User code holds either a `Dense`
 * tensor (numbers on a backend) or, inside `grad`, `series` or `gated`, a tracer that stands for one and records or
 * carries more; functions written with this package's ops need not know which.
 */
export abstract class Tensor {
  abstract readonly shape: Shape
  abstract readonly dtype: DType
  abstract readonly backend: Backend
  /** 0 for numbers; every interpreter that is running adds one. An op is interpreted by its input of highest level. */
  abstract readonly level: number
  /** Applies `op` to this kind of tensor; called on the input of highest level. `type` is the result of `op.infer`. */
  abstract interpret<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A, type: TensorType): Tensor
  /** The numbers this tensor keeps alive. */
  abstract dense(): readonly Dense[]

  get rank(): number {
    return this.shape.length
  }
  get size(): number {
    return sizeOf(this.shape)
  }

  /** A copy of the numbers, row-major. Throws for tracers, and on backends that cannot wait: use `await t.data()`. */
  dataSync(): TypedArray {
    throw new RuleError(
      `${describe(this)} is being traced and has no numbers to read: return it and read it outside, or use ops only`,
    )
  }
  /** A copy of the numbers, row-major. */
  data(): Promise<TypedArray> {
    return Promise.resolve(this.dataSync())
  }
  /** The one number of a tensor of size 1. */
  item(): number {
    if (this.size !== 1) throw new RangeError(`item() wants one element, got ${describe(this)}`)
    return this.dataSync()[0]!
  }
  /** This tensor on another backend or in another dtype. As i32, fractions are cut off. Throws RangeError for what i32
   *  cannot hold, and RuleError for tracers: it is not differentiated. */
  to(target: Backend | DType): Tensor {
    if (target === this.dtype) return this
    throw new RuleError(`${describe(this)} is being traced and .to() is not differentiated: convert what goes in`)
  }
  /** Frees the memory; later uses throw DisposedError. Disposing twice is harmless. No effect on tracers, whose memory `grad`,
   *  `series` and `gated` manage. */
  dispose(): void {}
  [Symbol.dispose](): void {
    this.dispose()
  }

  /** The numbers as nested lists; of a tensor of shape [] the number. */
  toArray(): Nested {
    return nested(this.dataSync(), this.shape)
  }
  /** Type and numbers, as NumPy prints them: `f32[2] [1.  2.5]`. A tracer's type and what it stands for. */
  toString(): string {
    return `${describe(this)} being traced`
  }
  /** The nested lists that `tensor(…)` takes, for `JSON.stringify`. JSON has no NaN and no infinity: they are null. */
  toJSON(): Nested {
    return this.toArray()
  }
  /** A tensor in a template string is its `toString()`; + − * / and < on tensors throw TypeError. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString()
    throw new TypeError(
      `${describe(this)} is no operand of + - * / or <: write add(t, 1), mul(t, 2), less(t, u); ` +
        't.item() is the number of a tensor of one element',
    )
  }
  /** The text that Node's console.log shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

/** A tensor of numbers on a backend. */
export class Dense extends Tensor {
  override readonly level = 0
  #buffer: Buffer | null
  /** The buffer to release: `#buffer`, or the one it is a view into. */
  #owner: Buffer | null
  #pending: Deferred | null

  /** `buffer` brings one reference, of `owner` where it is a view, which this tensor now owns. `origin` names the op that
   *  made it. */
  constructor(
    override readonly shape: Shape,
    override readonly dtype: DType,
    override readonly backend: Backend,
    buffer: Buffer | Deferred,
    readonly origin: string,
    owner?: Buffer,
  ) {
    super()
    this.#pending = 'into' in buffer ? buffer : null
    this.#buffer = 'into' in buffer ? null : buffer
    this.#owner = owner ?? this.#buffer
    adopt(this)
  }

  /** The backend's buffer, deferred numbers computed. Throws DisposedError after `dispose`. */
  get buffer(): Buffer {
    return this.#buffer ?? this.compute()
  }
  get disposed(): boolean {
    return this.#buffer === null && this.#pending === null
  }

  /** Computes deferred numbers, unless that is done. Throws DisposedError after `dispose`. */
  compute(): Buffer {
    if (this.#buffer !== null) return this.#buffer
    const pending = this.#pending
    if (pending === null) throw disposed(this.origin, this)
    const out = this.backend.alloc(this.dtype, this.size)
    try {
      pending.into(out, null, 1, null)
    } catch (error) {
      this.backend.release(out)
      throw error
    }
    pending.free()
    this.#pending = null
    this.#buffer = this.#owner = out
    return out
  }
  /** Where the numbers are deferred: computes them within `Deferred.into`, without keeping them. Else returns false. */
  fuse(out: Buffer, phi: MapOp | null, scale: number, add: Buffer | null): boolean {
    this.#pending?.into(out, phi, scale, add)
    return this.#pending !== null
  }

  /** Takes one more reference to the numbers; the result is a function that releases it. */
  hold(): () => void {
    this.compute()
    const owner = this.#owner!
    this.backend.retain(owner)
    return () => this.backend.release(owner)
  }
  /** Asks the garbage collector to free the numbers when nothing refers to them. */
  watch(): void {
    this.compute()
    this.backend.watch(this.#owner!)
  }

  /** The `size of shape` numbers from `offset` on, in the same memory. */
  share(shape: Shape, offset: number, origin: string): Dense {
    const { backend, buffer, dtype } = this
    const n = sizeOf(shape)
    backend.retain(this.#owner!)
    const whole = offset === 0 && n === buffer.length
    return new Dense(shape, dtype, backend, whole ? buffer : backend.view(buffer, offset, n), origin, this.#owner!)
  }

  override dispose(): void {
    this.#pending?.free()
    if (this.#owner !== null) this.backend.release(this.#owner)
    this.#pending = this.#buffer = this.#owner = null
  }

  override dataSync(): TypedArray {
    if (this.backend.readSync === undefined) {
      throw new Error(`the ${this.backend.name} backend cannot be read synchronously: use await t.data()`)
    }
    return this.backend.readSync(this.buffer)
  }
  override data(): Promise<TypedArray> {
    return this.backend.read(this.buffer)
  }
  override toString(): string {
    const type = describe(this)
    if (this.disposed) return `${type} made by ${this.origin}, disposed`
    if (this.backend.readSync === undefined) return `${type} on ${this.backend.name}: read it with await t.data()`
    return `${type}${this.rank > 1 ? '\n' : ' '}${formatted(this.dataSync(), this.shape, this.dtype)}`
  }

  override to(target: Backend | DType): Dense {
    if (target === this.dtype || target === this.backend) return this.share(this.shape, 0, this.origin)
    if (typeof target !== 'string') return fromData(this.dataSync(), this.shape, target, 'to')
    if (target === 'i32') return fromData(arrayOf('i32', this.dataSync(), 'to'), this.shape, this.backend, 'to')
    const out = allocate(this.backend, this.shape, checkedDType('to', target), 'to')
    this.backend.kernels.cast(this.buffer, out.buffer)
    return out
  }

  override interpret(): never {
    throw new Error('unreachable: dense tensors are run, not interpreted')
  }
  override dense(): readonly Dense[] {
    return [this]
  }
}

/** A tensor of an interpreter that is of the type of a value one level down. */
export abstract class Tracer extends Tensor {
  constructor(readonly value: Tensor) {
    super()
  }
  override get shape(): Shape {
    return this.value.shape
  }
  override get dtype(): DType {
    return this.value.dtype
  }
  override get backend(): Backend {
    return this.value.backend
  }
  override dense(): readonly Dense[] {
    return this.value.dense()
  }
}

/** One application of an op, as its reverse rule sees it. */
export interface Applied<A, I extends readonly Tensor[] = readonly Tensor[]> {
  readonly inputs: I
  readonly output: Tensor
  readonly attrs: A
  /** Which inputs want a cotangent; a rule may return null for the others. */
  readonly wants: readonly boolean[]
  /** The effect of a mark on the cotangent, where its leading axis is one of orders and marks are counted. */
  mark?(cotangent: Tensor, scale: number): Tensor
}

/** The effect of a mark of that scale at the end of a residual branch on stacked orders `[stored orders, ...]` (see `branch`), of
 *  which those up to `order` are kept. Interpreters that are given none take marks for factors. */
export type Mark = (stack: Tensor, scale: number, order: number) => Tensor

/** The inputs of most ops. */
export type Unary = readonly [x: Tensor]
export type Binary = readonly [a: Tensor, b: Tensor]
export type Ternary = readonly [a: Tensor, b: Tensor, c: Tensor]

/** A gate is a method to the type checker, so that a table may hold ops of every number of inputs. */
type Gate<A, I> = { gate(inputs: I, attrs: A, at: GateContext): Tensor }['gate']

/**
 * Everything the system knows about one op of attributes `A` and inputs `I`; one file in ops/ each. Rules are written in ops, so that derivatives have
 * derivatives, and they broadcast over extra leading axes of what they propagate: cotangents in `vjp`, stacked orders
 * in `series` and `gate`. Attributes therefore count axes from the end.
 */
export interface Op<A = void, I extends readonly Tensor[] = readonly Tensor[]> {
  readonly name: string
  /** Shapes in and out, such as `[...,m,k], [...,k,n] -> [...,m,n]`. Printed in errors and docs, checked by tests. */
  readonly signature: string
  /** Type of the result. The only place that refuses shapes and dtypes. */
  infer(inputs: I, attrs: A): TensorType
  /** Computes on numbers, by calling kernels. */
  run(inputs: { readonly [K in keyof I]: Dense }, attrs: A, type: TensorType): Dense
  /** Reverse rule: the cotangents of the inputs from the cotangent of the output, `[lead..., ...output.shape]`.
   *  An op without one is not differentiable: it is constant almost everywhere. */
  vjp?(applied: Applied<A, I>, cotangent: Tensor): readonly (Tensor | null)[]
  /** Taylor rule. Inputs are series of this expansion, or constants. An op without one acts on order 0. */
  series?(inputs: I, attrs: A, at: SeriesContext): Tensor
  /** The op with its gates frozen at the run: an affine map of the paths. A string says why there is none. */
  gate?: string | Gate<A, I>
  /** The op written in other ops. Interpreters use it where the op has no rule of its own. */
  body?(inputs: I, attrs: A): Tensor
}

/** The pieces of an elementwise function φ of one tensor. */
export interface Elementwise {
  readonly name: string
  /** The kernel that computes it. */
  readonly map: MapOp | ((kernels: Kernels<Buffer>, x: Buffer, out: Buffer, backend: Backend, dtype: DType) => void)
  /** φ′(x), from x and y = φ(x). Where y rounds to its limit, or x is infinite, φ′ is still to be right. */
  derivative(x: Tensor, y: Tensor): Tensor
  /** The kernel that multiplies a cotangent with φ′. */
  readonly grad?: MapGradOp
  /** Orders of φ of a series, of which order 0 is the run's: a fused recurrence; a formula in ops; or, where φ is piecewise
   *  linear, its slope, constant to derivatives. Default: from the derivative, by y′ = φ′(x) x′. */
  readonly recurrence?:
    | SeriesOp
    | ((backend: Backend, dtype: DType, orders: number, n: number, x: Buffer, out: Buffer) => void)
  readonly taylor?: (x: Tensor) => Tensor
  readonly slope?: (x: Tensor) => Tensor
  /** The secant gate (φ(x) − φ(0))/x, with its limit φ′(0) at x = 0; or why there is none. */
  readonly secant: ((x: Tensor, y: Tensor) => Tensor) | string
  /** φ(0), which joins the bias of the gated op. */
  readonly atZero?: number
}

/** A tensor of an interpreter that carries orders: coefficients of a series, or path sums. */
export interface Stacked extends Tensor {
  /** `[stored orders, ...shape]`; orders beyond are known to vanish. */
  readonly stack: Tensor
}

/** The interpreter, as the rules `series` and `gate` see it. */
export interface OrdersContext {
  readonly level: number
  /** The highest order that is kept. */
  readonly order: number
  /** Whether `x` belongs to this run. Throws RuleError when it belongs to another one of the same level. */
  has(x: Tensor): x is Stacked
  /** The stacked orders of an input; a constant is its own order 0. With `rank`, items get axes of length 1 in front up
   *  to that rank, so that stacks of different items broadcast. */
  stack(x: Tensor, rank?: number): Tensor
  /** A stack with a constant added to its order 0. */
  addToOrder0(stack: Tensor, constant: number): Tensor
  /** A stack after a mark of that scale. */
  mark(stack: Tensor, scale: number): Tensor
}

/** Arithmetic modulo z^(order+1). */
export interface SeriesContext extends OrdersContext {
  /** Σ_j f(a_j, b_{k−j}) of two stacks, for f bilinear and broadcasting over a leading axis of its second argument:
   *  one call for each stored order of a. */
  convolve(a: Tensor, b: Tensor, f: (aj: Tensor, b: Tensor) => Tensor): Tensor
  /** The series with these coefficients, cut at the order of the expansion. */
  series(stack: Tensor): Tensor
  /** φ of a series, for its op. */
  elementwise(op: Op<void, Unary>, phi: Elementwise, x: Tensor): Tensor
}

/** A run taken apart by path length, gates frozen. */
export interface GateContext extends OrdersContext {
  /** The run's own value of an input. */
  value(x: Tensor): Tensor
  /** The run's value with its path sums, cut at `order`. */
  paths(value: Tensor, stack: Tensor): Tensor
}

let standard: Backend | undefined

/** The backend of tensors that are made without naming one (default: wasm in Node, Deno and Bun, js in browsers). Returns the
 *  one in force before. */
export function useBackend(backend: Backend): Backend {
  checkBackend('useBackend', backend)
  const before = standard ?? standardBackend(false)
  standard = backend
  return before
}
export function defaultBackend(): Backend {
  standard ??= standardBackend(true)
  return standard
}

/** Throws TypeError for what a caller gives as a backend and is none; the factory itself, `js` for `js()`, is a likely one. */
export function checkBackend(what: string, backend: unknown): asserts backend is Backend {
  if (typeof (backend as Backend | null)?.alloc === 'function') return
  const got = typeof backend === 'function' ? 'a function: call it' : shown(backend)
  throw new TypeError(`${what}: wants a backend, js(), wasm() or await gpu(), got ${got}`)
}

/** A tensor whose contents are still undefined; for ops. */
export function allocate(backend: Backend, shape: Shape, dtype: DType, origin: string): Dense {
  return new Dense(shape, dtype, backend, backend.alloc(dtype, sizeOf(shape)), origin)
}

/** A tensor with a copy of `data`, whose length must be the size of `shape`. */
export function fromData(data: TypedArray, shape: Shape, backend: Backend, origin: string): Dense {
  checkBackend(origin, backend)
  const out = allocate(backend, shape, dtypeOf(data), origin)
  backend.write(out.buffer, data)
  return out
}
