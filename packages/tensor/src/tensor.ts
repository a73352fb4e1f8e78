/// <reference lib="esnext.disposable" preserve="true" />
import type { Backend, Buffer, DType, Shape, TypedArray } from '@unravel/kernels'
import { js } from '@unravel/kernels'
import { DisposedError, describe, RuleError } from './errors.js'
import type { Op } from './op.js'
import { adopt } from './scope.js'
import { sizeOf } from './shape.js'

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
  toString(): string {
    return describe(this)
  }
}

/** A tensor of numbers on a backend. */
export class Dense extends Tensor {
  override readonly level = 0
  #buffer: Buffer | null

  /** `buffer` brings one reference, which this tensor now owns. `origin` names the op that made it. */
  constructor(
    override readonly shape: Shape,
    override readonly dtype: DType,
    readonly backend: Backend,
    buffer: Buffer,
    readonly origin: string,
  ) {
    super()
    this.#buffer = buffer
    adopt(this)
  }

  /** The backend's buffer. Throws DisposedError after `dispose`. */
  get buffer(): Buffer {
    if (this.#buffer === null) throw new DisposedError(this.origin, this)
    return this.#buffer
  }
  get disposed(): boolean {
    return this.#buffer === null
  }

  /** Gives the memory back; every later use throws. Disposing twice is harmless. */
  dispose(): void {
    if (this.#buffer === null) return
    this.backend.release(this.#buffer)
    this.#buffer = null
  }
  [Symbol.dispose](): void {
    this.dispose()
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

  /** This tensor on another backend or in another dtype (itself when nothing changes). Not differentiated. */
  to(target: Backend | DType): Dense {
    if (typeof target === 'string') {
      if (target === this.dtype) return this
      const out = allocate(this.backend, this.shape, target, 'to')
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

export function dtypeOf(data: TypedArray): DType {
  return data instanceof Float64Array ? 'f64' : data instanceof Float32Array ? 'f32' : 'i32'
}

/** A tensor with a copy of `data`, whose length must be the size of `shape`. */
export function fromData(data: TypedArray, shape: Shape, backend: Backend, origin: string): Dense {
  const out = allocate(backend, shape, dtypeOf(data), origin)
  backend.write(out.buffer, data)
  return out
}
