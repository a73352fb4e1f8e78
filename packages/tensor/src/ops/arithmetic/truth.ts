import { checkTensors } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { sum } from '../structure/sum.js'
import { equal, greater, less, lessEqual, notEqual } from './compare.js'
import { mul } from './mul.js'

// Masks of 0 and 1 in the dtype of x, constant to derivatives.

/** 1 where x is NaN. */
export const nan = (x: Tensor): Tensor => notEqual(x, x)

/** 1 where x is neither NaN nor infinite. */
export function finite(x: Tensor): Tensor {
  checkTensors('isFinite', [x])
  return x.dtype === 'i32' ? equal(x, x) : mul(less(x, Infinity), greater(x, -Infinity))
}

/** 1 where any element over `axis` (one, several, or by default all) is not 0; NaN counts as true. Of nothing 0. */
export const any = (x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor =>
  greater(sum(notEqual(x, 0), axis, keepdims), 0)

/** 1 where no element over `axis` (one, several, or by default all) is 0; NaN counts as true. Of nothing 1. */
export const all = (x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor =>
  lessEqual(sum(equal(x, 0), axis, keepdims), 0)
