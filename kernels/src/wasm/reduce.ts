import type { Kernels, ReduceOp } from '../contract.js'
import { runsOf } from '../js/reduce.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** Numbers of the operations in assembly/reduce.ts. */
const reduceOps: Record<ReduceOp, number> = { sum: 0, sumSquares: 1, max: 2, min: 3, mean: 4, meanSquare: 5 }

/** What is done along the runs of axes after the first. */
const afterwards: Partial<Record<ReduceOp, ReduceOp>> = { sumSquares: 'sum', meanSquare: 'mean' }

/** Reductions on the module. */
export function reduceKernels({ exports, heap }: Context): Pick<Kernels<Region>, 'reduce' | 'argmax'> {
  const reduceOn = { f32: exports.reduce_f32, f64: exports.reduce_f64, i32: exports.reduce_i32 }
  const argmaxOn = { f32: exports.argmax_f32, f64: exports.argmax_f64, i32: exports.argmax_i32 }
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
          const number = reduceOps[from === x ? op : (afterwards[op] ?? op)]
          reduceOn[x.dtype](number, outer, runs[r]!, inner, addressOf(from), addressOf(to))
          from = to
          inner *= runs[r - 1]!
        }
      })
    },
    argmax(outer, n, inner, x, out) {
      argmaxOn[x.dtype](outer, n, inner, addressOf(x), addressOf(out))
    },
  }
}
