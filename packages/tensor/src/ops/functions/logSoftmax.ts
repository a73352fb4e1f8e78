import * as reference from '@unravel/kernels/reference'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, commonDType } from '../../core/op.js'
import { endsWith, fromEnd, sizeOf } from '../../core/shape.js'
import { allocate, type Binary, type Op, type Tensor, type Unary } from '../../core/tensor.js'
import { greater } from '../arithmetic/compare.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { stopGradient } from '../structure/stopGradient.js'
import { sum } from '../structure/sum.js'
import { swapAxes } from '../structure/transpose.js'
import { where } from '../structure/where.js'
import { exp } from './exp.js'
import { log } from './log.js'
import { largest, rowsOf } from './softmax.js'

export const logSoftmaxOp: Op<void, Unary> = {
  name: 'logSoftmax',
  signature: '[...,n] -> [...,n]',
  infer(inputs) {
    if (inputs[0].rank === 0) throw new ShapeError(logSoftmaxOp, inputs)
    return { shape: inputs[0].shape, dtype: commonDType(logSoftmaxOp, inputs) }
  },
  run([x], _, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'logSoftmax')
    kernelOf(x.backend, 'logSoftmax', reference.logSoftmax)(...rowsOf(type.shape), x.buffer, out.buffer)
    return out
  },
  vjp: ({ output }, c) => [apply(logSoftmaxGradOp, [output, c], undefined)],
  gate: 'logits are the last path-valued quantity; take path sums of the logits',
  body: viaExp,
}

function viaExp([x]: Unary): Tensor {
  // Relative to the largest, derivatives too: where its probability rounds to 1, what the others change is all there is.
  const shifted = sub(x, largest(x))
  return sub(shifted, log(sum(exp(shifted), -1, true)))
}

/** ȳ ↦ ȳ − exp(y) Σ ȳ, under leading axes of ȳ. */
export const logSoftmaxGradOp: Op<void, Binary> = {
  name: 'logSoftmaxGrad',
  signature: '[...,n], [...,n] -> [...,n]',
  infer(inputs) {
    const [y, c] = inputs
    if (y.rank === 0 || !endsWith(c.shape, y.shape)) throw new ShapeError(logSoftmaxGradOp, inputs)
    return { shape: c.shape, dtype: commonDType(logSoftmaxGradOp, inputs) }
  },
  run([y, c], _, type) {
    const out = allocate(y.backend, type.shape, type.dtype, 'logSoftmaxGrad')
    const lead = sizeOf(c.shape.slice(0, c.rank - y.rank))
    kernelOf(y.backend, 'logSoftmaxGrad', reference.logSoftmaxGrad)(
      lead,
      ...rowsOf(y.shape),
      y.buffer,
      c.buffer,
      out.buffer,
    )
    return out
  },
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
  const at = fromEnd(axis, x.rank, 'logSoftmax')
  return at === -1 ? apply(logSoftmaxOp, [x], undefined) : swapAxes(logSoftmax(swapAxes(x, at, -1)), at, -1)
}
