import type { TypedArray } from '@unravel/kernels'
import ndarray, { type NdArray } from 'ndarray'
import { tensor, type Where } from './core/create.js'
import { dtypeOf } from './core/dtype.js'
import { sizeOf, stridesOf } from './core/shape.js'
import { Dense, type Tensor } from './core/tensor.js'

/** A tensor with the elements of an ndarray view, whatever its strides and offset. Data that are not f32, f64 or i32
 *  (plain arrays, other integers) become `where.dtype`, by default f64. */
export function fromNdarray(view: NdArray, where: Where = {}): Dense {
  const { shape, stride, offset, data } = view
  const typed = data instanceof Float64Array || data instanceof Float32Array || data instanceof Int32Array
  const dtype = where.dtype ?? (typed ? dtypeOf(data) : 'f64')
  const n = sizeOf(shape)
  const packed =
    data instanceof Float32Array
      ? new Float32Array(n)
      : data instanceof Int32Array
        ? new Int32Array(n)
        : new Float64Array(n)
  const counts = stridesOf(shape)
  for (let i = 0; i < packed.length; i++) {
    let at = offset
    for (let d = 0; d < shape.length; d++) at += (Math.floor(i / counts[d]!) % shape[d]!) * stride[d]!
    packed[i] = Number(
      typed
        ? data[at]
        : view.data instanceof Object && 'get' in view.data
          ? (view.data as { get(i: number): number }).get(at)
          : (data as number[])[at],
    )
  }
  return tensor(packed, { ...where, dtype, shape: [...shape] })
}

/** An ndarray view of a tensor: of the tensor's own storage where that is an ordinary typed array (the js backend; do
 *  not write to it, tensors are immutable), of a copy elsewhere. */
export function toNdarray(t: Tensor): NdArray<TypedArray> {
  const own = t instanceof Dense && ArrayBuffer.isView(t.buffer) ? (t.buffer as unknown as TypedArray) : t.dataSync()
  return ndarray(own, [...t.shape])
}
