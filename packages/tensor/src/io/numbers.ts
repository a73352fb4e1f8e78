import type { DType } from '@unravel/kernels'
import { isOf, kindOf } from '../core/dtype.js'
import { brief } from '../core/messages.js'
import { type ArrayData, elements } from './array.js'
import { FormatError } from './errors.js'
import type { ByteSource } from './source.js'

/** Kinds of numbers that files hold. */
export type StoredType =
  | ('f64' | 'f32' | 'f16' | 'bf16')
  | ('i64' | 'i32' | 'i16' | 'i8')
  | ('u64' | 'u32' | 'u16' | 'u8' | 'bool')

export const itemSize: Record<StoredType, number> = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i64: 8,
  i32: 4,
  i16: 2,
  i8: 1,
  u64: 8,
  u32: 4,
  u16: 2,
  u8: 1,
  bool: 1,
}

/** The dtype that holds every value of a stored type; of wider integers, those that fit in 32 bits. */
export const natural: Record<StoredType, DType> = {
  f64: 'f64',
  f32: 'f32',
  f16: 'f32',
  bf16: 'f32',
  i64: 'i32',
  i32: 'i32',
  i16: 'i32',
  i8: 'i32',
  u64: 'i32',
  u32: 'i32',
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

/** An integer of more than 32 bits, signed or not, read from a place of a file. */
type Wide = (at: number) => bigint

/**
 * `count` numbers from `bytes` (any alignment), little-endian unless told, as `dtype`: exact but for what f32 rounds to
 * nearest when it is asked for. Without a `dtype`, as that which holds the stored type exactly; wider integers as i32 where
 * all of them fit, else as f64. Throws FormatError for the first integer that the dtype does not hold, and for real numbers
 * where integers are asked for.
 */
export function decode(
  bytes: Uint8Array,
  type: StoredType,
  count: number,
  dtype: DType | undefined,
  what: string,
  bigEndian = false,
): Pick<ArrayData, 'dtype' | 'data'> {
  const little = !bigEndian
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const wide = wideReader(view, type, little)
  const to = dtype ?? (wide && !fits(wide, count, itemSize[type]) ? 'f64' : natural[type])
  const Numbers = to === 'f64' ? Float64Array : to === 'f32' ? Float32Array : Int32Array
  if (littleEndian === little && type === to) {
    // Copied to an aligned buffer; not by bytes.slice, which does not copy when it is Node's Buffer.
    return { dtype: to, data: new Numbers(new Uint8Array(bytes.subarray(0, count * itemSize[type])).buffer) }
  }
  if (to === 'i32' && natural[type] !== 'i32') {
    throw new FormatError(`${what} holds ${type}; expected integers (i32 or i64)`)
  }
  const out = new Numbers(count)
  const read = wide ? exactly(wide, to, itemSize[type], what) : reader(view, type, little)
  const size = itemSize[type]
  for (let i = 0; i < count; i++) out[i] = read(i * size)
  return { dtype: to, data: out }
}

/** Bytes that are held at a time beside the numbers that they become. */
const PIECE = 1 << 22

/** The same of the bytes of a source from `begin` on, read in pieces: memory for the numbers and one piece. */
export function decodeFrom(
  source: ByteSource,
  begin: number,
  type: StoredType,
  count: number,
  dtype: DType | undefined,
  what: string,
): Pick<ArrayData, 'dtype' | 'data'> {
  const size = itemSize[type]
  const piece = PIECE / size
  const numbers = (at: number, length: number) =>
    decode(source.read(begin + at * size, begin + (at + length) * size), type, length, dtype, what)
  // All of the wider integers decide what they are read as.
  if (count <= piece || isWide(type)) return numbers(0, count)
  const first = numbers(0, piece)
  const data = new (first.data.constructor as new (length: number) => typeof first.data)(count)
  data.set(first.data as never)
  for (let at = piece; at < count; at += piece) data.set(numbers(at, Math.min(piece, count - at)).data as never, at)
  return { dtype: first.dtype, data }
}

const isWide = (type: StoredType): boolean => ['i64', 'u64', 'u32'].includes(type)

function wideReader(view: DataView, type: StoredType, little: boolean): Wide | undefined {
  if (type === 'i64') return at => view.getBigInt64(at, little)
  if (type === 'u64') return at => view.getBigUint64(at, little)
  return type === 'u32' ? at => BigInt(view.getUint32(at, little)) : undefined
}

const isInt32 = (value: bigint): boolean => value === BigInt.asIntN(32, value)

function fits(wide: Wide, count: number, size: number): boolean {
  for (let i = 0; i < count; i++) if (!isInt32(wide(i * size))) return false
  return true
}

/** Reads integers of which `to` holds the value; of f32, which rounds, f64 must hold it. */
const exactly =
  (wide: Wide, to: DType, size: number, what: string) =>
  (at: number): number => {
    const value = wide(at)
    if (to === 'i32' ? isInt32(value) : BigInt(Number(value)) === value) return Number(value)
    const wanted = to === 'i32' ? 'integers of at most 32 bits' : 'integers that f64 holds'
    throw new FormatError(`${what}: element ${at / size} is ${value}; expected ${wanted}`)
  }

function reader(view: DataView, type: StoredType, little: boolean): (at: number) => number {
  switch (type) {
    case 'f64':
      return at => view.getFloat64(at, little)
    case 'f32':
      return at => view.getFloat32(at, little)
    case 'f16':
      return at => fromHalf(view.getUint16(at, little))
    case 'bf16':
      return at => fromBfloat(view.getUint16(at, little))
    case 'i32':
      return at => view.getInt32(at, little)
    case 'i16':
      return at => view.getInt16(at, little)
    case 'u16':
      return at => view.getUint16(at, little)
    case 'i8':
      return at => view.getInt8(at)
    case 'bool':
      return at => (view.getUint8(at) === 0 ? 0 : 1)
    default:
      return at => view.getUint8(at)
  }
}

/** The bytes of an array, little-endian. Throws TypeError for data that are not of its dtype and size. */
export function encode({ shape, dtype, data }: ArrayData, what: string): Uint8Array {
  const { length } = data
  if (!isOf(dtype, data) || length !== elements(shape)) {
    const found = `${kindOf(data) ?? typeof data} of length ${length}`
    throw new TypeError(`${what}: the numbers of ${dtype}[${brief(shape.join(','))}] cannot be a ${found}`)
  }
  if (littleEndian) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
  const out = new Uint8Array(data.byteLength)
  const view = new DataView(out.buffer)
  if (data instanceof Float64Array) data.forEach((x, i) => view.setFloat64(8 * i, x, true))
  else if (data instanceof Float32Array) data.forEach((x, i) => view.setFloat32(4 * i, x, true))
  else data.forEach((x, i) => view.setInt32(4 * i, x, true))
  return out
}
