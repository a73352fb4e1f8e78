import { MapGradCode } from '../../assembly/codes.js'
import type { Kernels } from '../contract.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'
import { alone, elementsOf } from './share.js'

/** Steps of training on the module. */
export function optimiseKernels(context: Context): Pick<Kernels<Region>, 'mapGrad' | 'sgd' | 'adamw'> {
  const { mapGrad, sgd, adamw, scratchBase } = context.exports
  const elements = elementsOf(context)
  return {
    mapGrad(op, v, gy, gx) {
      if (gy.length === 0) return
      const n = v.length
      const lead = gy.length / n
      const stride = n * bytesPerElement[gx.dtype]
      const [number, p, q, r] = [MapGradCode[op], addressOf(v), addressOf(gy), addressOf(gx)]
      if (alone(context, gy.length)) return mapGrad[gx.dtype](number, lead, stride, n, p, q, r, scratchBase())
      elements(v, (call, from, to, size, scratch) => {
        const at = from * size
        call(mapGrad[gx.dtype], number, lead, stride, to - from, p + at, q + at, r + at, scratch)
      })
    },
    sgd({ rate, momentum, nesterov, weightDecay }, p, g, v, pOut, vOut) {
      const settings = [rate, momentum, nesterov, weightDecay] as const
      const at = [p, g, v, pOut, vOut].map(addressOf) as Five
      if (alone(context, p.length)) return sgd[p.dtype](p.length, ...settings, ...at)
      elements(p, (call, from, to, size) => {
        call(sgd[p.dtype], to - from, ...settings, ...(at.map(start => start + from * size) as Five))
      })
    },
    adamw({ beta1, beta2, eps, rate, correction, shrink }, p, g, m, v, pOut, mOut, vOut) {
      const settings = [beta1, beta2, eps, rate, correction, shrink] as const
      const at = [p, g, m, v, pOut, mOut, vOut].map(addressOf) as Seven
      if (alone(context, p.length)) return adamw[p.dtype](p.length, ...settings, ...at)
      elements(p, (call, from, to, size) => {
        call(adamw[p.dtype], to - from, ...settings, ...(at.map(start => start + from * size) as Seven))
      })
    },
  }
}
type Five = [number, number, number, number, number]
type Seven = [...Five, number, number]
