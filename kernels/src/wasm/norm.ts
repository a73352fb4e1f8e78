import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

type NormKernels = Pick<Kernels<Region>, 'layerNorm' | 'layerNormGrad' | 'rmsNorm' | 'rmsNormGrad'>

/** Normalizations on the module, a row at a time. */
export function normKernels({ exports }: Context): NormKernels {
  return {
    layerNorm(rows, n, eps, x, w, b, out) {
      const run = out.dtype === 'f32' ? exports.layerNorm_f32 : exports.layerNorm_f64
      run(rows, n, eps, addressOf(x), addressOf(w), addressOf(b), addressOf(out))
    },
    layerNormGrad(rows, n, eps, x, w, gy, gx, gw, gb) {
      const run = gx.dtype === 'f32' ? exports.layerNormGrad_f32 : exports.layerNormGrad_f64
      const inputs = [addressOf(x), addressOf(w), addressOf(gy)] as const
      run(rows, n, eps, ...inputs, addressOf(gx), addressOf(gw), addressOf(gb))
    },
    rmsNorm(rows, n, eps, x, w, out) {
      const run = out.dtype === 'f32' ? exports.rmsNorm_f32 : exports.rmsNorm_f64
      run(rows, n, eps, addressOf(x), addressOf(w), addressOf(out))
    },
    rmsNormGrad(rows, n, eps, x, w, gy, gx, gw) {
      const run = gx.dtype === 'f32' ? exports.rmsNormGrad_f32 : exports.rmsNormGrad_f64
      run(rows, n, eps, addressOf(x), addressOf(w), addressOf(gy), addressOf(gx), addressOf(gw))
    },
  }
}
