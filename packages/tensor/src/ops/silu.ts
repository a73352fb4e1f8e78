import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { add } from './add.js'
import { elementwise } from './elementwise.js'
import { mul } from './mul.js'
import { sigmoid } from './sigmoid.js'
import { sub } from './sub.js'

export const siluOp = elementwise({
  name: 'silu',
  map: 'silu',
  // σ + x σ (1 − σ)
  derivative(x) {
    const s = sigmoid(x)
    return add(s, mul(x, mul(s, sub(1, s))))
  },
  taylor: x => mul(x, sigmoid(x)),
  secant: x => sigmoid(x),
})

/** SiLU, x σ(x) */
export function silu(x: Tensor): Tensor {
  return apply(siluOp, [x], undefined)
}
