import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { elementwise } from './elementwise.js'

export const reciprocalOp = elementwise({
  name: 'reciprocal',
  map: 'reciprocal',
  derivative: (_, y) => neg(mul(y, y)),
  recurrence: 'reciprocal',
  secant: '1/x is infinite at 0',
})

/** 1/x */
export function reciprocal(x: Tensor): Tensor {
  return apply(reciprocalOp, [x], undefined)
}
