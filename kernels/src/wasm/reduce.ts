import { ReduceCode } from '../../assembly/codes.js'
import type { Kernels, ReduceOp } from '../contract.js'
import { runsOf } from '../js/reduce.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** The operation along the runs of axes after the first. */
const afterwards: Partial<Record<ReduceOp, ReduceOp>> = { sumSquares: 'sum', meanSquare: 'mean' }

/** Reductions on the module. */
export function reduceKernels({ exports, heap }: Context): Pick<Kernels<Region>, 'reduce' | 'argmax'> {
  const { reduce, argmax } = exports
  return {
    reduce(op, shape, axes, x, out) {
      heap.scratch(alloc => {
        // [kept, reduced, kept, reduced, …], then the kept axes after them.
        const runs = runsOf(shape, axes)
        let inner = 1
        if (runs.length === 1) runs.push(1)
        else if (runs.length % 2 === 1) inner = runs.pop()!
        // The last run of reduced axes first, through buffers between.
        let from = x
        for (let r = runs.length - 1; r > 0; r -= 2) {
          let outer = 1
          for (let i = 0; i < r; i++) outer *= runs[i]!
          const to = r > 1 ? alloc(x.dtype, outer * inner) : out
          // Squares are taken once, and then summed.
          const number = ReduceCode[from === x ? op : (afterwards[op] ?? op)]
          reduce[x.dtype](number, outer, runs[r]!, inner, addressOf(from), addressOf(to))
          from = to
          inner *= runs[r - 1]!
        }
      })
    },
    argmax(outer, n, inner, x, out) {
      argmax[x.dtype](outer, n, inner, addressOf(x), addressOf(out))
    },
  }
}
