import { apply, checkTensors, commonDType } from '../../core/op.js'
import { axesFromEnd } from '../../core/shape.js'
import type { Op, Tensor, Unary } from '../../core/tensor.js'
import { type Axes, reducedShape, runReduce, sumOp, unreduced } from '../structure/sum.js'
import { affine } from './affine.js'
import { countOf, meanOp } from './mean.js'
import { mul } from './mul.js'

export const sumSquaresOp: Op<Axes, Unary> = {
  name: 'sumSquares',
  signature: '[...] -> [...]',
  infer: (inputs, attrs) => ({
    shape: reducedShape(sumSquaresOp, inputs, attrs),
    dtype: commonDType(sumSquaresOp, inputs),
  }),
  run: ([x], attrs, type) => runReduce('sumSquares', x, attrs, type.shape),
  // (Σx²)′ = 2x·x′
  vjp: ({ inputs: [x], attrs }, c) => [mul(affine(unreduced(c, x, attrs), 2, 0), x)],
  gate: 'take path sums of what is squared',
  body: ([x], attrs) => apply(sumOp, [mul(x, x)], attrs),
}

/** Σ x² over `axis` (one, several, or by default all). */
export function sumSquares(x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor {
  checkTensors('sumSquares', [x])
  return apply(sumSquaresOp, [x], { axes: axesFromEnd(axis, x.rank, 'sumSquares'), keepdims })
}

// A kernel of its own: the sum of squares may overflow where their mean does not.
export const meanSquareOp: Op<Axes, Unary> = {
  name: 'meanSquare',
  signature: '[...] -> [...]',
  infer: (inputs, attrs) => ({
    shape: reducedShape(meanSquareOp, inputs, attrs),
    dtype: commonDType(meanSquareOp, inputs),
  }),
  run: ([x], attrs, type) => runReduce('meanSquare', x, attrs, type.shape),
  vjp: ({ inputs: [x], attrs }, c) => [mul(affine(unreduced(c, x, attrs), 2 / countOf(x, attrs), 0), x)],
  gate: 'take path sums of what is squared',
  body: ([x], attrs) => apply(meanOp, [mul(x, x)], attrs),
}

/** Mean of x² over `axis` (one, several, or by default all). The mean of nothing is NaN. */
export function meanSquare(x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor {
  checkTensors('meanSquare', [x])
  return apply(meanSquareOp, [x], { axes: axesFromEnd(axis, x.rank, 'meanSquare'), keepdims })
}
