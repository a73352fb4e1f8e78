import {
  contract,
  type DType,
  type FallbackPolicy,
  type KernelName,
  type Kernels,
  type TypedArray,
} from '../contract.js'
import { UnsupportedError } from '../errors.js'
import { jsKernels } from '../js/index.js'
import type { Heap } from './memory.js'
import { Region } from './region.js'

const kernelNames = Object.keys(contract) as KernelName[]

/** The dtype a call is counted under: that of its data, which for `gather` and `scatterAdd` come after the index. */
function dtypeOf(kernel: KernelName, args: readonly unknown[]): DType {
  const regions = args.filter(arg => arg instanceof Region)
  return regions[kernel === 'gather' || kernel === 'scatterAdd' ? 1 : 0]!.dtype
}

/** What happens when the js version of a kernel is called, and how often it did. */
export class Fallbacks {
  policy: FallbackPolicy = 'fallback'
  /** `matmul f64` → 12 */
  readonly counts = new Map<string, number>()
  readonly #backend: string
  readonly #reason: (kernel: KernelName, dtype: DType) => true | string
  #warned = false

  constructor(backend: string, reason: (kernel: KernelName, dtype: DType) => true | string) {
    this.#backend = backend
    this.#reason = reason
  }

  /** Throws, or counts the call; the first one is announced. */
  note(kernel: KernelName, dtype: DType): void {
    const supported = this.#reason(kernel, dtype)
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

/** Every kernel as its js version, on typed arrays over the heap. */
export function jsOnHeap(heap: Heap, fallbacks: Fallbacks): Kernels<Region> {
  const wrap = (kernel: KernelName) => {
    const run = jsKernels[kernel] as (...args: unknown[]) => void
    return (...args: unknown[]): void => {
      fallbacks.note(kernel, dtypeOf(kernel, args))
      run(...args.map((arg): unknown | TypedArray => (arg instanceof Region ? heap.array(arg) : arg)))
    }
  }
  return Object.fromEntries(kernelNames.map(kernel => [kernel, wrap(kernel)])) as unknown as Kernels<Region>
}
