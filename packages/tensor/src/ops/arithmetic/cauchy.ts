import { cauchy as cauchyKernel, correlate as correlateKernel } from '@unravel/kernels/reference'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, commonDType } from '../../core/op.js'
import { broadcastShapes, endsWith, sizeOf } from '../../core/shape.js'
import type { Binary, Dense, Op, Tensor } from '../../core/tensor.js'
import { bilinear, runItems } from '../structure/builders.js'
import { unbroadcast } from '../structure/sum.js'

export interface StackAttrs {
  readonly orders: number
  /** Rank of an item; the order axis comes before it. */
  readonly rank: number
}

/** Type of a bilinear kernel on two stacks of equal items, under leading axes that broadcast. */
export function stackType(op: { name: string; signature: string }, inputs: Binary, { orders, rank }: StackAttrs) {
  const [a, b] = inputs
  const item = rank === 0 ? [] : a.shape.slice(-rank)
  const stacks = a.rank > rank && b.rank > rank && endsWith(b.shape, item)
  const lead = broadcastShapes(a.shape.slice(0, -rank - 1), b.shape.slice(0, -rank - 1))
  if (!stacks || lead === null) throw new ShapeError(op, inputs, `items of ${rank} axes must be equal`)
  return { shape: [...lead, orders, ...item], dtype: commonDType(op, inputs) }
}

const reference = { cauchy: cauchyKernel, correlate: correlateKernel } as const

/** Runs a kernel of two stacks once for every leading index. */
const runStacks = (
  name: keyof typeof reference,
  inputs: readonly [Dense, Dense],
  { orders, rank }: StackAttrs,
  type: Pick<Dense, 'shape' | 'dtype'>,
): Dense => {
  const n = sizeOf(rank === 0 ? [] : type.shape.slice(-rank))
  const kernel = kernelOf(inputs[0].backend, name, reference[name])
  return runItems(name, inputs, rank + 1, type, (a, b, out) => kernel(orders, n, a, b, out))
}

/** Product of series: out_k = Σ_j a_j b_{k−j}. */
export const cauchyOp: Op<StackAttrs, Binary> = bilinear<StackAttrs>({
  name: 'cauchy',
  signature: '[...,p,item], [...,q,item] -> [...,orders,item]',
  infer: (inputs, attrs) => stackType(cauchyOp, inputs, attrs),
  run: (inputs, attrs, type) => runStacks('cauchy', inputs, attrs, type),
  vjp({ inputs: [a, b], output, attrs: { rank }, wants }, c) {
    const back = (other: Tensor, t: Tensor) =>
      unbroadcast(correlate(c, other, t.shape[t.rank - rank - 1]!, rank), output.rank, t.shape)
    return [wants[0] ? back(b, a) : null, wants[1] ? back(a, b) : null]
  },
  instead: 'a composite with a gate',
})

/** The first `orders` coefficients of the product of two stacks of equal items of rank `rank`. */
export function cauchy(a: Tensor, b: Tensor, orders: number, rank: number): Tensor {
  return apply(cauchyOp, [a, b], { orders, rank })
}

/** The adjoint of a product of series: out_j = Σ_{k ≥ j} c_k b_{k−j}. */
export const correlateOp: Op<StackAttrs, Binary> = bilinear<StackAttrs>({
  name: 'correlate',
  signature: '[...,p,item], [...,q,item] -> [...,orders,item]',
  infer: (inputs, attrs) => stackType(correlateOp, inputs, attrs),
  run: (inputs, attrs, type) => runStacks('correlate', inputs, attrs, type),
  vjp({ inputs: [c, b], output, attrs: { rank }, wants }, g) {
    const stored = (t: Tensor) => t.shape[t.rank - rank - 1]!
    return [
      wants[0] ? unbroadcast(cauchy(g, b, stored(c), rank), output.rank, c.shape) : null,
      // b̄_i = Σ_j g_j c_{i+j}
      wants[1] ? unbroadcast(correlate(c, g, stored(b), rank), output.rank, b.shape) : null,
    ]
  },
  instead: 'a composite with a gate',
})

/** The first `orders` entries of Σ_{k ≥ j} c_k b_{k−j}, of stacks of equal items of rank `rank`. */
export function correlate(c: Tensor, b: Tensor, orders: number, rank: number): Tensor {
  return apply(correlateOp, [c, b], { orders, rank })
}
