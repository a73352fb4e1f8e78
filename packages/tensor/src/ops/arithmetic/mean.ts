import { apply, checkTensors, commonDType } from '../../core/op.js'
import { axesFromEnd } from '../../core/shape.js'
import type { Op, Tensor, Unary } from '../../core/tensor.js'
import { linear } from '../structure/builders.js'
import { type Axes, broadcastLast, reducedShape, runReduce, unreduced } from '../structure/sum.js'
import { div } from './div.js'

// A kernel of its own, and not a sum that is divided: the sum may overflow where the mean does not.
export const meanOp: Op<Axes, Unary> = linear<Axes>({
  name: 'mean',
  signature: '[...] -> [...]',
  infer: (inputs, attrs) => ({ shape: reducedShape(meanOp, inputs, attrs), dtype: commonDType(meanOp, inputs) }),
  run: ([x], attrs, type) => runReduce('mean', x, attrs, type.shape),
  vjp: ({ inputs: [x], attrs }, c) => broadcastLast(unreduced(div(c, countOf(x, attrs)), x, attrs), x.shape),
})

/** How many elements of x each element of a reduction is made of. */
export const countOf = (x: Tensor, { axes }: Axes): number =>
  axes.reduce((product, a) => product * x.shape[x.rank + a]!, 1)

/** Mean over `axis` (one, several, or by default all). The mean of nothing is NaN. */
export function mean(x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor {
  checkTensors('mean', [x])
  return apply(meanOp, [x], { axes: axesFromEnd(axis, x.rank, 'mean'), keepdims })
}
