import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { greater, less } from '../arithmetic/compare.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { sub } from '../arithmetic/sub.js'
import { where } from '../structure/where.js'
import { abs } from './abs.js'
import { elementwise, quotient } from './elementwise.js'
import { reciprocal } from './reciprocal.js'
import { rsqrt } from './rsqrt.js'

/** asin′ x = 1/√(1 − x²); as (1 − x)(1 + x) without cancellation near ±1, and as 1 − x² in its derivatives near 0 */
const slope = (x: Tensor) => rsqrt(where(less(abs(x), 0.5), sub(1, mul(x, x)), mul(sub(1, x), add(x, 1))))

export const asinOp = elementwise({
  name: 'asin',
  map: 'asin',
  derivative: slope,
  secant: (x, y) => quotient(y, x, 1),
})

/** Arcsine in radians, −π/2 to π/2; NaN beyond ±1 */
export function asin(x: Tensor): Tensor {
  return apply(asinOp, [x], undefined)
}

export const acosOp = elementwise({
  name: 'acos',
  map: 'acos',
  derivative: x => neg(slope(x)),
  // acos x − π/2 = −asin x
  secant: x => neg(quotient(asin(x), x, 1)),
  atZero: Math.PI / 2,
})

/** Arccosine in radians, 0 to π; NaN beyond ±1 */
export function acos(x: Tensor): Tensor {
  return apply(acosOp, [x], undefined)
}

export const atanOp = elementwise({
  name: 'atan',
  map: 'atan',
  // 1/(1 + x²); with r = 1/x beyond ±1, r²/(1 + r²), whose derivatives at ±∞ are no ∞·0
  derivative(x) {
    const far = greater(abs(x), 1)
    const r = where(far, reciprocal(where(far, x, 1)), x)
    const square = mul(r, r)
    const near = reciprocal(add(square, 1))
    return where(far, mul(near, square), near)
  },
  secant: (x, y) => quotient(y, x, 1),
})

/** Arctangent in radians, −π/2 to π/2 */
export function atan(x: Tensor): Tensor {
  return apply(atanOp, [x], undefined)
}
