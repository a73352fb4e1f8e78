import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { div } from '../arithmetic/div.js'
import { maximum } from '../arithmetic/maximum.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { abs } from './abs.js'
import { composite } from './composite.js'
import { softplus } from './softplus.js'
import { tanh } from './tanh.js'

const gate = (x: Tensor) => tanh(softplus(x))

// Below −800 the gate is 0 in f64: there it meets no −∞.
export const mishOp = composite({ name: 'mish', body: x => mul(maximum(x, -800), gate(x)), secant: gate })

/** x tanh(log(1 + eˣ)) */
export function mish(x: Tensor): Tensor {
  return apply(mishOp, [x], undefined)
}

/** log σ(x), without overflow */
export const logSigmoid = (x: Tensor): Tensor => neg(softplus(neg(x)))

/** x/(1 + |x|) */
export const softsign = (x: Tensor): Tensor => div(x, add(abs(x), 1))
