import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { elementwise, quotient } from './elementwise.js'
import { sigmoid } from './sigmoid.js'

export const tanhOp = elementwise({
  name: 'tanh',
  map: 'tanh',
  grad: 'tanh',
  // 1 − y² = 1/cosh² x = 4 σ(2x) σ(−2x)
  derivative: x => mul(mul(sigmoid(mul(x, 2)), sigmoid(mul(x, -2))), 4),
  recurrence: 'tanh',
  secant: (x, y) => quotient(y, x, 1),
})

/** Hyperbolic tangent */
export function tanh(x: Tensor): Tensor {
  return apply(tanhOp, [x], undefined)
}
