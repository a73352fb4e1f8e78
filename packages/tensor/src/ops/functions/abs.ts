import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { sign } from '../arithmetic/sign.js'
import { elementwise } from './elementwise.js'

export const absOp = elementwise({
  name: 'abs',
  map: 'abs',
  derivative: x => sign(x),
  slope: x => sign(x),
  secant: x => sign(x),
})

/** |x| */
export function abs(x: Tensor): Tensor {
  return apply(absOp, [x], undefined)
}
