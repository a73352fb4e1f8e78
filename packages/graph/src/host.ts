import { broadcastTo, FormatError, js, type Tensor, tensor } from '@unravel/tensor'
import { fromBfloat, fromHalf } from '@unravel/tensor/internals'
import type { ElementType, HostArray, HostData } from './graph.js'

// Integers, booleans and constants in memory. Integer arithmetic is exact and wraps as the element type does; what moves
// elements about is done by tensor ops on their places, so that an operator has one definition for numbers of every kind.

const arrays = {
  ...{ f64: Float64Array, f32: Float32Array, f16: Float32Array, bf16: Float32Array },
  ...{ i64: BigInt64Array, i32: Int32Array, i16: Int16Array, i8: Int8Array },
  ...{ u64: BigUint64Array, u32: Uint32Array, u16: Uint16Array, u8: Uint8Array, bool: Uint8Array },
}

export const isFloat = (type: ElementType): boolean =>
  type === 'f32' || type === 'f64' || type === 'f16' || type === 'bf16'

/** Zeros. */
export const arrayOfType = (type: ElementType, count: number): HostData => new arrays[type](count)

/** Bytes of an element as files keep it. */
const itemSize = (type: ElementType): number => (type === 'f16' || type === 'bf16' ? 2 : arrays[type].BYTES_PER_ELEMENT)

export const bytesOf = (type: ElementType, count: number): number => itemSize(type) * count

/** Number of elements of a shape; 0 where an axis is 0, whatever the others are. */
export const elementsOf = (shape: readonly number[]): number =>
  shape.includes(0) ? 0 : shape.reduce((a, b) => a * b, 1)

/** A shape that a file asks for, if memory may be asked for it: at most 2^28 elements, 2 GiB in f64. Throws RangeError. */
export function affordable(shape: readonly number[]): readonly number[] {
  if (shape.every(n => Number.isSafeInteger(n) && n >= 0) && elementsOf(shape) <= 2 ** 28) return shape
  throw new RangeError(`a result of shape [${shape}]; expected integers of at least 0, and at most 2^28 elements`)
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** Numbers from little-endian bytes at any alignment. */
export function decoded(type: ElementType, shape: readonly number[], bytes: Uint8Array): HostArray {
  // Copied to an aligned buffer; not by bytes.slice, which does not copy when it is Node's Buffer.
  const copy = new Uint8Array(bytes)
  const size = itemSize(type)
  if (!littleEndian) for (let at = 0; at < copy.length; at += size) copy.subarray(at, at + size).reverse()
  if (type === 'f16' || type === 'bf16') {
    const value = type === 'f16' ? fromHalf : fromBfloat
    return { type, shape, data: Float32Array.from(new Uint16Array(copy.buffer), value) }
  }
  return { type, shape, data: type === 'bool' ? copy.map(b => (b === 0 ? 0 : 1)) : new arrays[type](copy.buffer) }
}

/** Numbers as an array of the host; big integers wrap, others are converted as typed arrays do. */
export function hostOf(type: ElementType, shape: readonly number[], values: Iterable<number | bigint>): HostArray {
  const wide = type === 'i64' || type === 'u64'
  const data = arrayOfType(type, elementsOf(shape)) as { [i: number]: number | bigint }
  let i = 0
  for (const v of values) data[i++] = wide ? BigInt(v) : typeof v === 'bigint' ? Number(BigInt.asIntN(32, v)) : v
  return { type, shape, data: data as HostData }
}

export const scalarOf = (type: ElementType, value: number | bigint): HostArray => hostOf(type, [], [value])

/** The numbers as JavaScript's; integers beyond 2^53 are rounded, which only bounds of slices and clips are. */
export const numbersOf = ({ data }: HostArray): number[] => Array.from(data as ArrayLike<number | bigint>, Number)

/** Elements of an array at the places that a tensor of i32 holds, in its shape. */
export function taken(from: HostArray, places: Tensor): HostArray {
  const at = places.dataSync()
  const data = arrayOfType(from.type, at.length) as Float64Array
  for (let i = 0; i < at.length; i++) data[i] = from.data[at[i]!] as number
  return { type: from.type, shape: places.shape, data }
}

/** The places of an array's elements, from `first`, in its shape. */
const iota = ({ data, shape }: HostArray, first = 0): Tensor =>
  tensor(
    Int32Array.from({ length: data.length }, (_, i) => first + i),
    { shape, backend: js() },
  )

/** The arrays' elements one after the other, and tensors of the places of each. */
export function placed(values: readonly HostArray[]): { readonly all: HostArray; readonly places: Tensor[] } {
  const { type } = values[0]!
  const count = values.reduce((n, v) => n + v.data.length, 0)
  if (count >= 2 ** 31) throw new RangeError(`${count} elements of ${type} are too many to be moved`)
  const data = arrayOfType(type, count)
  let at = 0
  const places = values.map(v => {
    data.set(v.data as never, at)
    at += v.data.length
    return iota(v, at - v.data.length)
  })
  return { all: { type, shape: [count], data }, places }
}

/** f of the elements of arrays that broadcast, as BigInt where they are integers of any size; the result wraps. */
export function zippedHost(
  type: ElementType,
  values: readonly HostArray[],
  f: (...elements: bigint[]) => bigint | boolean,
): HostArray {
  const shape = broadcastShape(values.map(v => v.shape))
  const count = elementsOf(shape)
  const at = values.map(v => (v.data.length === count ? null : broadcastTo(iota(v), shape).dataSync()))
  const wide = itemSize(type) === 8
  const out = arrayOfType(type, count) as { [i: number]: number | bigint }
  for (let i = 0; i < count; i++) {
    const r = f(...values.map((v, j) => BigInt(v.data[at[j]?.[i] ?? i]!)))
    const value = typeof r === 'boolean' ? BigInt(r) : r
    out[i] = wide ? value : Number(BigInt.asIntN(32, value))
  }
  return { type, shape, data: out as HostData }
}

/** NumPy's broadcast of shapes. Throws RangeError where they do not fit. */
export function broadcastShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(s => s.length))
  return Array.from({ length: rank }, (_, d) => {
    const lengths = shapes.map(s => s[d - rank + s.length] ?? 1).filter(n => n !== 1)
    if (lengths.some(n => n !== lengths[0])) {
      throw new RangeError(`shapes ${shapes.map(s => `[${s}]`).join(' and ')} do not broadcast`)
    }
    return lengths[0] ?? 1
  })
}

