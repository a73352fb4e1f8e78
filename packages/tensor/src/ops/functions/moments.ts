import { ShapeError } from '../../core/errors.js'
import { shown } from '../../core/messages.js'
import { checkReals, checkTensors } from '../../core/op.js'
import { axesFromEnd, sizeOf } from '../../core/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { equal, less, notEqual } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { max, min } from '../arithmetic/max.js'
import { mean } from '../arithmetic/mean.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { sumSquares } from '../arithmetic/sumSquares.js'
import { finite } from '../arithmetic/truth.js'
import { stopGradient } from '../structure/stopGradient.js'
import { sum } from '../structure/sum.js'
import { where } from '../structure/where.js'
import { abs } from './abs.js'
import { exp } from './exp.js'
import { log } from './log.js'
import { pow } from './power.js'
import { sqrt } from './sqrt.js'

type Axis = number | readonly number[]

/** How many elements each element of a reduction is made of. */
const countOf = (name: string, x: Tensor, axis: Axis | undefined): number =>
  sizeOf(axesFromEnd(axis, x.rank, name).map(a => x.shape[x.rank + a]!))

/** x², and x·x in whole numbers. */
export function square(x: Tensor): Tensor {
  checkTensors('square', [x])
  return x.dtype === 'i32' ? mul(x, x) : pow(x, 2)
}

/** √x with derivative 0 where x = 0, where the slope is infinite. */
function rootOf(x: Tensor): Tensor {
  const zero = equal(stopGradient(x), 0)
  return where(zero, 0, sqrt(where(zero, 1, x)))
}

/** n − correction, of n elements. */
function degreesOf(name: string, x: Tensor, axis: Axis | undefined, correction: number): number {
  if (!(correction >= 0)) throw new RangeError(`${name}: correction is at least 0, got ${shown(correction)}`)
  return Math.max(0, countOf(name, x, axis) - correction)
}

/** x less its mean. That mean is rounded: where it is large beside the deviations, the mean of these counts too. */
export function deviations(x: Tensor, axis: Axis | undefined): Tensor {
  const d = sub(x, mean(x, axis, true))
  return sub(d, mean(d, axis, true))
}

/** Variance over `axis` (one, several, or by default all): Σ (x − mean)²/(n − correction). Correction 0 (default) as in NumPy, 1
 *  as in PyTorch. NaN of nothing. */
export function variance(x: Tensor, axis?: Axis, keepdims = false, correction = 0): Tensor {
  checkReals('variance', [x])
  const n = degreesOf('variance', x, axis, correction)
  return div(sumSquares(deviations(x, axis), axis, keepdims), n)
}

/** Standard deviation, the root of `variance`, which overflows only where the result does; its derivative is 0 where all elements
 *  are equal. */
export function std(x: Tensor, axis?: Axis, keepdims = false, correction = 0): Tensor {
  checkReals('std', [x])
  const n = degreesOf('std', x, axis, correction)
  return euclidean(deviations(x, axis), axis, keepdims, Math.sqrt(n))
}

/**
 * Vector norm over `axis` (one, several, or by default all): (Σ |x|^p)^(1/p), p = 2 by default, 1, any other p > 0, Infinity for the
 * largest |x|, −Infinity for the smallest, 0 for how many are not 0. Scaled by the largest |x|, so that it overflows only where
 * the result does. The derivative where all elements are 0 is 0. Throws ShapeError for the extreme of nothing.
 */
export function norm(x: Tensor, axis?: Axis, keepdims = false, p = 2): Tensor {
  checkReals('norm', [x])
  if (!(p >= 0 || p === -Infinity)) throw new RangeError(`norm: p is at least 0, or −Infinity, got ${shown(p)}`)
  if (p === Infinity) return max(abs(x), axis, keepdims)
  if (p === -Infinity) return min(abs(x), axis, keepdims)
  if (p === 0) return sum(notEqual(x, 0), axis, keepdims)
  if (p === 1 || countOf('norm', x, axis) === 0) return sum(abs(x), axis, keepdims)
  if (p === 2) return euclidean(x, axis, keepdims, 1)
  const { scaled, back } = relative(x, axis, keepdims)
  const powers = sum(pow(abs(scaled), p), axis, keepdims)
  const zero = equal(stopGradient(powers), 0)
  return mul(where(zero, 0, pow(where(zero, 1, powers), 1 / p)), back)
}

/** √Σx² over a number, of which neither the sum nor the root leaves the range where the quotient does not. */
function euclidean(x: Tensor, axis: Axis | undefined, keepdims: boolean, over: number): Tensor {
  if (countOf('norm', x, axis) === 0) return div(sum(x, axis, keepdims), over)
  const { scaled, back } = relative(x, axis, keepdims)
  const root = rootOf(sumSquares(scaled, axis, keepdims))
  return mul(over === 1 ? root : div(root, over), back)
}

/** x over its largest |x|, and that, of the shape of the reduction. */
function relative(x: Tensor, axis: Axis | undefined, keepdims: boolean) {
  const largest = max(abs(stopGradient(x)), axis, true)
  // Zeros, infinities and NaN have no scale: they are their own norm.
  const scale = where(mul(finite(largest), notEqual(largest, 0)), largest, 1)
  return { scaled: div(x, scale), back: keepdims ? scale : sum(scale, axis) }
}

/** log Σ exp(x) over `axis` (one, several, or by default all), shifted by the maximum so that nothing overflows; of nothing
 *  −Infinity. */
export function logsumexp(x: Tensor, axis?: Axis, keepdims = false): Tensor {
  checkTensors('logsumexp', [x])
  if (x.dtype === 'i32')
    throw new ShapeError({ name: 'logsumexp', signature: '[...] -> [...]' }, [x], 'dtype must be f32 or f64')
  if (countOf('logsumexp', x, axis) === 0) return log(sum(exp(x), axis, keepdims))
  const frozen = stopGradient(x)
  const largest = max(frozen, axis, true)
  const numbers = finite(largest)
  const level = where(numbers, largest, 0)
  // Where one term outweighs all others, relative to it in derivatives too: the changes of the others are the whole derivative.
  const sharp = mul(numbers, less(sum(exp(sub(frozen, level)), axis, true), 2))
  const shift = where(sharp, max(x, axis, true), level)
  return add(log(sum(exp(sub(x, shift)), axis, keepdims)), keepdims ? shift : sum(shift, axis))
}
