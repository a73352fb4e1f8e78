import { MapCode } from '../../assembly/codes.js'
import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'
import { unitsOf } from './share.js'

/** Batch norm on the module, its channels shared out where there are threads. */
export function batchNormKernels(
  context: Context,
): Pick<Kernels<Region>, 'batchMoments' | 'batchNorm' | 'batchNormGrad'> {
  const { batchMoments, batchNorm, batchNormGrad } = context.exports
  const channels = unitsOf(context)
  return {
    batchMoments(b, c, n, x, mean, variance) {
      const at = [addressOf(x), addressOf(mean), addressOf(variance)] as const
      channels(c, x, (call, from, to, sums) => call(batchMoments[x.dtype], from, to, b, c, n, ...at, sums))
    },
    batchNorm(b, c, n, eps, x, mean, variance, w, bias, phi, scale, add, out) {
      const at = [addressOf(x), addressOf(mean), addressOf(variance), addressOf(w), addressOf(bias)] as const
      const onwards = [MapCode[phi ?? 'none'], scale, add === null ? 0 : addressOf(add), addressOf(out)] as const
      channels(c, x, (call, from, to) => call(batchNorm[x.dtype], from, to, b, c, n, eps, ...at, ...onwards))
    },
    batchNormGrad(b, c, n, eps, x, mean, variance, w, gy, gx, gw, gb) {
      const inputs = [addressOf(x), addressOf(mean), addressOf(variance), addressOf(w), addressOf(gy)] as const
      const outputs = [addressOf(gx), addressOf(gw), addressOf(gb)] as const
      channels(c, x, (call, from, to, sums) => {
        call(batchNormGrad[x.dtype], from, to, b, c, n, eps, ...inputs, ...outputs, sums)
      })
    },
  }
}
