import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { elementwise, quotient } from './elementwise.js'
import { tanh } from './tanh.js'

export const sigmoidOp = elementwise({
  name: 'sigmoid',
  map: 'sigmoid',
  grad: 'sigmoid',
  derivative: (_, y) => mul(y, sub(1, y)),
  recurrence: 'sigmoid',
  // σ(x) − ½ = ½ tanh(x/2), without cancellation
  secant: x => quotient(mul(tanh(mul(x, 0.5)), 0.5), x, 0.25),
  atZero: 0.5,
})

/** 1/(1 + e⁻ˣ) */
export function sigmoid(x: Tensor): Tensor {
  return apply(sigmoidOp, [x], undefined)
}
