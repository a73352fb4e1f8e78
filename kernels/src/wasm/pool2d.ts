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
  const { maxPool2dIndices, avgPool2d, avgPool2dGrad } = exports
  return {
    maxPool2dIndices(g, x, out) {
      maxPool2dIndices[x.dtype](...numbers(g), addressOf(x), addressOf(out))
    },
    avgPool2d(g, x, out) {
      avgPool2d[out.dtype](...numbers(g), addressOf(x), addressOf(out))
    },
    avgPool2dGrad(g, gy, gx) {
      avgPool2dGrad[gx.dtype](...numbers(g), addressOf(gy), addressOf(gx))
    },
  }
}
