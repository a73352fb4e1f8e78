import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { elementwise } from './elementwise.js'
import { sigmoid } from './sigmoid.js'

const SLOPE = Math.sqrt(2 / Math.PI)
const CUBIC = 0.044715

/** ½ (1 + tanh u) = σ(2u), u = √(2/π)(x + 0.044715 x³) */
const gate = (x: Tensor): Tensor => sigmoid(mul(mul(x, add(mul(mul(x, x), CUBIC), 1)), 2 * SLOPE))

export const geluTanhOp = elementwise({
  name: 'geluTanh',
  map: 'geluTanh',
  // gate + x gate′, with gate = σ(2u) and gate′ = 2 u′ gate (1 − gate)
  derivative(x) {
    const g = gate(x)
    const du = add(mul(mul(x, x), 3 * CUBIC * SLOPE), SLOPE)
    return add(g, mul(x, mul(mul(g, sub(1, g)), mul(du, 2))))
  },
  taylor: x => mul(x, gate(x)),
  secant: x => gate(x),
})

/** GELU in its tanh approximation, ½ x (1 + tanh(√(2/π)(x + 0.044715 x³))) */
export function geluTanh(x: Tensor): Tensor {
  return apply(geluTanhOp, [x], undefined)
}
