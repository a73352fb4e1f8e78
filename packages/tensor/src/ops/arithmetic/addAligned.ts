import type { Shape } from '@unravel/kernels'
import { ShapeError } from '../../core/errors.js'
import { apply, commonDType, each } from '../../core/op.js'
import { broadcastIndices, broadcastShapes, broadcastStrides, sizeOf, stridesOf } from '../../core/shape.js'
import { allocate, type Binary, type Dense, type Op, type Tensor } from '../../core/tensor.js'
import { evenly } from '../structure/concat.js'
import { narrow } from '../structure/slice.js'
import { unbroadcast } from '../structure/sum.js'
import { mul } from './mul.js'

interface Attrs {
  readonly offset: number
  readonly scale: number
  /** Rank of an item; the order axis comes before it. */
  readonly rank: number
}

/** Sums of stacks: out_k = a_k + scale·b_{k−offset}, missing orders being zero. A bias is one order at offset 0; a
 *  residual branch is added at offset 1 with scale λ. Items broadcast. */
export const addAlignedOp: Op<Attrs, Binary> = {
  name: 'addAligned',
  signature: '[...,p,item], [...,q,item] -> [...,orders,item]',
  infer(inputs, { offset, rank }) {
    if (inputs.some(t => t.rank <= rank)) throw new ShapeError(addAlignedOp, inputs, `items have ${rank} axes`)
    const [a, b] = each(inputs, t => split(t, rank))
    const lead = broadcastShapes(a.lead, b.lead)
    const item = broadcastShapes(a.item, b.item)
    if (lead === null || item === null) throw new ShapeError(addAlignedOp, inputs, 'leads or items do not broadcast')
    return {
      shape: [...lead, Math.max(a.orders, offset + b.orders), ...item],
      dtype: commonDType(addAlignedOp, inputs, ['f32', 'f64', 'i32']),
    }
  },
  run([a, b], { offset, scale, rank }, type) {
    const { backend } = a
    const { kernels } = backend
    const out = allocate(backend, type.shape, type.dtype, 'addAligned')
    const { lead, orders, item } = split(out, rank)
    const n = sizeOf(item)
    if (lead.length === 0 && a.size === split(a, rank).orders * n && b.size === split(b, rank).orders * n) {
      addRuns(a, b, offset, scale, out, n)
      return out
    }
    const to = { strides: stridesOf([0, ...item]) }
    const A = rowsOf(a, rank, lead, item)
    const B = rowsOf(b, rank, lead, item)
    // Runs of orders made of the same inputs.
    const edges = [...new Set([0, A.orders, offset, offset + B.orders, orders])].sort((p, q) => p - q)
    for (let l = 0, leads = sizeOf(lead); l < leads; l++) {
      for (let e = 0; edges[e]! < orders; e++) {
        const k = edges[e]!
        const count = edges[e + 1]! - k
        const shape = [count, ...item]
        const target = backend.view(out.buffer, (l * orders + k) * n, count * n)
        const fromA = k < A.orders ? A.view(l, k, count) : null
        const fromB = k >= offset && k < offset + B.orders ? B.view(l, k - offset, count) : null
        if (fromB !== null && (fromA === null || scale !== 1)) {
          kernels.copy(shape, fromB, 0, B.strides, target, 0, to.strides)
          if (scale !== 1) kernels.affine(target, scale, 0, target)
        }
        if (fromA !== null) {
          if (fromB === null) kernels.copy(shape, fromA, 0, A.strides, target, 0, to.strides)
          else if (scale !== 1) kernels.zip('add', shape, fromA, A.strides, target, to.strides, target)
          else kernels.zip('add', shape, fromA, A.strides, fromB, B.strides, target)
        } else if (fromB === null) kernels.fill(0, target)
      }
    }
    return out
  },
  vjp({ inputs: [a, b], output, attrs: { offset, scale, rank }, wants }, c) {
    const back = (t: Tensor, from: number) =>
      unbroadcast(narrow(c, -rank - 1, from, split(t, rank).orders), output.rank, t.shape)
    return [wants[0] ? back(a, 0) : null, wants[1] ? mul(back(b, offset), scale) : null]
  },
  series(inputs, attrs, at) {
    const rank = Math.max(...inputs.map(x => x.rank))
    return at.series(apply(addAlignedOp, evenly(each(inputs, x => at.stack(x, rank))), attrs))
  },
  gate: 'it is used by rules only',
}

/** One stack, items alike: a run of orders at a time is one run of memory. */
function addRuns(a: Dense, b: Dense, offset: number, scale: number, out: Dense, n: number): void {
  const { kernels } = a.backend
  const part = (t: Dense, from: number, count: number) => t.backend.view(t.buffer, from * n, count * n)
  const copy = (t: Dense, from: number, count: number, to: number, by: number) => {
    if (count <= 0) return
    const [x, y] = [part(t, from, count), part(out, to, count)]
    if (by === 1) kernels.copy([count * n], x, 0, [1], y, 0, [1])
    else kernels.affine(x, by, 0, y)
  }
  const [p, q] = [a.size / n, b.size / n]
  if (n === 0) return
  const both = Math.max(0, Math.min(p - offset, q))
  // Rows of deferred b are added as they are made, beyond a's on nothing.
  if (b.fuse(part(out, offset, q), null, scale, both === 0 ? null : part(a, offset, both))) {
    copy(a, 0, Math.min(p, offset), 0, 1)
    if (p < offset) kernels.fill(0, part(out, p, offset - p))
    copy(a, offset + both, p - offset - both, offset + both, 1)
    return
  }
  copy(a, 0, Math.min(p, offset), 0, 1)
  if (p < offset) kernels.fill(0, part(out, p, offset - p))
  if (both > 0) {
    const [x, y, z] = [part(a, offset, both), part(b, 0, both), part(out, offset, both)]
    if (out.dtype !== 'i32') kernels.axpy(x, scale, y, z)
    else {
      kernels.affine(y, scale, 0, z)
      kernels.zip('add', [both * n], x, [1], z, [1], z)
    }
  }
  copy(a, offset + both, p - offset - both, offset + both, 1)
  copy(b, both, q - both, offset + both, scale)
}

interface Split {
  readonly lead: Shape
  readonly orders: number
  readonly item: Shape
}
function split(t: { readonly shape: Shape }, rank: number): Split {
  const at = t.shape.length - rank - 1
  return { lead: t.shape.slice(0, at), orders: t.shape[at]!, item: t.shape.slice(at + 1) }
}

/** How to read runs of a stack's orders as if it had leading axes `lead` and items of shape `item`. */
function rowsOf(t: Dense, rank: number, lead: Shape, item: Shape) {
  const { lead: ownLead, orders, item: own } = split(t, rank)
  const size = sizeOf(own)
  const stacks = broadcastIndices(ownLead, lead)
  return {
    orders,
    strides: [size, ...broadcastStrides(own, item)],
    view: (l: number, k: number, count: number) =>
      t.backend.view(t.buffer, (stacks[l]! * orders + k) * size, count * size),
  }
}

/** out_k = a_k + scale·b_{k−offset} of two stacks `[p,...item]`, `[q,...item]` whose items have equal rank. */
export function addAligned(a: Tensor, b: Tensor, offset: number, scale = 1): Tensor {
  return apply(addAlignedOp, [a, b], { offset, scale, rank: a.rank - 1 })
}
