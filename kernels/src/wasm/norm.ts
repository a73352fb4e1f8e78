import type { Kernels } from '../contract.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'
import { withScratch } from './scratch.js'
import { unitsOf } from './share.js'
import { atOnce, type Call, type Work } from './threads.js'

type NormKernels = Pick<Kernels<Region>, 'layerNorm' | 'layerNormGrad' | 'rmsNorm' | 'rmsNormGrad'>

/** Rows whose terms of a sum over rows are added up in the dtype; the sums of such blocks are added up in f64. */
const BLOCK = 256

/** Normalizations on the module, their rows shared out where there are threads. */
export function normKernels(context: Context): NormKernels {
  const { exports, heap } = context
  const { layerNorm, layerNormGrad, rmsNorm, rmsNormGrad } = exports

  /** Shares out `units` of rows of n numbers; the scratch of a range has room for a row. */
  const share = (units: number, n: number, x: Region, work: Work) => {
    const bytes = n * bytesPerElement[x.dtype] + 16
    if (bytes <= exports.scratchBytes()) unitsOf(context)(units, x, work)
    else withScratch(context, bytes, scratch => work(atOnce, 0, units, scratch))
  }

  /** Shares out blocks of rows, whose sums over rows go to `sums`; the sums of the blocks are added up to `outputs`, in their order, so
   *  that results do not depend on threads. */
  const summed = (
    rows: number,
    n: number,
    x: Region,
    outputs: readonly Region[],
    work: (...range: [...Parameters<Work>, sums: readonly number[]]) => void,
  ) => {
    const blocks = Math.ceil(rows / BLOCK)
    if (blocks <= 1) {
      return share(1, n, x, (call, _from, _to, scratch) => work(call, 0, rows, scratch, outputs.map(addressOf)))
    }
    heap.scratch(alloc => {
      const parts = outputs.map(({ dtype }) => alloc(dtype, blocks * n))
      const bytes = n * bytesPerElement[x.dtype]
      share(blocks, n, x, (call, from, to, scratch) => {
        for (let b = from; b < to; b++) {
          const sums = parts.map(part => addressOf(part) + b * bytes)
          work(call, b * BLOCK, Math.min(rows, (b + 1) * BLOCK), scratch, sums)
        }
      })
      outputs.forEach((out, o) => {
        const part = heap.array(parts[o]!)
        const total = new Float64Array(n)
        for (let at = 0; at < part.length; at += n) for (let i = 0; i < n; i++) total[i]! += part[at + i]!
        heap.array(out).set(total)
      })
    })
  }

  /** The calls of a kernel on a range of rows: buffers of more than one row move with it, weights do not, and sums come after them. */
  const ofRows =
    (
      run: typeof layerNorm | typeof rmsNorm | typeof layerNormGrad | typeof rmsNormGrad,
      n: number,
      eps: number,
      buffers: readonly [Region, ...Region[]],
    ) =>
    (call: Call, from: number, to: number, scratch: number, sums: readonly number[] = []) => {
      const { dtype } = buffers[0]
      const moved = from * n * bytesPerElement[dtype]
      const addresses = buffers.map(b => addressOf(b) + (b.length > n ? moved : 0))
      call(run[dtype] as (...args: number[]) => void, to - from, n, eps, ...addresses, ...sums, scratch)
    }

  return {
    layerNorm: (rows, n, eps, x, w, b, out) => share(rows, n, x, ofRows(layerNorm, n, eps, [x, w, b, out])),
    rmsNorm: (rows, n, eps, x, w, out) => share(rows, n, x, ofRows(rmsNorm, n, eps, [x, w, out])),
    layerNormGrad: (rows, n, eps, x, w, gy, gx, gw, gb) =>
      summed(rows, n, x, [gw, gb], ofRows(layerNormGrad, n, eps, [x, w, gy, gx])),
    rmsNormGrad: (rows, n, eps, x, w, gy, gx, gw) =>
      summed(rows, n, x, [gw], ofRows(rmsNormGrad, n, eps, [x, w, gy, gx])),
  }
}
