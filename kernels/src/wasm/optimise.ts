import { MapGradCode } from '../../assembly/codes.js'
import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** Steps of training on the module. */
export function optimiseKernels({ exports }: Context): Pick<Kernels<Region>, 'mapGrad' | 'sgd' | 'adamw'> {
  const { mapGrad, sgd, adamw } = exports
  return {
    mapGrad(op, v, gy, gx) {
      if (gy.length === 0) return
      const lead = gy.length / v.length
      mapGrad[gx.dtype](MapGradCode[op], lead, v.length, addressOf(v), addressOf(gy), addressOf(gx))
    },
    sgd({ rate, momentum, nesterov, weightDecay }, p, g, v, pOut, vOut) {
      const inputs = [addressOf(p), addressOf(g), addressOf(v)] as const
      const outputs = [addressOf(pOut), addressOf(vOut)] as const
      sgd[p.dtype](p.length, rate, momentum, nesterov, weightDecay, ...inputs, ...outputs)
    },
    adamw({ beta1, beta2, eps, rate, correction, shrink }, p, g, m, v, pOut, mOut, vOut) {
      const inputs = [addressOf(p), addressOf(g), addressOf(m), addressOf(v)] as const
      const outputs = [addressOf(pOut), addressOf(mOut), addressOf(vOut)] as const
      adamw[p.dtype](p.length, beta1, beta2, eps, rate, correction, shrink, ...inputs, ...outputs)
    },
  }
}
