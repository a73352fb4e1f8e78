import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** Picking rows, and its adjoint, on the module. */
export function gatherKernels({ exports }: Context): Pick<Kernels<Region>, 'gather' | 'scatterAdd'> {
  const scatterAddOn = { f32: exports.scatterAdd_f32, f64: exports.scatterAdd_f64, i32: exports.scatterAdd_i32 }
  return {
    gather(outer, axis, inner, index, x, out) {
      const run = x.dtype === 'f64' ? exports.gather_8 : exports.gather_4
      run(outer, axis, inner, index.length, addressOf(index), addressOf(x), addressOf(out))
    },
    scatterAdd(outer, axis, inner, index, y, out) {
      const run = scatterAddOn[out.dtype]
      run(outer, axis, inner, index.length, addressOf(index), addressOf(y), addressOf(out))
    },
  }
}
