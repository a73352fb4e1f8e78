import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { elementwise } from './elementwise.js'
import { sigmoid } from './sigmoid.js'

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
