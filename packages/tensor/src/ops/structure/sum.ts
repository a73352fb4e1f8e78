import type { ReduceOp, Shape } from '@unravel/kernels'
import { ShapeError } from '../../core/errors.js'
import { alias, apply, checkFlag, checkTensors } from '../../core/op.js'
import { axesFromEnd, broadcastShapes, broadcastStrides, checkedShape, sameShape, stridesOf } from '../../core/shape.js'
import { allocate, type Dense, type Op, type Tensor, type Unary } from '../../core/tensor.js'
import { linear } from './builders.js'
import { reshapeLast } from './reshape.js'

/** Axes of a reduction, negative and ascending. */
export interface Axes {
  readonly axes: readonly number[]
  readonly keepdims: boolean
}

export function reducedShape(op: Op<Axes>, inputs: Unary, { axes, keepdims }: Axes): number[] {
  const [x] = inputs
  checkFlag(op.name, 'keepdims', keepdims)
  if (axes.length > 0 && axes[0]! < -x.rank) throw new ShapeError(op, inputs, `axis ${axes[0]} is out of range`)
  const gone = (i: number) => axes.includes(i - x.rank)
  return keepdims ? x.shape.map((n, i) => (gone(i) ? 1 : n)) : x.shape.filter((_, i) => !gone(i))
}

export function runReduce(op: ReduceOp, x: Dense, { axes }: Axes, shape: readonly number[]): Dense {
  const out = allocate(x.backend, shape, x.dtype, op)
  x.backend.kernels.reduce(
    op,
    x.shape,
    axes.map(a => a + x.rank),
    x.buffer,
    out.buffer,
  )
  return out
}

/** A cotangent (or a result) of a reduction of the last `rank` axes, with the reduced axes back at length 1. */
export function unreduced(c: Tensor, x: Tensor, { axes, keepdims }: Axes): Tensor {
  if (keepdims) return c
  return reshapeLast(
    c,
    x.rank - axes.length,
    x.shape.map((n, i) => (axes.includes(i - x.rank) ? 1 : n)),
  )
}

export const sumOp: Op<Axes, Unary> = linear<Axes>({
  name: 'sum',
  signature: '[...] -> [...]',
  infer: (inputs, attrs) => ({ shape: reducedShape(sumOp, inputs, attrs), dtype: inputs[0].dtype }),
  run: ([x], attrs, type) => runReduce('sum', x, attrs, type.shape),
  vjp: ({ inputs: [x], attrs }, c) => broadcastLast(unreduced(c, x, attrs), x.shape),
})

/** Sum over `axis` (one, several, or by default all). */
export function sum(x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor {
  checkTensors('sum', [x])
  return apply(sumOp, [x], { axes: axesFromEnd(axis, x.rank, 'sum'), keepdims })
}

/** The last shape.length axes become `shape`; x has at least as many. */
export const broadcastToOp: Op<{ shape: Shape }, Unary> = linear<{ shape: Shape }>({
  name: 'broadcastTo',
  signature: '[...] -> [...]',
  infer([x], { shape }) {
    const lead = x.shape.slice(0, x.rank - shape.length)
    const item = x.shape.slice(lead.length)
    const wide = broadcastShapes(item, shape)
    if (x.rank < shape.length || wide === null || !sameShape(wide, shape)) {
      throw new ShapeError(broadcastToOp, [x], `does not broadcast to [${shape}]`)
    }
    return { shape: [...lead, ...shape], dtype: x.dtype }
  },
  run([x], _, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'broadcastTo')
    const from = broadcastStrides(x.shape, type.shape)
    x.backend.kernels.copy(type.shape, x.buffer, 0, from, out.buffer, 0, stridesOf(type.shape))
    return out
  },
  vjp: ({ inputs: [x], attrs: { shape } }, c) => unbroadcast(c, shape.length, x.shape.slice(x.rank - shape.length)),
})

/** x repeated along axes of length 1 and new leading axes to fill `shape` (NumPy's rules). */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  checkTensors('broadcastTo', [x])
  checkedShape('broadcastTo', shape)
  if (x.rank > shape.length) throw new ShapeError(broadcastToOp, [x], `does not broadcast to [${shape}]`)
  if (sameShape(x.shape, shape)) return alias('broadcastTo', x)
  return broadcastLast(reshapeLast(x, x.rank, [...new Array<number>(shape.length - x.rank).fill(1), ...x.shape]), shape)
}

/** The last axes of x, as many as `shape` has, broadcast to it; axes before them stay. For rules: x itself where
 *  nothing changes. */
export function broadcastLast(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape.slice(x.rank - shape.length), shape) ? x : apply(broadcastToOp, [x], { shape })
}

/** The adjoint of broadcasting `shape` to the last `rank` axes of `c`, `[lead..., ...broadcast]`: sums them back. */
export function unbroadcast(c: Tensor, rank: number, shape: Shape): Tensor {
  const axes: number[] = []
  for (let i = rank; i >= 1; i--) {
    const n = i <= shape.length ? shape[shape.length - i]! : 1
    if (n !== c.shape[c.rank - i]!) axes.push(-i)
  }
  const summed = axes.length === 0 ? c : sum(c, axes, true)
  return reshapeLast(summed, rank, shape)
}
