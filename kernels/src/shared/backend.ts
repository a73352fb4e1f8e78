import type { Backend, DType, FallbackPolicy, KernelName, Kernels, MemoryReport, TypedArray } from '../contract.js'
import type { CountedBuffer, CountedMemory } from './counted.js'
import type { Fallbacks } from './policy.js'

/** The memory of a backend. */
export interface Store<B extends CountedBuffer>
  extends Pick<CountedMemory<B, object>, 'retain' | 'release' | 'watch' | 'unwatch'> {
  alloc(dtype: DType, length: number): B
  view(buffer: B, offset: number, length: number): B
  write(buffer: B, data: TypedArray): void
  read(buffer: B): Promise<TypedArray>
  readSync(buffer: B): TypedArray
  report(): MemoryReport
}

/** A backend whose memory is counted, and some of whose kernels may be js kernels. */
export class CountedBackend<B extends CountedBuffer> implements Omit<Backend<B>, 'name'> {
  readonly kernels: Kernels<B>
  readonly #store: Store<B>
  readonly #fallbacks: Fallbacks

  constructor(kernels: Kernels<B>, store: Store<B>, fallbacks: Fallbacks) {
    this.kernels = kernels
    this.#store = store
    this.#fallbacks = fallbacks
  }

  supports(kernel: KernelName, dtype: DType): true | string {
    return this.#fallbacks.supports(kernel, dtype)
  }
  alloc(dtype: DType, length: number): B {
    return this.#store.alloc(dtype, length)
  }
  retain(buffer: B): void {
    this.#store.retain(buffer)
  }
  release(buffer: B): void {
    this.#store.release(buffer)
  }
  watch(buffer: B): void {
    this.#store.watch(buffer)
  }
  unwatch(buffer: B): void {
    this.#store.unwatch(buffer)
  }
  view(buffer: B, offset: number, length: number): B {
    return this.#store.view(buffer, offset, length)
  }
  write(buffer: B, data: TypedArray): void {
    this.#store.write(buffer, data)
  }
  read(buffer: B): Promise<TypedArray> {
    return this.#store.read(buffer)
  }
  readSync(buffer: B): TypedArray {
    return this.#store.readSync(buffer)
  }
  memory(): MemoryReport {
    return this.#store.report()
  }
  get policy(): FallbackPolicy {
    return this.#fallbacks.policy
  }
  set policy(policy: FallbackPolicy) {
    this.#fallbacks.policy = policy
  }
  fallbacks(): ReadonlyMap<string, number> {
    return this.#fallbacks.counts
  }
}
