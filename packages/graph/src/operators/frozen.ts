import { affine, exp, logSoftmax, logsumexp, matmul, mul, softmax, sub, type Tensor } from '@unravel/tensor'
import { apply, type Binary, type Op, type Unary } from '@unravel/tensor/internals'
import { broadcastShape } from '../host.js'

// A product of two values that both carry paths has no canonical gate. In a network that a file brings, one factor is frozen,
// which one a documented rule says; to every other interpreter these ops are what they stand for.

const shapes = {
  mul: (a: Tensor, b: Tensor) => broadcastShape([a.shape, b.shape]),
  matmul: (a: Tensor, b: Tensor) => [
    ...broadcastShape([a.shape.slice(0, -2), b.shape.slice(0, -2)]),
    a.shape[a.rank - 2]!,
    b.shape[b.rank - 1]!,
  ],
}
const products = { mul, matmul: (a: Tensor, b: Tensor) => matmul(a, b) }

interface Frozen {
  readonly product: 'mul' | 'matmul'
  readonly factor: 0 | 1
}

const frozenProductOp: Op<Frozen, Binary> = {
  name: 'frozenProduct',
  signature: '[...], [...] -> [...]',
  infer: ([a, b], { product }) => ({ shape: shapes[product](a, b), dtype: a.dtype }),
  run: ([a, b], { product }) => products[product](a, b) as never,
  body: ([a, b], { product }) => products[product](a, b),
  // The factor is frozen at the run, unless paths run through it alone.
  gate([a, b], { product, factor }, at) {
    const both = at.has(a) && at.has(b)
    if (!both) return products[product](a, b)
    return factor === 0 ? products[product](at.value(a), b) : products[product](a, at.value(b))
  },
}

/** a·b, or the matrix product, whose gate freezes one factor. */
export const frozenProduct = (product: 'mul' | 'matmul', a: Tensor, b: Tensor, factor: 0 | 1 = 0): Tensor =>
  product === 'matmul' && (a.rank < 2 || b.rank < 2)
    ? matmul(a, b)
    : apply(frozenProductOp, [a, b], { product, factor })

const frozenOp: Op<void, Unary> = {
  name: 'frozen',
  signature: '[...] -> [...]',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  run: ([x]) => affine(x, 1, 0) as never,
  body: ([x]) => x,
  gate: ([x], _, at) => at.value(x),
}

/** x, a constant to paths. */
export const frozen = (x: Tensor): Tensor => apply(frozenOp, [x], undefined)

const patternOp: Op<{ axis: number }, Unary> = {
  name: 'attendedPattern',
  signature: '[...] -> [...]',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  run: ([x], { axis }) => softmax(x, axis) as never,
  body: ([x], { axis }) => softmax(x, axis),
  // The pattern of the run is frozen, as in scaledDotProductAttention.
  gate: ([x], { axis }, at) => softmax(at.value(x), axis),
}

/** softmax(scores) along an axis, a constant to paths. */
export const attendedPattern = (scores: Tensor, axis: number): Tensor =>
  apply(patternOp, [scores], { axis: axis < 0 ? axis : axis - scores.rank })

const logShareOp: Op<{ axis: number }, Unary> = {
  name: 'logShare',
  signature: '[...] -> [...]',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  run: ([x], { axis }) => logSoftmax(x, axis) as never,
  body: ([x], { axis }) => logSoftmax(x, axis),
  gate: ([x], { axis }, at) => sub(x, logsumexp(at.value(x), axis, true)),
}
const shareOp: Op<{ axis: number }, Unary> = {
  name: 'share',
  signature: '[...] -> [...]',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  run: ([x], { axis }) => softmax(x, axis) as never,
  body: ([x], { axis }) => softmax(x, axis),
  gate: ([x], attrs) => exp(apply(logShareOp, [x], attrs)),
}

/** x − log Σ exp(x) along an axis; its gate freezes the logarithm of the sum. */
export const logShare = (x: Tensor, axis = -1): Tensor =>
  apply(logShareOp, [x], { axis: axis < 0 ? axis : axis - x.rank })

/** softmax(x) along an axis that is no pattern of attention, such as that of a classifier's output: the exponential of `logShare`, with
 *  its gate. */
export const share = (x: Tensor, axis = -1): Tensor => apply(shareOp, [x], { axis: axis < 0 ? axis : axis - x.rank })
