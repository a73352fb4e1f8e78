import * as reference from '@unravel/kernels/reference'
import { Expansion } from '../../autodiff/series.js'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { atFreshLevel } from '../../core/levels.js'
import { apply, checkTensors, commonDType } from '../../core/op.js'
import { fromEnd } from '../../core/shape.js'
import { allocate, type Binary, type Op, type Tensor, type Unary } from '../../core/tensor.js'
import { greater } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { max } from '../arithmetic/max.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { padded } from '../structure/concat.js'
import { stopGradient } from '../structure/stopGradient.js'
import { sum } from '../structure/sum.js'
import { swapAxes } from '../structure/transpose.js'
import { where } from '../structure/where.js'
import { exp } from './exp.js'
import { gradOverRows, overRows, rowsOf } from './rows.js'

/** The largest element of each row, by which rows are shifted so that nothing overflows. An empty row has none, and is not
 *  shifted. */
export const largest = (x: Tensor): Tensor | number => (x.shape[x.rank - 1] === 0 ? 0 : max(x, -1, true))

export const softmaxOp: Op<void, Unary> = {
  ...overRows('softmax', reference.softmax),
  vjp: ({ output }, c) => [apply(softmaxGradOp, [output, c], undefined)],
  series: ([x], _, at) => at.series(apply(softmaxSeriesOp, [at.stack(x)], { orders: at.order + 1 })),
  gate: 'in scaledDotProductAttention the pattern is frozen',
}

/** ȳ ↦ y ⊙ (ȳ − Σ ȳ y), under leading axes of ȳ. */
export const softmaxGradOp: Op<void, Binary> = {
  ...gradOverRows('softmaxGrad', reference.softmaxGrad),
  gate: 'it is used by derivatives only',
  body([y, c]) {
    // Cotangents relative to that of m, y_m > ½: where y_m rounds to 1, those of the others are the whole result.
    const chosen = greater(stopGradient(y), 0.5)
    const d = where(chosen, 0, sub(c, sum(where(chosen, c, 0), -1, true)))
    return mul(y, sub(d, sum(mul(d, y), -1, true)))
  },
}

export const softmaxSeriesOp: Op<{ orders: number }, Unary> = {
  name: 'softmaxSeries',
  signature: '[p,...,n] -> [orders,...,n]',
  infer(inputs, { orders }) {
    const x = inputs[0]
    if (x.rank < 2 || x.shape[0] === 0) throw new ShapeError(softmaxSeriesOp, inputs, 'a stack of at least one order')
    return { shape: [orders, ...x.shape.slice(1)], dtype: commonDType(softmaxSeriesOp, inputs) }
  },
  run([x], { orders }, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'softmax')
    kernelOf(x.backend, 'seriesSoftmax', reference.seriesSoftmax)(
      orders,
      ...rowsOf(type.shape.slice(1)),
      x.buffer,
      out.buffer,
    )
    return out
  },
  body: ([x], { orders }) =>
    atFreshLevel(level => {
      const at = new Expansion(level, orders - 1)
      const shifted = sub(at.series(x), largest(at.series(x)))
      const e = exp(shifted)
      return padded(at.stack(div(e, sum(e, -1, true))), orders)
    }),
  gate: 'it is used by Taylor rules only',
}

/** exp(x) / Σ exp(x) along `axis`, shifted by the maximum so that nothing overflows. */
export function softmax(x: Tensor, axis = -1): Tensor {
  checkTensors('softmax', [x])
  const at = fromEnd(axis, x.rank, 'softmax')
  return at === -1 ? apply(softmaxOp, [x], undefined) : swapAxes(softmax(swapAxes(x, at, -1)), at, -1)
}
