import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { elementwise } from './elementwise.js'
import { mul } from './mul.js'
import { neg } from './neg.js'

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
