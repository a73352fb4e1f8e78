/// <reference lib="esnext.disposable" preserve="true" />
import type { Backend, Buffer, DType, MapOp, Shape, TypedArray } from '@unravel/kernels'
import { js } from '@unravel/kernels'
import { DisposedError, describe, RuleError } from './errors.js'
import type { Op } from './op.js'
import { adopt } from './scope.js'
import { sizeOf } from './shape.js'
import { dtypeOf } from './typed.js'

/**
 * An immutable array of numbers: contiguous, row-major, of one dtype. What user code holds is either a `Dense`
 * tensor (numbers on a backend) or, inside `grad`, `series` or `gated`, a tracer that stands for one and records or
 * carries more; functions written with this package's ops need not know which.
 */
export abstract class Tensor {
  abstract readonly shape: Shape
  abstract readonly dtype: DType
  /** 0 for numbers; every interpreter that is running adds one. An op is interpreted by its input of highest level. */
  abstract readonly level: number
  /** What `op` means to this kind of tensor; called on the input of highest level. */
  abstract interpret<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor
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
  /** This tensor on another backend or in another dtype (itself when nothing changes). Throws for tracers: it is not
   *  differentiated. */
  to(target: Backend | DType): Tensor {
    if (target === this.dtype) return this
    throw new RuleError(`${describe(this)} is being traced and .to() is not differentiated: convert what goes in`)
  }
  /** Gives the memory back; every later use throws. Disposing twice is harmless. A tracer's is given back by what traces. */
  dispose(): void {}
  [Symbol.dispose](): void {
    this.dispose()
  }
  toString(): string {
    return describe(this)
  }
}

/** Numbers that are computed when they are first read, unless they are first added to something. */
export interface Pending {
  /** out = scale·φ(value), plus `add` on its first rows: `add` may be shorter than out. */
  into(out: Buffer, phi: MapOp | null, scale: number, add: Buffer | null): void
  /** Lets go of what the computation reads. */
  free(): void
}

/** A tensor of numbers on a backend. */
export class Dense extends Tensor {
  override readonly level = 0
  #buffer: Buffer | null
  /** What is released in the end: the buffer, or the one it is a view into. */
  #owner: Buffer | null
  #pending: Pending | null

  /** `buffer` brings one reference, of `owner` where it is a view, which this tensor now owns. `origin` names the op that
   *  made it. */
  constructor(
    override readonly shape: Shape,
    override readonly dtype: DType,
    readonly backend: Backend,
    buffer: Buffer | Pending,
    readonly origin: string,
    owner?: Buffer,
  ) {
    super()
    this.#pending = 'into' in buffer ? buffer : null
    this.#buffer = 'into' in buffer ? null : buffer
    this.#owner = owner ?? this.#buffer
    adopt(this)
  }

  /** The backend's buffer. Throws DisposedError after `dispose`. */
  get buffer(): Buffer {
    return this.#buffer ?? this.#compute()
  }
  get disposed(): boolean {
    return this.#buffer === null && this.#pending === null
  }
  /** The computation that still has to be done for these numbers; null when it is done. */
  get pending(): Pending | null {
    return this.#pending
  }

  #compute(): Buffer {
    const pending = this.#pending
    if (pending === null) throw new DisposedError(this.origin, this)
    const out = this.backend.alloc(this.dtype, this.size)
    pending.into(out, null, 1, null)
    pending.free()
    this.#pending = null
    this.#buffer = this.#owner = out
    return out
  }

  /** One more reference to the numbers, and the way to let go of it. */
  hold(): () => void {
    void this.buffer
    const owner = this.#owner!
    this.backend.retain(owner)
    return () => this.backend.release(owner)
  }
  /** Asks the garbage collector to free the numbers when nothing refers to them. */
  watch(): void {
    void this.buffer
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

  override to(target: Backend | DType): Dense {
    if (typeof target === 'string') {
      if (target === this.dtype) return this
      const out = allocate(this.backend, this.shape, checkedDType('to', target), 'to')
      this.backend.kernels.cast(this.buffer, out.buffer)
      return out
    }
    return target === this.backend ? this : fromData(this.dataSync(), this.shape, target, 'to')
  }

  override interpret(): never {
    throw new Error('unreachable: dense tensors are run, not interpreted')
  }
  override dense(): readonly Dense[] {
    return [this]
  }
}

let standard: Backend = js()

/** The backend of tensors that are made without naming one (default: js). Returns the one in force before. */
export function useBackend(backend: Backend): Backend {
  const before = standard
  standard = backend
  return before
}
export const defaultBackend = (): Backend => standard

/** A tensor whose contents are still undefined; for ops. */
export function allocate(backend: Backend, shape: Shape, dtype: DType, origin: string): Dense {
  return new Dense(shape, dtype, backend, backend.alloc(dtype, sizeOf(shape)), origin)
}

/** `dtype` itself; throws TypeError for a name that is none. */
export function checkedDType(what: string, dtype: DType): DType {
  if (dtype !== 'f32' && dtype !== 'f64' && dtype !== 'i32') {
    throw new TypeError(`${what}: a dtype is f32, f64 or i32, got ${dtype}`)
  }
  return dtype
}

export const isI32 = (value: number): boolean => (value | 0) === value

/** Throws RangeError where `value` beside `t` would be rounded or cut to an i32. */
export function checkScalar(value: number, t: Tensor): void {
  if (t.dtype === 'i32' && !isI32(value)) {
    throw new RangeError(`${describe(t)} does not go with ${value}: convert it with .to('f32') or .to('f64')`)
  }
}

/** A tensor with a copy of `data`, whose length must be the size of `shape`. */
export function fromData(data: TypedArray, shape: Shape, backend: Backend, origin: string): Dense {
  const out = allocate(backend, shape, dtypeOf(data), origin)
  backend.write(out.buffer, data)
  return out
}
