import type { Kernels, Pool2dGeometry } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

type PoolKernels = Pick<Kernels<Region>, 'maxPool2dIndices' | 'avgPool2d' | 'avgPool2dGrad'>

const numbers = (g: Pool2dGeometry) =>
  [
    ...([g.planes, g.height, g.width, g.kernelH, g.kernelW, g.strideH, g.strideW] as const),
    ...([g.padH, g.padW, g.outH, g.outW] as const),
  ] as const

/** Pooling on the module. */
export function pool2dKernels({ exports }: Context): PoolKernels {
  return {
    maxPool2dIndices(g, x, out) {
      const run = x.dtype === 'f32' ? exports.maxPool2d_f32 : exports.maxPool2d_f64
      run(...numbers(g), addressOf(x), addressOf(out))
    },
    avgPool2d(g, x, out) {
      const run = out.dtype === 'f32' ? exports.avgPool2d_f32 : exports.avgPool2d_f64
      run(...numbers(g), addressOf(x), addressOf(out))
    },
    avgPool2dGrad(g, gy, gx) {
      const run = gx.dtype === 'f32' ? exports.avgPool2dGrad_f32 : exports.avgPool2dGrad_f64
      run(...numbers(g), addressOf(gy), addressOf(gx))
    },
  }
}
