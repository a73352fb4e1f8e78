import type { KernelName, Kernels } from '../contract.js'
import { jsKernelsOn } from '../shared/fallback.js'
import type { Fallbacks } from '../shared/policy.js'
import type { TexelHeap, Texels } from './memory.js'

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
