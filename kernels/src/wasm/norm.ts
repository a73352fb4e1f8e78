import type { Kernels } from '../contract.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'
import { withScratch } from './scratch.js'
import { alone } from './share.js'
import { atOnce, type Call } from './threads.js'

type NormKernels = Pick<Kernels<Region>, 'layerNorm' | 'layerNormGrad' | 'rmsNorm' | 'rmsNormGrad'>

/** Rows whose terms of a sum over rows are added up in the dtype; the sums of such blocks are added up in f64. */
const BLOCK = 256

/** Normalizations on the module, their rows shared out where there are threads. */
export function normKernels(context: Context): NormKernels {
  const { exports, heap, threads } = context
  const { layerNorm, layerNormGrad, rmsNorm, rmsNormGrad } = exports

  /** Shares out `units` of rows of n numbers; the scratch of a range has room for a row. */
  const share = (
    units: number,
    n: number,
    x: Region,
    work: (call: Call, from: number, to: number, scratch: number) => void,
  ) => {
    const bytes = n * bytesPerElement[x.dtype] + 16
    if (bytes <= exports.scratchBytes()) threads.share(units, 1, work, !alone(context, x.length))
    else withScratch(context, bytes, scratch => work(atOnce, 0, units, scratch))
  }

  /** Shares out blocks of rows, whose sums over rows go to `sums`; the sums of the blocks are added up to `outputs`, in their order, so
   *  that results do not depend on threads. */
  const summed = (
    rows: number,
    n: number,
    x: Region,
    outputs: readonly Region[],
    work: (call: Call, from: number, to: number, scratch: number, sums: readonly number[]) => void,
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

  /** A norm by its kernel: the rows of x and out, and what all rows share between them. */
  const normalise = (
    run: typeof layerNorm | typeof rmsNorm,
    rows: number,
    n: number,
    eps: number,
    x: Region,
    shared: readonly Region[],
    out: Region,
  ) => {
    const [p, q, bytes] = [addressOf(x), addressOf(out), n * bytesPerElement[x.dtype]]
    const f = run[x.dtype] as (...args: number[]) => void
    share(rows, n, x, (call, from, to, scratch) => {
      call(f, to - from, n, eps, p + from * bytes, ...shared.map(addressOf), q + from * bytes, scratch)
    })
  }
  const gradient = (
    run: typeof layerNormGrad | typeof rmsNormGrad,
    rows: number,
    n: number,
    eps: number,
    x: Region,
    w: Region,
    gy: Region,
    gx: Region,
    outputs: readonly Region[],
  ) => {
    const [p, c, q, bytes] = [addressOf(x), addressOf(gy), addressOf(gx), n * bytesPerElement[x.dtype]]
    const f = run[x.dtype] as (...args: number[]) => void
    summed(rows, n, x, outputs, (call, from, to, scratch, sums) => {
      const at = from * bytes
      call(f, to - from, n, eps, p + at, addressOf(w), c + at, q + at, ...sums, scratch)
    })
  }
  return {
    layerNorm: (rows, n, eps, x, w, b, out) => normalise(layerNorm, rows, n, eps, x, [w, b], out),
    rmsNorm: (rows, n, eps, x, w, out) => normalise(rmsNorm, rows, n, eps, x, [w], out),
    layerNormGrad: (rows, n, eps, x, w, gy, gx, gw, gb) =>
      gradient(layerNormGrad, rows, n, eps, x, w, gy, gx, [gw, gb]),
    rmsNormGrad: (rows, n, eps, x, w, gy, gx, gw) => gradient(rmsNormGrad, rows, n, eps, x, w, gy, gx, [gw]),
  }
}
