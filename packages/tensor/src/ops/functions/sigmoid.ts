import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { abs } from './abs.js'
import { elementwise, quotient } from './elementwise.js'
import { expm1 } from './exp.js'
import { tanhSlope } from './tanh.js'

/** σ′ x = σ(x) σ(−x) = ¼ tanh′(x/2) */
export function sigmoidSlope(x: Tensor): Tensor {
  return mul(tanhSlope(mul(x, 0.5)), 0.25)
}

export const sigmoidOp = elementwise({
  name: 'sigmoid',
  map: 'sigmoid',
  grad: 'sigmoid',
  derivative: sigmoidSlope,
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
