import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mul } from '../arithmetic/mul.js'
import { elementwise, within } from './elementwise.js'
import { sigmoid, sigmoidSlope } from './sigmoid.js'

export const siluOp = elementwise({
  name: 'silu',
  map: 'silu',
  grad: 'silu',
  // σ(x) + x σ′(x)
  derivative: x => add(sigmoid(x), mul(within(x, 800), sigmoidSlope(x))),
  recurrence: 'silu',
  secant: x => sigmoid(x),
})

/** SiLU, x σ(x) */
export function silu(x: Tensor): Tensor {
  return apply(siluOp, [x], undefined)
}
