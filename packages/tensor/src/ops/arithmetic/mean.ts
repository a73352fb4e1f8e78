import { apply } from '../../core/op.js'
import { axesFromEnd } from '../../core/shape.js'
import type { Op, Tensor } from '../../core/tensor.js'
import { type Axes, sumOp } from '../structure/sum.js'
import { div } from './div.js'

/** Mean over `axis` (one, several, or by default all). The mean of nothing is NaN. */
export const mean = (x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor =>
  averaged(sumOp, x, axesFromEnd(axis, x.rank, 'mean'), keepdims)

/** A sum over axes, by the number of elements that each of its elements is made of. */
export function averaged(op: Op<Axes>, x: Tensor, axes: readonly number[], keepdims: boolean): Tensor {
  const n = axes.reduce((product, a) => product * x.shape[x.rank + a]!, 1)
  return div(apply(op, [x], { axes, keepdims }), n)
}
