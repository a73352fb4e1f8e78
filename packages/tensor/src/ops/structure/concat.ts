import { zeros } from '../../core/create.js'
import { ShapeError } from '../../core/errors.js'
import { alias, apply, checkTensors, commonDType, each, like } from '../../core/op.js'
import { fromEnd, sizeOf, stridesOf } from '../../core/shape.js'
import { allocate, type Op, type Tensor } from '../../core/tensor.js'
import { expandDims, reshape } from './reshape.js'
import { head, narrow } from './slice.js'

/** `axis` is negative. */
export const concatOp: Op<{ axis: number }> = {
  name: 'concat',
  signature: '[...], ... -> [...]',
  infer(inputs, { axis }) {
    const first = inputs[0]!.shape
    const at = first.length + axis
    const fits =
      at >= 0 && inputs.every(t => t.rank === first.length && t.shape.every((n, i) => i === at || n === first[i]))
    if (!fits) throw new ShapeError(concatOp, inputs, `shapes differ outside of axis ${axis}`)
    const length = inputs.reduce((sum, t) => sum + t.shape[at]!, 0)
    return {
      shape: first.map((n, i) => (i === at ? length : n)),
      dtype: commonDType(concatOp, inputs, ['f32', 'f64', 'i32']),
    }
  },
  run(inputs, { axis }, type) {
    const { backend } = inputs[0]!
    const out = allocate(backend, type.shape, type.dtype, 'concat')
    const strides = stridesOf(type.shape)
    let offset = 0
    for (const t of inputs) {
      if (sizeOf(t.shape) > 0) {
        backend.kernels.copy(t.shape, t.buffer, 0, stridesOf(t.shape), out.buffer, offset, strides)
      }
      offset += t.shape[t.rank + axis]! * strides[t.rank + axis]!
    }
    return out
  },
  vjp({ inputs, attrs: { axis }, wants }, c) {
    let begin = 0
    return inputs.map((t, i) => {
      const length = t.shape[t.rank + axis]!
      begin += length
      return wants[i] ? narrow(c, axis, begin - length, length) : null
    })
  },
  series: (inputs, attrs, at) => at.series(apply(concatOp, evenly(inputs.map(x => at.stack(x))), attrs)),
  gate: (inputs, attrs, at) =>
    at.paths(
      apply(
        concatOp,
        inputs.map(x => at.value(x)),
        attrs,
      ),
      apply(concatOp, evenly(inputs.map(x => at.stack(x))), attrs),
    ),
}

/** Stacks with equally many orders. */
export function evenly<S extends readonly Tensor[]>(stacks: S) {
  const stored = stacks.reduce((most, s) => Math.max(most, s.shape[0]!), 0)
  return each(stacks, s => padded(s, stored))
}

/** Tensors one after the other along an axis they may differ in. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  checkTensors('concat', tensors)
  if (tensors.length === 0) throw new RangeError('concat wants at least one tensor, got none')
  const at = fromEnd(axis, tensors[0]!.rank, 'concat')
  return tensors.length === 1 ? alias('concat', tensors[0]!) : apply(concatOp, tensors, { axis: at })
}

/** Tensors of one shape along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  checkTensors('stack', tensors)
  const items = tensors.map(t => expandDims(t, axis))
  return items.length === 1 ? items[0]! : concat(items, axis)
}

/** `stack` with zeros appended on the leading axis up to n entries; itself where it has as many. */
export function padded(stack: Tensor, n: number): Tensor {
  const missing = n - stack.shape[0]!
  if (missing <= 0) return stack
  const nothing = zeros([missing, ...stack.shape.slice(1)], like(stack))
  return concat([stack, nothing], 0)
}

/** Order 0 of a stack. */
export const order0Of = (stack: Tensor): Tensor => reshape(head(stack, 1), stack.shape.slice(1))

/** A stack with another order 0. */
export function withOrder0(stack: Tensor, order0: Tensor): Tensor {
  const first = expandDims(order0, 0)
  return stack.shape[0] === 1 ? first : concat([first, narrow(stack, 0, 1, stack.shape[0]! - 1)], 0)
}
