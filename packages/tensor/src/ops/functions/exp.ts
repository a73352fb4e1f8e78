import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { elementwise, quotient } from './elementwise.js'
import { expm1 } from './expm1.js'

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
