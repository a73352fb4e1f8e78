import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { elementwise, quotient } from './elementwise.js'

export const expOp = elementwise({
  name: 'exp',
  map: 'exp',
  grad: 'exp',
  derivative: (_, y) => y,
  recurrence: 'exp',
  secant: x => quotient(expm1(x), x, 1),
  atZero: 1,
})

/** eˣ */
export function exp(x: Tensor): Tensor {
  return apply(expOp, [x], undefined)
}

export const expm1Op = elementwise({
  name: 'expm1',
  map: 'expm1',
  // y + 1 would lose what y rounded to −1.
  derivative: x => exp(x),
  recurrence: 'expm1',
  secant: (x, y) => quotient(y, x, 1),
})

/** eˣ − 1, accurate near 0 */
export function expm1(x: Tensor): Tensor {
  return apply(expm1Op, [x], undefined)
}
