import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { elementwise, quotient } from './elementwise.js'

export const expm1Op = elementwise({
  name: 'expm1',
  map: 'expm1',
  derivative: (_, y) => add(y, 1),
  secant: (x, y) => quotient(y, x, 1),
})

/** eˣ − 1, accurate near 0 */
export function expm1(x: Tensor): Tensor {
  return apply(expm1Op, [x], undefined)
}
