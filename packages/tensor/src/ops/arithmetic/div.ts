import * as reference from '@unravel/kernels/reference'
import { scalarLike } from '../../core/create.js'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, commonDType, each } from '../../core/op.js'
import { broadcastShapes, endsWith, sizeOf } from '../../core/shape.js'
import { allocate, type Binary, type Op, type Tensor } from '../../core/tensor.js'
import { stack } from '../structure/concat.js'
import { reshape } from '../structure/reshape.js'
import { head, slice } from '../structure/slice.js'
import { broadcastLast, unbroadcast } from '../structure/sum.js'
import type { Operand } from '../structure/zipped.js'
import { zipped } from '../structure/zipped.js'
import { correlate } from './cauchy.js'
import { mul } from './mul.js'
import { neg } from './neg.js'
import { sub } from './sub.js'

export const divOp: Op<void, Binary> = {
  ...zipped('div', 'div'),
  // (a/b)′ = a′/b − (a/b) b′/b
  vjp: ({ inputs: [a, b], output, wants }, c) => {
    const share = div(c, b)
    return [
      wants[0] ? unbroadcast(share, output.rank, a.shape) : null,
      wants[1] ? unbroadcast(neg(mul(share, output)), output.rank, b.shape) : null,
    ]
  },
  series([a, b], _, at) {
    const item = broadcastShapes(a.shape, b.shape)!
    const stack = at.stack(a, item.length)
    if (!at.has(b)) return at.series(div(stack, b))
    const [p, q] = each([stack, at.stack(b, item.length)] as const, s => broadcastLast(s, item))
    return at.series(seriesDiv(p, q, at.order + 1))
  },
  // A quotient is gated by freezing its denominator.
  gate([a, b], _, at) {
    const denominator = at.value(b)
    const value = div(at.value(a), denominator)
    if (!at.has(a)) return value
    return at.paths(value, div(at.stack(a, value.rank), denominator))
  },
}

/** a / b, elementwise with NumPy's broadcasting. */
export function div(a: Operand, b: Operand): Tensor {
  if (typeof b === 'number') return apply(divOp, [a as Tensor, scalarLike(b, a as Tensor)], undefined)
  if (typeof a === 'number') return apply(divOp, [scalarLike(a, b), b], undefined)
  return apply(divOp, [a, b], undefined)
}

const hasOrders = (stack: Tensor) => stack.rank > 0 && stack.shape[0]! > 0

/** q = a/b of two stacks of equal items: q_k = (a_k − Σ_{j=1}^{k} b_j q_{k−j})/b_0. */
export const seriesDivOp: Op<{ orders: number }, Binary> = {
  name: 'seriesDiv',
  signature: '[p,...], [q,...] -> [orders,...]',
  infer(inputs, { orders }) {
    const [a, b] = inputs
    const item = a.shape.slice(1)
    if (!hasOrders(a) || !hasOrders(b) || a.rank !== b.rank || !endsWith(b.shape, item)) {
      throw new ShapeError(seriesDivOp, inputs, 'two stacks of equal items, of at least one order each')
    }
    return { shape: [orders, ...item], dtype: commonDType(seriesDivOp, inputs) }
  },
  run([a, b], { orders }, type) {
    const out = allocate(a.backend, type.shape, type.dtype, 'div')
    kernelOf(a.backend, 'seriesDiv', reference.seriesDiv)(
      orders,
      sizeOf(type.shape) / orders,
      a.buffer,
      b.buffer,
      out.buffer,
    )
    return out
  },
  // With 1/b = r as a series: ā = r ⋆ c (correlation), b̄ = −q ⋆ ā.
  vjp({ inputs: [a, b], output, attrs: { orders } }, c) {
    const rank = output.rank - 1
    const one = div(slice(b, [0], [1]), slice(b, [0], [1]))
    const share = correlate(c, seriesDiv(one, b, orders), orders, rank)
    const first = (s: Tensor, p: number) => correlate(s, one, p, rank)
    return [first(share, a.shape[0]!), neg(correlate(share, output, b.shape[0]!, rank))]
  },
  series([a, b], { orders }) {
    const item = a.shape.slice(1)
    const at = (s: Tensor, k: number) => reshape(slice(s, [k], [k + 1]), item)
    const b0 = at(b, 0)
    const q: Tensor[] = []
    for (let k = 0; k < orders; k++) {
      let rest: Tensor | undefined = k < a.shape[0]! ? at(a, k) : undefined
      for (let j = 1; j <= k && j < b.shape[0]!; j++) {
        const term = mul(at(b, j), q[k - j]!)
        rest = rest === undefined ? neg(term) : sub(rest, term)
      }
      q.push(rest === undefined ? mul(b0, 0) : div(rest, b0))
    }
    return stack(q, 0)
  },
  gate: 'it is used by Taylor rules only',
}

export function seriesDiv(a: Tensor, b: Tensor, orders: number): Tensor {
  return apply(seriesDivOp, [head(a, orders), head(b, orders)], { orders })
}
