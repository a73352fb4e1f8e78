import type { DType, TypedArray } from '@unravel/kernels'
import { FormatError } from './errors.js'

/** Kinds of numbers that files hold, little-endian. */
export type StoredType = 'f64' | 'f32' | 'f16' | 'bf16' | 'i64' | 'i32' | 'i16' | 'i8' | 'u16' | 'u8' | 'bool'

export const itemSize: Record<StoredType, number> = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i64: 8,
  i32: 4,
  i16: 2,
  i8: 1,
  u16: 2,
  u8: 1,
  bool: 1,
}

/** The dtype that holds every value of a stored type; i64 must fit in 32 bits. */
export const natural: Record<StoredType, DType> = {
  f64: 'f64',
  f32: 'f32',
  f16: 'f32',
  bf16: 'f32',
  i64: 'i32',
  i32: 'i32',
  i16: 'i32',
  i8: 'i32',
  u16: 'i32',
  u8: 'i32',
  bool: 'i32',
}

/** IEEE half precision, exactly. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
}

const bfloat = new DataView(new ArrayBuffer(4))

/** bfloat16, the upper half of an f32, exactly. */
export function fromBfloat(bits: number): number {
  bfloat.setUint32(0, bits << 16)
  return bfloat.getFloat32(0)
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/**
 * `count` little-endian numbers from `bytes` (any alignment) as `dtype`: exact but for f64 → f32, which rounds to nearest.
 * Throws FormatError for an integer outside of 32 bits, and for a real number where integers are asked for.
 */
export function decode(bytes: Uint8Array, type: StoredType, count: number, dtype: DType, what: string): TypedArray {
  const Numbers = dtype === 'f64' ? Float64Array : dtype === 'f32' ? Float32Array : Int32Array
  if (littleEndian && type === dtype) {
    // Copied to an aligned buffer; not by bytes.slice, which does not copy when it is Node's Buffer.
    return new Numbers(new Uint8Array(bytes.subarray(0, count * itemSize[type])).buffer)
  }
  const out = new Numbers(count)
  if (dtype === 'i32' && natural[type] !== 'i32') {
    throw new FormatError(`${what} holds ${type}; expected integers (i32 or i64)`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (type) {
    case 'f64':
      for (let i = 0; i < count; i++) out[i] = view.getFloat64(8 * i, true)
      break
    case 'f32':
      for (let i = 0; i < count; i++) out[i] = view.getFloat32(4 * i, true)
      break
    case 'f16':
      for (let i = 0; i < count; i++) out[i] = fromHalf(view.getUint16(2 * i, true))
      break
    case 'bf16':
      for (let i = 0; i < count; i++) out[i] = fromBfloat(view.getUint16(2 * i, true))
      break
    case 'i64':
      for (let i = 0; i < count; i++) {
        const value = view.getBigInt64(8 * i, true)
        if (value !== BigInt.asIntN(32, value)) {
          throw new FormatError(`${what}: element ${i} is ${value}; expected integers of at most 32 bits`)
        }
        out[i] = Number(value)
      }
      break
    case 'i32':
      for (let i = 0; i < count; i++) out[i] = view.getInt32(4 * i, true)
      break
    case 'i16':
      for (let i = 0; i < count; i++) out[i] = view.getInt16(2 * i, true)
      break
    case 'u16':
      for (let i = 0; i < count; i++) out[i] = view.getUint16(2 * i, true)
      break
    case 'i8':
      for (let i = 0; i < count; i++) out[i] = view.getInt8(i)
      break
    case 'u8':
    case 'bool':
      for (let i = 0; i < count; i++) out[i] = bytes[i]!
  }
  return out
}

/** The bytes of an array, little-endian. */
export function encode(data: TypedArray): Uint8Array {
  if (littleEndian) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
  const out = new Uint8Array(data.byteLength)
  const view = new DataView(out.buffer)
  if (data instanceof Float64Array) data.forEach((x, i) => view.setFloat64(8 * i, x, true))
  else if (data instanceof Float32Array) data.forEach((x, i) => view.setFloat32(4 * i, x, true))
  else data.forEach((x, i) => view.setInt32(4 * i, x, true))
  return out
}
