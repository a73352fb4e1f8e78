import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** Sorting on the module. */
export function sortKernel({ exports, heap }: Context): Pick<Kernels<Region>, 'argsort'> {
  const { argsort } = exports
  return {
    argsort(outer, n, inner, descending, x, out) {
      const scratch = heap.alloc('i32', 2 * n)
      argsort[x.dtype](outer, n, inner, descending, addressOf(x), addressOf(out), addressOf(scratch))
      heap.release(scratch)
    },
  }
}
