import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { abs } from './abs.js'
import { elementwise, quotient } from './elementwise.js'
import { expm1 } from './exp.js'
import { log1p } from './log1p.js'
import { relu } from './relu.js'
import { sigmoid } from './sigmoid.js'

export const softplusOp = elementwise({
  name: 'softplus',
  map: 'softplus',
  derivative: x => sigmoid(x),
  recurrence: 'softplus',
  // log(1 + eˣ) − log 2 = max(x, 0) + log1p(expm1(−|x|)/2), without cancellation
  secant: x => quotient(add(relu(x), log1p(mul(expm1(neg(abs(x))), 0.5))), x, 0.5),
  atZero: Math.LN2,
})

/** log(1 + eˣ) */
export function softplus(x: Tensor): Tensor {
  return apply(softplusOp, [x], undefined)
}
