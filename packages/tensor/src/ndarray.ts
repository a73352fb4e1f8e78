import type { TypedArray } from '@unravel/kernels'
import ndarray, { type NdArray } from 'ndarray'
import { tensor, type Where } from './core/create.js'
import { kindOf } from './core/dtype.js'
import { shown } from './core/messages.js'
import { sizeOf, stridesOf } from './core/shape.js'
import { Dense, type Tensor } from './core/tensor.js'

/**
 * A tensor with the elements of an ndarray view, whatever its strides and offset. Elements of data that are not f32, f64,
 * i32 or half precision (plain arrays, other integers) become `where.dtype`, by default f64. Throws TypeError for an
 * element that is no number, and RangeError for one that the dtype cannot hold, as `tensor` does.
 */
export function fromNdarray(view: NdArray, where: Where = {}): Dense {
  const { shape, stride, offset } = view
  const data = view.data as { get?(i: number): unknown } & ArrayLike<unknown>
  const read = typeof data.get === 'function' ? (at: number) => data.get!(at) : (at: number) => data[at]
  // Gathered as they are: conversions are those of `tensor`, which says what does not fit.
  const numbers = new (gathered[kindOf(data) ?? ''] ?? Float64Array)(sizeOf(shape))
  const counts = stridesOf(shape)
  for (let i = 0; i < numbers.length; i++) {
    let at = offset
    for (let d = 0; d < shape.length; d++) at += (Math.floor(i / counts[d]!) % shape[d]!) * stride[d]!
    numbers[i] = exactly(read(at), i)
  }
  return tensor(numbers, { ...where, shape: [...shape] })
}

const gathered: Readonly<Record<string, Float32ArrayConstructor | Float64ArrayConstructor | Int32ArrayConstructor>> = {
  Float32Array,
  Float16Array: Float32Array,
  Int32Array,
}

/** A number, a truth value, or a big integer that f64 holds, as a number. */
function exactly(value: unknown, i: number): number {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return Number(value)
  if (typeof value !== 'bigint') throw new TypeError(`fromNdarray: element ${i} is ${shown(value)}; expected a number`)
  if (BigInt(Number(value)) === value) return Number(value)
  throw new RangeError(`fromNdarray: element ${i} is ${value}, which no dtype holds: convert it first`)
}

/** An ndarray view of a tensor: of the tensor's own storage where that is an ordinary typed array (the js backend; do
 *  not write to it, tensors are immutable), of a copy elsewhere. */
export function toNdarray(t: Tensor): NdArray<TypedArray> {
  const own = t instanceof Dense && ArrayBuffer.isView(t.buffer) ? (t.buffer as unknown as TypedArray) : t.dataSync()
  return ndarray(own, [...t.shape])
}
