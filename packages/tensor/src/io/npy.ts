import type { DType } from '@unravel/kernels'
import { type ArrayData, elements } from './array.js'
import { FormatError } from './errors.js'
import { decode, encode, itemSize, natural, type StoredType } from './numbers.js'

// Format: 6 bytes of magic, 2 of version, the length of the header (2 bytes in version 1, 4 in 2 and 3), the header — a
// Python dict of descr, fortran_order and shape, padded with spaces to a multiple of 64 — and the numbers.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
const types: Record<string, StoredType> = {
  '<f8': 'f64',
  '<f4': 'f32',
  '<f2': 'f16',
  '<i8': 'i64',
  '<i4': 'i32',
  '<i2': 'i16',
  '<u2': 'u16',
  '|i1': 'i8',
  '|u1': 'u8',
  '|b1': 'bool',
}

/** The most bytes of a header that are read, as in NumPy. */
const headerLimit = 10_000

const fail = (message: string): never => {
  throw new FormatError(`npy: ${message}`)
}

/**
 * Reads a NumPy .npy file, in the dtype that holds its numbers exactly or in `dtype`. Little-endian f8, f4, f2, i8, i4,
 * i2, u2, i1, u1 and booleans, in C or Fortran order. Throws FormatError for anything else and for every byte too many
 * or too few.
 */
export function parseNpy(bytes: Uint8Array, dtype?: DType): ArrayData {
  if (bytes.length < 10 || magic.some((b, i) => bytes[i] !== b)) {
    fail('the file does not begin with \\x93NUMPY; expected an array saved by numpy.save')
  }
  const major = bytes[6]!
  if (major < 1 || major > 3) fail(`version ${major}.${bytes[7]} is unknown; expected 1.0, 2.0 or 3.0`)
  const start = major === 1 ? 10 : 12
  if (bytes.length < start) fail(`the file ends at byte ${bytes.length}, inside of its header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (start + length > bytes.length) {
    fail(`the header claims ${length} bytes from byte ${start}; the file has ${bytes.length}`)
  }
  if (length > headerLimit) fail(`the header claims ${length} bytes; ${headerLimit} are the most that are read`)
  const text = new TextDecoder('latin1').decode(bytes.subarray(start, start + length))
  const { descr, fortran, shape } = parseHeader(text)
  const type = Object.hasOwn(types, descr) ? types[descr]! : fail(unknownType(descr))
  const count = elements(shape)
  if (Number.isNaN(count)) fail(`shape (${shape.join(', ')}) has too many elements; expected fewer than 2^53`)
  const body = start + length
  const expected = count * itemSize[type]
  if (!(body + expected === bytes.length)) {
    fail(`shape (${shape.join(', ')}) of ${descr} needs ${expected} bytes of data; the file has ${bytes.length - body}`)
  }
  const to = dtype ?? natural[type]
  const data = decode(bytes.subarray(body), type, count, to, 'npy')
  return { shape, dtype: to, data: fortran ? rowMajor(data, shape) : data }
}

const unknownType = (descr: string) =>
  `dtype '${descr}' is not supported; expected one of ${Object.keys(types).join(', ')}: convert with x.astype('<f8')`

/** The dict of the header: just the three keys, each once, in any order, with literal values. */
function parseHeader(text: string): { descr: string; fortran: boolean; shape: number[] } {
  const whole = /^\{(.*)\}[ \n]*$/s.exec(text)
  if (whole === null) fail('the header is not a dict {...}')
  let rest = whole![1]!
  let descr: string | undefined
  let fortran: boolean | undefined
  let shape: number[] | undefined
  const entry =
    /^\s*(['"])(descr|fortran_order|shape)\1\s*:\s*(?:(['"])([^'"\\]*)\3|(True|False)|\(([\d\s,]*)\))\s*(?:,|$)/
  while (rest.trim() !== '') {
    const m = entry.exec(rest)
    if (m === null) return fail(`the header cannot be read at "${rest.trim().slice(0, 40)}"`)
    const [all, , key, , string, bool, tuple] = m
    if (key === 'descr' && string !== undefined && descr === undefined) descr = string
    else if (key === 'fortran_order' && bool !== undefined && fortran === undefined) fortran = bool === 'True'
    else if (key === 'shape' && tuple !== undefined && shape === undefined) {
      const lengths = tuple.split(',').map(s => s.trim())
      // (), and the comma that may close a tuple.
      if (lengths.at(-1) === '') lengths.pop()
      if (!lengths.every(s => /^\d+$/.test(s))) return fail(`the header has a shape (${tuple}); expected integers`)
      shape = lengths.map(Number)
    } else return fail(`the header has a wrong or repeated "${key}"`)
    rest = rest.slice(all.length)
  }
  if (descr === undefined || fortran === undefined || shape === undefined) {
    return fail('the header lacks descr, fortran_order or shape')
  }
  return { descr, fortran, shape }
}

/** Fortran order (first axis fastest) to C order. */
function rowMajor(data: ArrayData['data'], shape: readonly number[]): ArrayData['data'] {
  const out = data.slice()
  const index = shape.map(() => 0)
  const strides = shape.map((_, d) => shape.slice(0, d).reduce((a, b) => a * b, 1))
  for (let i = 0; i < out.length; i++) {
    out[i] = data[index.reduce((at, j, d) => at + j * strides[d]!, 0)]!
    for (let d = shape.length - 1; d >= 0 && ++index[d]! === shape[d]; d--) index[d] = 0
  }
  return out
}

const names: Record<DType, string> = { f64: '<f8', f32: '<f4', i32: '<i4' }

/** The bytes of a .npy file (version 1.0, C order) that numpy.load reads. */
export function formatNpy({ shape, dtype, data }: ArrayData): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const dict = `{'descr': '${names[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`
  const header = `${dict.padEnd(Math.ceil((10 + dict.length + 1) / 64) * 64 - 11)}\n`
  const body = encode(data)
  const out = new Uint8Array(10 + header.length + body.length)
  out.set([...magic, 1, 0, header.length & 255, header.length >> 8])
  out.set(new TextEncoder().encode(header), 10)
  out.set(body, 10 + header.length)
  return out
}
