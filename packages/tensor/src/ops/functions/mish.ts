import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { equal } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { neg } from '../arithmetic/neg.js'
import { sign } from '../arithmetic/sign.js'
import { where } from '../structure/where.js'
import { abs } from './abs.js'
import { composite, gatedUnit } from './composite.js'
import { softplus } from './softplus.js'
import { tanh } from './tanh.js'

const gate = (x: Tensor) => tanh(softplus(x))

export const mishOp = composite({ name: 'mish', body: x => gatedUnit(x, gate, 800), secant: gate })

/** x tanh(log(1 + eˣ)) */
export function mish(x: Tensor): Tensor {
  return apply(mishOp, [x], undefined)
}

/** log σ(x), without overflow */
export const logSigmoid = (x: Tensor): Tensor => neg(softplus(neg(x)))

/** x/(1 + |x|) */
export function softsign(x: Tensor): Tensor {
  const infinite = equal(abs(x), Infinity)
  const finite = where(infinite, 0, x)
  return where(infinite, sign(x), div(finite, add(abs(finite), 1)))
}
