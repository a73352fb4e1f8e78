import * as reference from '@unravel/kernels/reference'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, checkTensors } from '../../core/op.js'
import { checkedShape, fromEnd, sizeOf } from '../../core/shape.js'
import { allocate, type Binary, type Dense, type Op, type Tensor } from '../../core/tensor.js'
import { linear } from './builders.js'

interface Attrs {
  /** Negative: the axis of x that is indexed. */
  readonly axis: number
  /** Length of that axis. */
  readonly length: number
  /** The indices are known to be inside: they are not read, which a device may not allow. */
  readonly inside?: boolean
}

export const gatherOp: Op<Attrs, Binary> = linear<Attrs, Binary>({
  name: 'gather',
  signature: '[...,n,...], i32[...] -> [...,i32 shape,...]',
  infer(inputs, { axis, length }) {
    const [x, index] = inputs
    if (index.dtype !== 'i32') throw new ShapeError(gatherOp, inputs, 'indices must be i32')
    const at = x.rank + axis
    if (at < 0 || x.shape[at] !== length) throw new ShapeError(gatherOp, inputs)
    return { shape: [...x.shape.slice(0, at), ...index.shape, ...x.shape.slice(at + 1)], dtype: x.dtype }
  },
  run([x, index], { axis, length, inside }, type) {
    if (!inside) checkIndices('gather', index, length)
    const at = x.rank + axis
    const out = allocate(x.backend, type.shape, type.dtype, 'gather')
    const [outer, inner] = [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at + 1))]
    kernelOf(x.backend, 'gather', reference.gather)(outer, length, inner, index.buffer, x.buffer, out.buffer)
    return out
  },
  vjp: ({ inputs: [_x, index], attrs: { axis, ...attrs } }, c) =>
    apply(scatterAddOp, [c, index], { ...attrs, after: -axis - 1 }),
})

interface ScatterAttrs extends Omit<Attrs, 'axis'> {
  readonly after: number
}

/** The adjoint of gather: adds y's slices into zeros at their indices. `after` axes follow the indexed one. */
export const scatterAddOp: Op<ScatterAttrs, Binary> = linear<ScatterAttrs, Binary>({
  name: 'scatterAdd',
  signature: '[...,i32 shape,...], i32[...] -> [...,n,...]',
  infer(inputs, { length, after }) {
    const [y, index] = inputs
    const lead = y.rank - after - index.rank
    const fits = lead >= 0 && index.shape.every((n, i) => n === y.shape[lead + i])
    if (!fits || index.dtype !== 'i32') throw new ShapeError(scatterAddOp, inputs)
    return { shape: [...y.shape.slice(0, lead), length, ...y.shape.slice(y.rank - after)], dtype: y.dtype }
  },
  run([y, index], { length, after, inside }, type) {
    if (!inside) checkIndices('gather', index, length)
    const out = allocate(y.backend, type.shape, type.dtype, 'scatterAdd')
    const inner = sizeOf(y.shape.slice(y.rank - after))
    const outer = sizeOf(y.shape.slice(0, y.rank - after - index.rank))
    kernelOf(y.backend, 'scatterAdd', reference.scatterAdd)(outer, length, inner, index.buffer, y.buffer, out.buffer)
    return out
  },
  vjp: ({ inputs: [, index], attrs: { after, ...attrs } }, c) =>
    apply(gatherOp, [c, index], { ...attrs, axis: -after - 1 }),
})

export function checkIndices(what: string, index: Dense, length: number): void {
  const values = index.dataSync()
  for (let i = 0; i < values.length; i++) {
    if (values[i]! < 0 || values[i]! >= length) {
      throw new RangeError(`${what}: index ${values[i]} at position ${i} is outside 0..${length - 1}`)
    }
  }
}

/** Slices of x at `index` (i32, any shape) along `axis`, as NumPy's take. Throws RangeError for an index outside. */
export function gather(x: Tensor, index: Tensor, axis = 0): Tensor {
  checkTensors('gather', [x, index])
  const at = fromEnd(axis, x.rank, 'gather')
  return apply(gatherOp, [x, index], { axis: at, length: x.shape[x.rank + at]! })
}

/** Zeros of `length` along `axis` with the slices of y added at `index`; y has the shape that gather would give. */
export function scatterAdd(y: Tensor, index: Tensor, length: number, axis = 0): Tensor {
  checkTensors('scatterAdd', [y, index])
  checkedShape('scatterAdd', [length])
  const rank = y.rank - index.rank + 1
  return apply(scatterAddOp, [y, index], { length, after: -1 - fromEnd(axis, rank, 'scatterAdd') })
}
