import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { elementwise } from './elementwise.js'
import { mul } from './mul.js'
import { sign } from './sign.js'

export const absOp = elementwise({
  name: 'abs',
  map: 'abs',
  derivative: x => sign(x),
  taylor: x => mul(x, sign(x)),
  secant: x => sign(x),
})

/** |x| */
export function abs(x: Tensor): Tensor {
  return apply(absOp, [x], undefined)
}
