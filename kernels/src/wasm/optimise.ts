import type { Kernels, MapGradOp } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** Numbers of the functions in assembly/optimise.ts. */
const gradOps: Record<MapGradOp, number> = {
  ...{ exp: 0, relu: 1, sigmoid: 2, tanh: 3, silu: 4, gelu: 5, geluTanh: 6, erf: 7, normalCdf: 8 },
}

/** Steps of training on the module. */
export function optimiseKernels({ exports }: Context): Pick<Kernels<Region>, 'mapGrad' | 'sgd' | 'adamw'> {
  return {
    mapGrad(op, v, gy, gx) {
      if (gy.length === 0) return
      const run = gx.dtype === 'f32' ? exports.mapGrad_f32 : exports.mapGrad_f64
      run(gradOps[op], gy.length / v.length, v.length, addressOf(v), addressOf(gy), addressOf(gx))
    },
    sgd({ rate, momentum, nesterov, weightDecay }, p, g, v, pOut, vOut) {
      const run = p.dtype === 'f32' ? exports.sgd_f32 : exports.sgd_f64
      const inputs = [addressOf(p), addressOf(g), addressOf(v)] as const
      run(p.length, rate, momentum, nesterov, weightDecay, ...inputs, addressOf(pOut), addressOf(vOut))
    },
    adamw({ beta1, beta2, eps, rate, correction, shrink }, p, g, m, v, pOut, mOut, vOut) {
      const run = p.dtype === 'f32' ? exports.adamw_f32 : exports.adamw_f64
      const inputs = [addressOf(p), addressOf(g), addressOf(m), addressOf(v)] as const
      const outputs = [addressOf(pOut), addressOf(mOut), addressOf(vOut)] as const
      run(p.length, beta1, beta2, eps, rate, correction, shrink, ...inputs, ...outputs)
    },
  }
}
