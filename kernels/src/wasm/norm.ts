import type { Kernels } from '../contract.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'
import { withScratch } from './scratch.js'

type NormKernels = Pick<Kernels<Region>, 'layerNorm' | 'layerNormGrad' | 'rmsNorm' | 'rmsNormGrad'>

/** Normalizations on the module, a row at a time. */
export function normKernels(context: Context): NormKernels {
  const { layerNorm, layerNormGrad, rmsNorm, rmsNormGrad } = context.exports
  /** Runs `body` with room for a row, and for two of f64 before it where sums go over rows. */
  const withRow = (n: number, x: Region, gradient: boolean, body: (scratch: number) => void) =>
    withScratch(context, n * ((gradient ? 16 : 0) + bytesPerElement[x.dtype]) + 16, body)
  return {
    layerNorm(rows, n, eps, x, w, b, out) {
      const args = [addressOf(x), addressOf(w), addressOf(b), addressOf(out)] as const
      withRow(n, x, false, scratch => layerNorm[x.dtype](rows, n, eps, ...args, scratch))
    },
    layerNormGrad(rows, n, eps, x, w, gy, gx, gw, gb) {
      const inputs = [addressOf(x), addressOf(w), addressOf(gy)] as const
      const outputs = [addressOf(gx), addressOf(gw), addressOf(gb)] as const
      withRow(n, x, true, scratch => layerNormGrad[x.dtype](rows, n, eps, ...inputs, ...outputs, scratch))
    },
    rmsNorm(rows, n, eps, x, w, out) {
      const args = [addressOf(x), addressOf(w), addressOf(out)] as const
      withRow(n, x, false, scratch => rmsNorm[x.dtype](rows, n, eps, ...args, scratch))
    },
    rmsNormGrad(rows, n, eps, x, w, gy, gx, gw) {
      const args = [addressOf(x), addressOf(w), addressOf(gy), addressOf(gx), addressOf(gw)] as const
      withRow(n, x, true, scratch => rmsNormGrad[x.dtype](rows, n, eps, ...args, scratch))
    },
  }
}
