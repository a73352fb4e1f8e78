import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mul } from '../arithmetic/mul.js'
import { elementwise, within } from './elementwise.js'
import { sigmoid, sigmoidSlope } from './sigmoid.js'

const SLOPE = Math.sqrt(2 / Math.PI)
const CUBIC = 0.044715

/** 2u, u = √(2/π)(x + 0.044715 x³) */
const twice = (x: Tensor): Tensor => mul(mul(x, add(mul(mul(x, x), CUBIC), 1)), 2 * SLOPE)
/** ½ (1 + tanh u) = σ(2u) */
const gate = (x: Tensor): Tensor => sigmoid(twice(x))

export const geluTanhOp = elementwise({
  name: 'geluTanh',
  map: 'geluTanh',
  grad: 'geluTanh',
  // σ(2u) + x 2u′ σ′(2u)
  derivative(x) {
    const near = within(x, 100)
    const u = twice(near)
    const du = add(mul(mul(near, near), 6 * CUBIC * SLOPE), 2 * SLOPE)
    return add(sigmoid(u), mul(near, mul(sigmoidSlope(u), du)))
  },
  recurrence: 'geluTanh',
  secant: x => gate(x),
})

/** GELU in its tanh approximation, ½ x (1 + tanh(√(2/π)(x + 0.044715 x³))) */
export function geluTanh(x: Tensor): Tensor {
  return apply(geluTanhOp, [x], undefined)
}
