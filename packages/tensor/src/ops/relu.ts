import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { elementwise } from './elementwise.js'
import { mul } from './mul.js'
import { step } from './step.js'

export const reluOp = elementwise({
  name: 'relu',
  map: 'relu',
  grad: 'relu',
  derivative: x => step(x),
  taylor: x => mul(x, step(x)),
  secant: x => step(x),
})

/** max(x, 0) */
export function relu(x: Tensor): Tensor {
  return apply(reluOp, [x], undefined)
}
