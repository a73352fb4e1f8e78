import type { ReduceOp } from '@unravel/kernels'
import { apply, type Op } from '../op.js'
import { axesFromEnd } from '../shape.js'
import { allocate, type Dense, type Tensor } from '../tensor.js'
import { broadcastLast } from './broadcastTo.js'
import { linear } from './builders.js'
import { div } from './div.js'
import { reshapeLast } from './reshape.js'

/** Axes of a reduction, negative and ascending. */
export interface Axes {
  readonly axes: readonly number[]
  readonly keepdims: boolean
}

export function reducedShape(x: Tensor, { axes, keepdims }: Axes): number[] {
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

export const sumOp: Op<Axes> = linear<Axes>({
  name: 'sum',
  signature: '[...] -> [...]',
  infer: ([x], attrs) => ({ shape: reducedShape(x!, attrs), dtype: x!.dtype }),
  run: ([x], attrs, type) => runReduce('sum', x!, attrs, type.shape),
  vjp: ({ inputs: [x], attrs }, c) => broadcastLast(unreduced(c, x!, attrs), x!.shape),
})

/** Sum over `axis` (one, several, or by default all). */
export function sum(x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor {
  return apply(sumOp, [x], { axes: axesFromEnd(axis, x.rank, 'sum'), keepdims })
}

/** Mean over `axis` (one, several, or by default all). The mean of nothing is NaN. */
export const mean = (x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor =>
  averaged(sumOp, x, axesFromEnd(axis, x.rank, 'mean'), keepdims)

/** A sum over axes, by the number of elements that each of its elements is made of. */
export function averaged(op: Op<Axes>, x: Tensor, axes: readonly number[], keepdims: boolean): Tensor {
  const n = axes.reduce((product, a) => product * x.shape[x.rank + a]!, 1)
  return div(apply(op, [x], { axes, keepdims }), n)
}
