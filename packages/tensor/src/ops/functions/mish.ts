import { apply, checkReals } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { greater } from '../arithmetic/compare.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { sign } from '../arithmetic/sign.js'
import { sub } from '../arithmetic/sub.js'
import { where } from '../structure/where.js'
import { abs } from './abs.js'
import { composite, gatedUnit } from './composite.js'
import { reciprocal } from './reciprocal.js'
import { softplus } from './softplus.js'
import { tanh } from './tanh.js'

const gate = (x: Tensor) => tanh(softplus(x))

export const mishOp = composite({ name: 'mish', body: x => gatedUnit(x, gate, 800), secant: gate })

/** x tanh(log(1 + eˣ)) */
export function mish(x: Tensor): Tensor {
  return apply(mishOp, [x], undefined)
}

/** log σ(x), without overflow */
export function logSigmoid(x: Tensor): Tensor {
  checkReals('logSigmoid', [x])
  return neg(softplus(neg(x)))
}

/** 1/(1 + |x|), the secant of softsign */
const share = (x: Tensor) => reciprocal(add(abs(x), 1))

export const softsignOp = composite({
  name: 'softsign',
  // x r, and beyond ±1 ±(1 − r), whose derivatives are those of r = 1/(1 + |x|) alone
  body(x) {
    const [r, far] = [share(x), greater(abs(x), 1)]
    return where(far, mul(sign(x), sub(1, r)), mul(where(far, 0, x), r))
  },
  secant: share,
})

/** x/(1 + |x|) */
export function softsign(x: Tensor): Tensor {
  return apply(softsignOp, [x], undefined)
}
