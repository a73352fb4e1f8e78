import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { elementwise, quotient } from './elementwise.js'
import { reciprocal } from './reciprocal.js'

export const log1pOp = elementwise({
  name: 'log1p',
  map: 'log1p',
  derivative: x => reciprocal(add(x, 1)),
  recurrence: 'log1p',
  secant: (x, y) => quotient(y, x, 1),
})

/** log(1 + x), accurate near 0 */
export function log1p(x: Tensor): Tensor {
  return apply(log1pOp, [x], undefined)
}
