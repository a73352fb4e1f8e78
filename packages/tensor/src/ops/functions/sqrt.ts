import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { div } from '../arithmetic/div.js'
import { elementwise } from './elementwise.js'

export const sqrtOp = elementwise({
  name: 'sqrt',
  map: 'sqrt',
  derivative: (_, y) => div(0.5, y),
  recurrence: 'sqrt',
  secant: 'the slope of sqrt at 0 is infinite',
})

/** Square root; NaN below 0 */
export function sqrt(x: Tensor): Tensor {
  return apply(sqrtOp, [x], undefined)
}
