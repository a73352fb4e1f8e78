import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { abs } from './abs.js'
import { elementwise, quotient } from './elementwise.js'
import { expm1 } from './exp.js'

export const sigmoidOp = elementwise({
  name: 'sigmoid',
  map: 'sigmoid',
  grad: 'sigmoid',
  // y (1 − y)
  derivative: (x, y) => mul(y, sigmoid(neg(x))),
  recurrence: 'sigmoid',
  // (σ(x) − ½)/x is even, and σ(a) − ½ = −½ (e⁻ᵃ − 1) σ(a), without cancellation
  secant(x) {
    const a = abs(x)
    return quotient(mul(mul(expm1(neg(a)), sigmoid(a)), -0.5), a, 0.25)
  },
  atZero: 0.5,
})

/** 1/(1 + e⁻ˣ) */
export function sigmoid(x: Tensor): Tensor {
  return apply(sigmoidOp, [x], undefined)
}
