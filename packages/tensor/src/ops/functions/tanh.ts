import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { less } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { where } from '../structure/where.js'
import { abs } from './abs.js'
import { elementwise, quotient } from './elementwise.js'
import { exp } from './exp.js'

/** tanh′ x = 1 − y², whose derivatives keep their digits near 0; where y rounds to ±1, 4e/(1 + e)² for e = exp(−2|x|). */
export function tanhSlope(x: Tensor, y = tanh(x)): Tensor {
  const size = abs(x)
  const e = exp(mul(size, -2))
  const both = add(e, 1)
  return where(less(size, 1), sub(1, mul(y, y)), mul(div(e, mul(both, both)), 4))
}

export const tanhOp = elementwise({
  name: 'tanh',
  map: 'tanh',
  grad: 'tanh',
  derivative: tanhSlope,
  recurrence: 'tanh',
  secant: (x, y) => quotient(y, x, 1),
})

/** Hyperbolic tangent */
export function tanh(x: Tensor): Tensor {
  return apply(tanhOp, [x], undefined)
}
