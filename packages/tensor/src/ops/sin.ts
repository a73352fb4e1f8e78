import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { cos, sinCos } from './cos.js'
import { elementwise, quotient } from './elementwise.js'

export const sinOp = elementwise({
  name: 'sin',
  map: 'sin',
  derivative: x => cos(x),
  recurrence: (...args) => sinCos(...args, 'sin'),
  secant: (x, y) => quotient(y, x, 1),
})

/** Sine of x in radians */
export function sin(x: Tensor): Tensor {
  return apply(sinOp, [x], undefined)
}
