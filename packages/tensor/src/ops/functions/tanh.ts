import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { elementwise, quotient } from './elementwise.js'

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
