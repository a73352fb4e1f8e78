import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'
import { withScratch } from './scratch.js'

/** So many rows or fewer are added up in f32. */
const FEW = 256

/** Picking rows, and its adjoint, on the module. */
export function gatherKernels(context: Context): Pick<Kernels<Region>, 'gather' | 'scatterAdd'> {
  const { exports } = context
  const scatterAddOn = { f32: exports.scatterAdd_f32, f64: exports.scatterAdd_f64, i32: exports.scatterAdd_i32 }
  return {
    gather(outer, axis, inner, index, x, out) {
      const run = x.dtype === 'f64' ? exports.gather_8 : exports.gather_4
      run(outer, axis, inner, index.length, addressOf(index), addressOf(x), addressOf(out))
    },
    scatterAdd(outer, axis, inner, index, y, out) {
      const args = [outer, axis, inner, index.length, addressOf(index), addressOf(y), addressOf(out)] as const
      if (out.dtype !== 'f32' || index.length <= FEW) return scatterAddOn[out.dtype](...args)
      withScratch(context, axis * inner * 8, scratch => exports.scatterAddWide(...args, scratch))
    },
  }
}
