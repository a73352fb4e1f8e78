import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'
import { withScratch } from './scratch.js'

/** So many rows or fewer are added up in f32. */
const FEW = 256

/** Picking rows, and its adjoint, on the module. */
export function gatherKernels(context: Context): Pick<Kernels<Region>, 'gather' | 'scatterAdd'> {
  const { gather, scatterAdd, scatterAddWide } = context.exports
  return {
    gather(outer, axis, inner, index, x, out) {
      gather[x.dtype](outer, axis, inner, index.length, addressOf(index), addressOf(x), addressOf(out))
    },
    scatterAdd(outer, axis, inner, index, y, out) {
      const args = [outer, axis, inner, index.length, addressOf(index), addressOf(y), addressOf(out)] as const
      if (out.dtype !== 'f32' || index.length <= FEW) return scatterAdd[out.dtype](...args)
      withScratch(context, axis * inner * 8, scratch => scatterAddWide(...args, scratch))
    },
  }
}
