import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { elementwise, quotient } from './elementwise.js'
import { exp } from './exp.js'

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
