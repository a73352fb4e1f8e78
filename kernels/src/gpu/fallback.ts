import { contract, type DType, type KernelName, type Kernels } from '../contract.js'
import { jsKernels } from '../js/index.js'
import type { Fallbacks } from '../wasm/fallback.js'
import type { TexelHeap } from './memory.js'
import { Texels } from './memory.js'

const kernelNames = Object.keys(contract) as KernelName[]

/** How many of the last buffers a kernel writes. */
const outputs: Partial<Record<KernelName, number>> = {
  sgd: 2,
  adamw: 3,
  layerNormGrad: 3,
  rmsNormGrad: 2,
  seriesSinCos: 2,
}

/** The dtype a call is counted under: that of its data, which for `gather` and `scatterAdd` come after the index. */
const dtypeOf = (kernel: KernelName, buffers: readonly Texels[]): DType =>
  buffers[kernel === 'gather' || kernel === 'scatterAdd' ? 1 : 0]!.dtype

/** Every kernel as its js version, on arrays that are read from the device where they are there. */
export function jsOnDevice(heap: TexelHeap, fallbacks: Fallbacks): Kernels<Texels> {
  const wrap = (kernel: KernelName) => {
    const run = jsKernels[kernel] as (...args: unknown[]) => void
    return (...args: unknown[]): void => {
      const buffers = args.filter(arg => arg instanceof Texels)
      const dtype = dtypeOf(kernel, buffers)
      fallbacks.note(kernel, dtype)
      const inputs = buffers.length - (outputs[kernel] ?? 1)
      const why = `${kernel} on ${dtype} is a js kernel here`
      // Inputs first, and outputs that keep a part: a buffer that is written loses what the device holds of it.
      for (const [at, b] of buffers.entries()) if (at < inputs || kernel === 'copy') heap.array(b, false, why)
      const arrays = new Map(buffers.map((b, at) => [b, heap.array(b, at >= inputs, why)]))
      run(...args.map(arg => (arg instanceof Texels ? arrays.get(arg) : arg)))
    }
  }
  return Object.fromEntries(kernelNames.map(kernel => [kernel, wrap(kernel)])) as unknown as Kernels<Texels>
}
