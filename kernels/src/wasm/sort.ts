import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** Sorting on the module. */
export function sortKernel({ exports, heap }: Context): Kernels<Region>['argsort'] {
  const argsortOn = { f32: exports.argsort_f32, f64: exports.argsort_f64, i32: exports.argsort_i32 }
  return (outer, n, inner, descending, x, out) => {
    const scratch = heap.alloc('i32', 2 * n)
    argsortOn[x.dtype](outer, n, inner, Number(descending), addressOf(x), addressOf(out), addressOf(scratch))
    heap.release(scratch)
  }
}
