import type { Shape } from '@unravel/kernels'
import { ShapeError } from '../../core/errors.js'
import { shown } from '../../core/messages.js'
import { alias, apply, checkTensors } from '../../core/op.js'
import { axesFromEnd, endsWith, fromEnd, sameShape, sizeOf } from '../../core/shape.js'
import type { Op, Tensor, Unary } from '../../core/tensor.js'
import { linear } from './builders.js'

export const reshapeOp: Op<{ from: Shape; to: Shape }, Unary> = linear<{ from: Shape; to: Shape }>({
  name: 'reshape',
  signature: '[...] -> [...]',
  infer([x], { from, to }) {
    if (sizeOf(from) !== sizeOf(to)) {
      throw new ShapeError(reshapeOp, [x], `[${from}] has ${sizeOf(from)} elements, [${to}] has ${sizeOf(to)}`)
    }
    if (!endsWith(x.shape, from)) throw new ShapeError(reshapeOp, [x], `the last axes must be [${from}]`)
    return { shape: [...x.shape.slice(0, x.rank - from.length), ...to], dtype: x.dtype }
  },
  run: ([x], _, type) => x.share(type.shape, 0, 'reshape'),
  vjp: ({ attrs: { from, to } }, c) => apply(reshapeOp, [c], { from: to, to: from }),
})

/** The same numbers in another shape; one length may be −1 and follows from the others. Shares memory. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  checkTensors('reshape', [x])
  if (!Array.isArray(shape)) throw new RangeError(`reshape: a shape is a list of integers, got ${shown(shape)}`)
  const known = shape.filter(n => n !== -1)
  const to = known.length === shape.length - 1 ? shape.map(n => (n === -1 ? x.size / sizeOf(known) : n)) : shape
  if (to.some(n => !Number.isSafeInteger(n) || n < 0)) {
    throw new ShapeError(reshapeOp, [x], `cannot become [${shape}]`)
  }
  return sameShape(x.shape, to) ? alias('reshape', x) : apply(reshapeOp, [x], { from: x.shape, to })
}

/** The last `rank` axes of x in shape `to`; axes before them stay. For rules: x itself where nothing changes. */
export function reshapeLast(x: Tensor, rank: number, to: Shape): Tensor {
  const from = x.shape.slice(x.rank - rank)
  return sameShape(from, to) ? x : apply(reshapeOp, [x], { from, to })
}

/** x with an axis of length 1 at `axis` of the result (negative counts from the end). */
export function expandDims(x: Tensor, axis: number): Tensor {
  checkTensors('expandDims', [x])
  const at = fromEnd(axis, x.rank + 1, 'expandDims') + x.rank + 1
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])
}

/** x without its axes of length 1: all of them, or those named. Throws ShapeError for a named axis of another length. */
export function squeeze(x: Tensor, axis?: number | readonly number[]): Tensor {
  checkTensors('squeeze', [x])
  const single = (a: number) => x.shape[x.rank + a] === 1
  const named = axesFromEnd(axis, x.rank, 'squeeze')
  const gone = axis === undefined ? named.filter(single) : named
  const wrong = gone.find(a => !single(a))
  if (wrong !== undefined) throw new ShapeError(reshapeOp, [x], `axis ${wrong} cannot be squeezed: its length is not 1`)
  return reshape(
    x,
    x.shape.filter((_, i) => !gone.includes(i - x.rank)),
  )
}

/** A stack whose items have axes of length 1 in front, up to `rank`. */
export function aligned(stack: Tensor, rank: number): Tensor {
  const missing = rank - (stack.rank - 1)
  if (missing <= 0) return stack
  return reshape(stack, [stack.shape[0]!, ...new Array<number>(missing).fill(1), ...stack.shape.slice(1)])
}
