import * as reference from '@unravel/kernels/reference'
import { apply, checkTensors } from '../../core/op.js'
import { fromEnd } from '../../core/shape.js'
import type { Binary, Op, Tensor, Unary } from '../../core/tensor.js'
import { greater } from '../arithmetic/compare.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { stopGradient } from '../structure/stopGradient.js'
import { sum } from '../structure/sum.js'
import { swapAxes } from '../structure/transpose.js'
import { where } from '../structure/where.js'
import { exp } from './exp.js'
import { log } from './log.js'
import { gradOverRows, overRows } from './rows.js'
import { largest } from './softmax.js'

export const logSoftmaxOp: Op<void, Unary> = {
  ...overRows('logSoftmax', reference.logSoftmax),
  vjp: ({ output }, c) => [apply(logSoftmaxGradOp, [output, c], undefined)],
  gate: 'logits are the last path-valued quantity; take path sums of the logits',
  body: viaExp,
}

function viaExp([x]: Unary): Tensor {
  // Relative to the largest, derivatives too: where its probability rounds to 1, the changes of the others are the whole derivative.
  const shifted = sub(x, largest(x))
  return sub(shifted, log(sum(exp(shifted), -1, true)))
}

/** ȳ ↦ ȳ − exp(y) Σ ȳ, under leading axes of ȳ. */
export const logSoftmaxGradOp: Op<void, Binary> = {
  ...gradOverRows('logSoftmaxGrad', reference.logSoftmaxGrad),
  gate: 'it is used by derivatives only',
  body([y, c]) {
    const p = exp(y)
    const chosen = greater(stopGradient(y), -Math.LN2)
    const without = (t: Tensor) => sum(where(chosen, 0, t), -1, true)
    // ȳ_m − p_m Σ ȳ for p_m > ½, with 1 − p_m as the sum of the other probabilities
    const own = sub(mul(c, without(p)), mul(p, without(c)))
    return where(chosen, own, sub(c, mul(sum(c, -1, true), p)))
  },
}

/** x − log Σ exp(x) along `axis`, shifted by the maximum so that nothing overflows. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  checkTensors('logSoftmax', [x])
  const at = fromEnd(axis, x.rank, 'logSoftmax')
  return at === -1 ? apply(logSoftmaxOp, [x], undefined) : swapAxes(logSoftmax(swapAxes(x, at, -1)), at, -1)
}
