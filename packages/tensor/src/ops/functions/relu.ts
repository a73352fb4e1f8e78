import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { step } from '../arithmetic/sign.js'
import { elementwise } from './elementwise.js'

export const reluOp = elementwise({
  name: 'relu',
  map: 'relu',
  grad: 'relu',
  derivative: x => step(x),
  slope: x => step(x),
  secant: x => step(x),
})

/** max(x, 0) */
export function relu(x: Tensor): Tensor {
  return apply(reluOp, [x], undefined)
}
