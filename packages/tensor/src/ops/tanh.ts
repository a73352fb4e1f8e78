import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { elementwise, quotient } from './elementwise.js'
import { mul } from './mul.js'
import { sub } from './sub.js'

export const tanhOp = elementwise({
  name: 'tanh',
  map: 'tanh',
  grad: 'tanh',
  derivative: (_, y) => sub(1, mul(y, y)),
  recurrence: 'tanh',
  secant: (x, y) => quotient(y, x, 1),
})

/** Hyperbolic tangent */
export function tanh(x: Tensor): Tensor {
  return apply(tanhOp, [x], undefined)
}
