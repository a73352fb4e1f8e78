import { ShapeError } from '../../core/errors.js'
import { shown } from '../../core/messages.js'
import { alias, apply, checkTensors } from '../../core/op.js'
import { fromEnd, stridesOf } from '../../core/shape.js'
import { allocate, type Op, type Tensor, type Unary } from '../../core/tensor.js'
import { linear } from './builders.js'

/** `perm` permutes the last perm.length axes. */
export const transposeOp: Op<{ perm: readonly number[] }, Unary> = linear<{ perm: readonly number[] }>({
  name: 'transpose',
  signature: '[...] -> [...]',
  infer([x], { perm }) {
    const lead = x.rank - perm.length
    if (lead < 0) throw new ShapeError(transposeOp, [x], `a permutation of ${perm.length} axes wants as many or more`)
    return { shape: [...x.shape.slice(0, lead), ...perm.map(p => x.shape[lead + p]!)], dtype: x.dtype }
  },
  run([x], { perm }, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'transpose')
    const strides = stridesOf(x.shape)
    const lead = x.rank - perm.length
    const from = [...strides.slice(0, lead), ...perm.map(p => strides[lead + p]!)]
    x.backend.kernels.copy(type.shape, x.buffer, 0, from, out.buffer, 0, stridesOf(type.shape))
    return out
  },
  vjp({ attrs: { perm } }, c) {
    const inverse = new Array<number>(perm.length)
    perm.forEach((p, i) => {
      inverse[p] = i
    })
    return apply(transposeOp, [c], { perm: inverse })
  },
})

/** Axes in another order: axis i of the result is axis perm[i] of x. Default: reversed. */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  checkTensors('transpose', [x])
  if (perm !== undefined && !Array.isArray(perm))
    throw new RangeError(`transpose: a permutation is a list of axes, got ${shown(perm)}`)
  const order = (perm ?? Array.from({ length: x.rank }, (_, i) => -1 - i)).map(
    a => fromEnd(a, x.rank, 'transpose') + x.rank,
  )
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new ShapeError(transposeOp, [x], `[${perm}] is not a permutation of its axes`)
  }
  return order.every((p, i) => p === i) ? alias('transpose', x) : apply(transposeOp, [x], { perm: order })
}

/** x with two axes exchanged. */
export function swapAxes(x: Tensor, a: number, b: number): Tensor {
  checkTensors('swapAxes', [x])
  const perm = x.shape.map((_, i) => i)
  const i = fromEnd(a, x.rank, 'swapAxes') + x.rank
  const j = fromEnd(b, x.rank, 'swapAxes') + x.rank
  perm[i] = j
  perm[j] = i
  return transpose(x, perm)
}
