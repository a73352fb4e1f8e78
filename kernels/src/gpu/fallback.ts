import { contract, type DType, type KernelName, type Kernels, type TypedArray } from '../contract.js'
import { jsKernels } from '../js/index.js'
import { type CountedBuffer, isCounted } from '../shared/counted.js'
import type { Fallbacks } from '../shared/policy.js'
import type { TexelHeap, Texels } from './memory.js'

type Run = (...args: unknown[]) => void

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
    return (...args) => {
      const run = supports(kernel, dtypeOf(kernel, buffersOf(args))) === true ? native : reference
      run(...args)
    }
  })

/** How many of the last buffers a kernel writes. */
const outputs: Partial<Record<KernelName, number>> = {
  sgd: 2,
  adamw: 3,
  batchMoments: 2,
  batchNormGrad: 3,
  layerNormGrad: 3,
  rmsNormGrad: 2,
  seriesSinCos: 2,
}

/** Every kernel as its js version, on arrays that are read from the device where they are there. */
export const jsOnDevice = (heap: TexelHeap, fallbacks: Fallbacks): Kernels<Texels> =>
  jsKernelsOn(fallbacks, (kernel, dtype, buffers) => {
    const inputs = buffers.length - (outputs[kernel] ?? 1)
    const why = `${kernel} on ${dtype} is a js kernel here`
    // Inputs first, and outputs that keep a part: a buffer that is written loses what the device holds of it.
    for (const [at, b] of buffers.entries()) if (at < inputs || kernel === 'copy') heap.array(b, false, why)
    return buffers.map((b, at) => heap.array(b, at >= inputs, why))
  })
