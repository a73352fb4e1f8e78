import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { elementwise, quotient, slopeOf, within } from './elementwise.js'

/** 2/√π exp(−x²) */
export const erfSlopeOp = elementwise({
  name: 'erfSlope',
  map: slopeOf('erf'),
  derivative: (x, y) => mul(mul(within(x, 40), y), -2),
  secant: 'it is used by derivatives only',
})

export const erfOp = elementwise({
  name: 'erf',
  map: 'erf',
  grad: 'erf',
  derivative: x => apply(erfSlopeOp, [x], undefined),
  recurrence: 'erf',
  secant: (x, y) => quotient(y, x, 2 / Math.sqrt(Math.PI)),
})

/** Error function */
export function erf(x: Tensor): Tensor {
  return apply(erfOp, [x], undefined)
}
