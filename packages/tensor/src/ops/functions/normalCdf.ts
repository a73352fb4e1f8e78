import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { elementwise, quotient, slopeOf, within } from './elementwise.js'
import { erf } from './erf.js'

export const normalDensityOp = elementwise({
  name: 'normalDensity',
  map: slopeOf('normalCdf'),
  derivative: (x, y) => mul(within(x, 40), neg(y)),
  secant: 'it is used by derivatives only',
})

/** Φ′(x), the normal density */
export const normalDensity = (x: Tensor): Tensor => apply(normalDensityOp, [x], undefined)

export const normalCdfOp = elementwise({
  name: 'normalCdf',
  map: 'normalCdf',
  grad: 'normalCdf',
  derivative: x => normalDensity(x),
  recurrence: 'normalCdf',
  secant: x => quotient(mul(erf(mul(x, Math.SQRT1_2)), 0.5), x, 1 / Math.sqrt(2 * Math.PI)),
  atZero: 0.5,
})

/** Φ(x) = ½ erfc(−x/√2), the distribution function of the normal distribution */
export function normalCdf(x: Tensor): Tensor {
  return apply(normalCdfOp, [x], undefined)
}
