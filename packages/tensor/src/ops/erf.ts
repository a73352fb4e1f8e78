import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { elementwise, quotient } from './elementwise.js'
import { exp } from './exp.js'
import { mul } from './mul.js'
import { neg } from './neg.js'

export const erfOp = elementwise({
  name: 'erf',
  map: 'erf',
  derivative: x => mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)),
  recurrence: 'erf',
  secant: (x, y) => quotient(y, x, 2 / Math.sqrt(Math.PI)),
})

/** Error function */
export function erf(x: Tensor): Tensor {
  return apply(erfOp, [x], undefined)
}
