import type { Shape } from '@unravel/kernels'
import { ShapeError } from '../../core/errors.js'
import { alias, apply, checkTensors } from '../../core/op.js'
import { endsWith, fromEnd, sizeOf, stridesOf } from '../../core/shape.js'
import { allocate, type Op, type Tensor, type Unary } from '../../core/tensor.js'
import { linear } from './builders.js'

/** Where a box of elements lies in the last axes of a tensor: index i of the box is begin + i·step of the tensor. */
interface Box {
  readonly begin: readonly number[]
  readonly size: readonly number[]
  readonly step: readonly number[]
  /** The last axes of the tensor that the box is cut from. */
  readonly from: Shape
}

function addresses({ begin, step }: Box, shape: Shape) {
  const strides = stridesOf(shape)
  const lead = shape.length - begin.length
  let offset = 0
  for (let i = 0; i < begin.length; i++) offset += begin[i]! * strides[lead + i]!
  return { offset, strides: strides.map((s, i) => (i < lead ? s : s * step[i - lead]!)) }
}

/** Whether a box is one run of its tensor: one element of some first axes, a range of the next, the rest whole. */
function isRun({ size, step, from }: Box): boolean {
  let d = 0
  while (d < size.length && size[d] === 1) d++
  return size.every((n, i) => i < d || (step[i] === 1 && (i === d || n === from[i])))
}

/** The type of x with the last axes `from` in place of which come `to`. */
function replaced(op: Op<Box>, x: Tensor, from: Shape, to: Shape) {
  if (!endsWith(x.shape, from)) throw new ShapeError(op, [x], `the last axes must be [${from}]`)
  return { shape: [...x.shape.slice(0, x.rank - from.length), ...to], dtype: x.dtype }
}

export const sliceOp: Op<Box, Unary> = linear<Box>({
  name: 'slice',
  signature: '[...] -> [...]',
  infer: ([x], { from, size }) => replaced(sliceOp, x, from, size),
  run([x], box, type) {
    const { offset, strides } = addresses(box, x.shape)
    if (isRun(box) && x.rank === box.from.length) return x.share(type.shape, offset, 'slice')
    const out = allocate(x.backend, type.shape, type.dtype, 'slice')
    if (sizeOf(type.shape) > 0) {
      x.backend.kernels.copy(type.shape, x.buffer, offset, strides, out.buffer, 0, stridesOf(type.shape))
    }
    return out
  },
  vjp: ({ attrs }, c) => apply(embedOp, [c], attrs),
})

/** The adjoint of slice: the box in a tensor of zeros. */
export const embedOp: Op<Box, Unary> = linear<Box>({
  name: 'embed',
  signature: '[...] -> [...]',
  infer: ([x], { from, size }) => replaced(embedOp, x, size, from),
  run([x], box, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'embed')
    const { kernels } = x.backend
    kernels.fill(0, out.buffer)
    const { offset, strides } = addresses(box, type.shape)
    if (x.size > 0) kernels.copy(x.shape, x.buffer, 0, stridesOf(x.shape), out.buffer, offset, strides)
    return out
  },
  vjp: ({ attrs }, c) => apply(sliceOp, [c], attrs),
})

const isPlace = (i: number) => Number.isInteger(i) || Math.abs(i) === Infinity

/**
 * Elements begin, begin + step, … before end along each of the first axes; axes that are not named are taken whole.
 * Negative begin and end count from the end of the axis, and both are clipped to it, as in NumPy; step is positive.
 */
export function slice(
  x: Tensor,
  begin: readonly number[],
  end: readonly (number | null)[],
  step: readonly number[] = [],
): Tensor {
  checkTensors('slice', [x])
  const fits = begin.length <= x.rank && end.length === begin.length && step.length <= begin.length
  const places = begin.every(isPlace) && end.every(i => i === null || isPlace(i))
  if (!fits || !places || step.some(s => !Number.isSafeInteger(s) || s < 1)) {
    throw new ShapeError(sliceOp, [x], `cannot take begin [${begin}], end [${end}], step [${step}]`)
  }
  const clip = (i: number, n: number) => Math.min(Math.max(i < 0 ? i + n : i, 0), n)
  const first = x.shape.map((n, i) => (i < begin.length ? clip(begin[i]!, n) : 0))
  const steps = x.shape.map((_, i) => step[i] ?? 1)
  const size = x.shape.map((n, i) => {
    const last = i < end.length && end[i] !== null ? clip(end[i]!, n) : n
    return Math.max(0, Math.ceil((last - first[i]!) / steps[i]!))
  })
  if (size.every((n, i) => n === x.shape[i])) return alias('slice', x)
  return apply(sliceOp, [x], { begin: first, size, step: steps, from: x.shape })
}

/** `count` elements from `begin` along one axis. */
export function narrow(x: Tensor, axis: number, begin: number, count: number): Tensor {
  checkTensors('narrow', [x])
  const at = fromEnd(axis, x.rank, 'narrow')
  const from = x.shape.slice(x.rank + at)
  const inside = begin >= 0 && count >= 0 && begin + count <= from[0]!
  if (!inside || !Number.isInteger(begin) || !Number.isInteger(count)) {
    throw new ShapeError(sliceOp, [x], `axis ${axis} has no ${count} elements from ${begin}`)
  }
  if (count === from[0]) return alias('narrow', x)
  const rest = from.slice(1)
  const box = { begin: [begin, ...rest.map(() => 0)], size: [count, ...rest], step: from.map(() => 1), from }
  return apply(sliceOp, [x], box)
}

/** The first n entries of the leading axis; the stack itself where it has no more. */
export function head(stack: Tensor, n: number): Tensor {
  return stack.shape[0]! <= n ? stack : slice(stack, [0], [n])
}