const limits: Partial<Record<ElementType, readonly [number, number]>> = {
  ...({ i32: [-(2 ** 31), 2 ** 31 - 1], i16: [-(2 ** 15), 2 ** 15 - 1], i8: [-128, 127] } as const),
  ...({ u32: [0, 2 ** 32 - 1], u16: [0, 2 ** 16 - 1], u8: [0, 255] } as const),
}

/** Numbers as an integer type or bool: cut off towards 0, wrapped as C does on its machines; of 64 bits NaN is 0. */
export function truncated(type: ElementType, shape: readonly number[], values: ArrayLike<number>): HostArray {
  const data = arrayOfType(type, values.length) as { [i: number]: number | bigint }
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!
    if (type === 'bool') data[i] = v === 0 ? 0 : 1
    else if (type !== 'i64' && type !== 'u64') data[i] = Math.trunc(v)
    else data[i] = Number.isFinite(v) ? BigInt(Math.trunc(v)) : v > 0 ? 2n ** 63n - 1n : v < 0 ? -(2n ** 63n) : 0n
  }
  return { type, shape, data: data as HostData }
}

/** Numbers as an integer type, clamped to what it holds, halves to even. */
export function saturated(type: ElementType, shape: readonly number[], values: ArrayLike<number>): HostArray {
  const [low, high] = limits[type] ?? [-Infinity, Infinity]
  const even = (v: number) => {
    const r = Math.round(v)
    return Math.abs(v % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r
  }
  return hostOf(
    type,
    shape,
    Array.from(values, v => Math.min(high, Math.max(low, even(v)))),
  )
}

/** The numbers as doubles, which must hold them. */
export function doublesOf({ data, type, shape }: HostArray): Float64Array {
  const out = new Float64Array(data.length)
  for (let i = 0; i < out.length; i++) {
    const v = data[i]!
    out[i] = Number(v)
    if (typeof v === 'bigint' && !Number.isSafeInteger(out[i])) {
      throw new FormatError(`${type}[${shape}] has ${v} at ${i}; computing with integers beyond 2^53 is not supported`)
    }
  }
  return out
}
