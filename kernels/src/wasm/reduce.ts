import type { Kernels } from '../contract.js'
import type { Context } from './backend.js'
import { addressOf, type Region } from './region.js'

/** Sums over one run of axes on the module; other reductions on the js kernel. */
export const reduceKernel =
  ({ exports, js }: Context): Kernels<Region>['reduce'] =>
  (op, shape, axes, x, out) => {
    const first = axes[0] ?? 0
    const last = axes[axes.length - 1] ?? -1
    const oneRun = axes.length === last - first + 1
    if ((op !== 'sum' && op !== 'sumSquares') || x.dtype === 'i32' || !oneRun) return js.reduce(op, shape, axes, x, out)
    const run = x.dtype === 'f32' ? exports.sum_f32 : exports.sum_f64
    const size = (from: number, to: number) => {
      let n = 1
      for (let i = from; i < to; i++) n *= shape[i]!
      return n
    }
    run(
      op === 'sumSquares',
      size(0, first),
      size(first, last + 1),
      size(last + 1, shape.length),
      addressOf(x),
      addressOf(out),
    )
  }
