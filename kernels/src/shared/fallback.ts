import {
  contract,
  type DType,
  type FallbackPolicy,
  type KernelName,
  type Kernels,
  type TypedArray,
} from '../contract.js'
import { jsKernels } from '../js/index.js'
import { type CountedBuffer, isCounted } from './counted.js'
import { UnsupportedError } from './errors.js'

type Supports = (kernel: KernelName, dtype: DType) => true | string
type Run = (...args: unknown[]) => void

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

const buffersOf = (args: readonly unknown[]) => args.filter(isCounted)

/** The dtype of a call: that of its data, which for `gather` and `scatterAdd` come after the index. */
const dtypeOf = (kernel: KernelName, buffers: readonly CountedBuffer[]): DType =>
  buffers[kernel === 'gather' || kernel === 'scatterAdd' ? 1 : 0]!.dtype

const kernelNames = Object.keys(contract) as KernelName[]
const everyKernel = <B extends CountedBuffer>(make: (kernel: KernelName) => Run) =>
  Object.fromEntries(kernelNames.map(kernel => [kernel, make(kernel)])) as unknown as Kernels<B>

/** Every kernel as its js version, counted; `arraysOf` gives the arrays that stand for the buffers of a call. */
export const jsKernelsOn = <B extends CountedBuffer>(
  fallbacks: Fallbacks,
  arraysOf: (kernel: KernelName, dtype: DType, buffers: readonly B[]) => readonly TypedArray[],
): Kernels<B> =>
  everyKernel(kernel => (...args) => {
    const buffers = buffersOf(args) as B[]
    const dtype = dtypeOf(kernel, buffers)
    fallbacks.note(kernel, dtype)
    const arrays = arraysOf(kernel, dtype, buffers)
    const run = jsKernels[kernel] as Run
    run(...args.map(arg => (isCounted(arg) ? arrays[buffers.indexOf(arg as B)] : arg)))
  })

/** A backend's own kernels on the dtypes that it supports, and js kernels for the rest. */
export const ownOrJs = <B extends CountedBuffer>(
  own: Partial<Kernels<B>>,
  js: Kernels<B>,
  { supports }: Fallbacks,
): Kernels<B> =>
  everyKernel(kernel => {
    const [native, reference] = [own[kernel] as Run | undefined, js[kernel] as Run]
    if (native === undefined) return reference
    if (contract[kernel].dtypes.every(dtype => supports(kernel, dtype) === true)) return native
    return (...args) => {
      const run = supports(kernel, dtypeOf(kernel, buffersOf(args))) === true ? native : reference
      run(...args)
    }
  })
