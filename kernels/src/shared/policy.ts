import type { DType, FallbackPolicy, KernelName } from '../contract.js'
import { UnsupportedError } from './errors.js'

type Supports = (kernel: KernelName, dtype: DType) => true | string

/** The policy for kernels that only js has, and the count of their calls. */
export class Fallbacks {
  policy: FallbackPolicy = 'fallback'
  /** `matmul f64` → 12 */
  readonly counts = new Map<string, number>()
  /** true, or why a kernel does not run natively on a dtype. */
  readonly supports: Supports
  readonly #backend: string
  #warned = false

  constructor(backend: string, supports: Supports) {
    this.#backend = backend
    this.supports = supports
  }

  /** Throws, or counts the call; the first one is announced. */
  note(kernel: KernelName, dtype: DType): void {
    const supported = this.supports(kernel, dtype)
    const reason = supported === true ? 'it has no native code for these arguments' : supported
    if (this.policy === 'throw') throw new UnsupportedError(this.#backend, kernel, dtype, reason)
    const key = `${kernel} ${dtype}`
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
    if (this.#warned) return
    this.#warned = true
    console.warn(
      `The ${this.#backend} backend runs ${kernel} on ${dtype} as a js kernel: ${reason}. ` +
        'Later cases are counted by fallbacks() and not announced.',
    )
  }
}
