import { alias, checkTensors } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { stopGradient } from '../structure/stopGradient.js'
import { where } from '../structure/where.js'
import { add } from './add.js'
import { affine } from './affine.js'
import { greater, less } from './compare.js'
import { maximum } from './maximum.js'
import { mul } from './mul.js'
import { neg } from './neg.js'
import { sign } from './sign.js'
import { sub } from './sub.js'

// Numbers from 2^23 (f32) or 2^52 (f64) on are whole, and next to each other: adding that number and taking it away rounds, half
// to even. Whole numbers are their own rounding. Constant to derivatives.

/** The nearest whole number; from the middle between two the even one, as in NumPy. Constant to derivatives. */
export function round(x: Tensor): Tensor {
  checkTensors('round', [x])
  if (x.dtype === 'i32') return alias('round', x)
  const run = stopGradient(x)
  const size = maximum(run, neg(run))
  const whole = x.dtype === 'f32' ? 2 ** 23 : 2 ** 52
  const near = affine(affine(size, 1, whole), 1, -whole)
  return where(less(size, whole), mul(near, sign(run)), run)
}

/** The largest whole number that is not above x. Constant to derivatives. */
export function floor(x: Tensor): Tensor {
  checkTensors('floor', [x])
  if (x.dtype === 'i32') return alias('floor', x)
  const near = round(x)
  return sub(near, greater(near, stopGradient(x)))
}

/** The smallest whole number that is not below x. Constant to derivatives. */
export function ceil(x: Tensor): Tensor {
  checkTensors('ceil', [x])
  if (x.dtype === 'i32') return alias('ceil', x)
  const near = round(x)
  return add(near, less(near, stopGradient(x)))
}
