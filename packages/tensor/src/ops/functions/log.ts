import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { elementwise } from './elementwise.js'
import { reciprocal } from './reciprocal.js'

export const logOp = elementwise({
  name: 'log',
  map: 'log',
  derivative: x => reciprocal(x),
  recurrence: 'log',
  secant: 'log is infinite at 0',
})

/** Natural logarithm; −Inf at 0, NaN below */
export function log(x: Tensor): Tensor {
  return apply(logOp, [x], undefined)
}
