import type { DType } from '@unravel/kernels'
import { brief, shown } from '../core/messages.js'
import { type ArrayData, elements } from './array.js'
import { FormatError } from './errors.js'
import { decode, encode, itemSize, type StoredType } from './numbers.js'

// Format: 6 bytes of magic, 2 of version, the length of the header (2 bytes in version 1, 4 in 2 and 3), the header — a
// Python dict of descr, fortran_order and shape, padded with spaces to a multiple of 64 — and the numbers.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]

/** NumPy's names of the types of numbers and its letters for them, each after an optional byte order: < = | (little-endian
 *  here) or >. */
const types: Record<string, StoredType> = {
  ...({ f8: 'f64', f4: 'f32', f2: 'f16', d: 'f64', f: 'f32', e: 'f16' } as const),
  ...({ i8: 'i64', i4: 'i32', i2: 'i16', i1: 'i8', q: 'i64', i: 'i32', h: 'i16', b: 'i8' } as const),
  ...({ u8: 'u64', u4: 'u32', u2: 'u16', u1: 'u8', Q: 'u64', I: 'u32', H: 'u16', B: 'u8' } as const),
  ...({ b1: 'bool', '?': 'bool' } as const),
}

/** NumPy's words for them, in the byte order of the machine */
const words: Record<string, StoredType> = {
  ...({ float64: 'f64', float32: 'f32', float16: 'f16', bool: 'bool' } as const),
  ...({ int64: 'i64', int32: 'i32', int16: 'i16', int8: 'i8' } as const),
  ...({ uint64: 'u64', uint32: 'u32', uint16: 'u16', uint8: 'u8' } as const),
}

/** The most bytes of a header that are read, as in NumPy. */
const headerLimit = 10_000

const fail = (message: string): never => {
  throw new FormatError(`npy: ${message}`)
}

/**
 * Reads a NumPy .npy file, in the dtype that holds its numbers exactly or in `dtype`: real numbers of 16, 32 and 64 bits,
 * signed and unsigned integers of 8 to 64, and booleans, in either byte order, in C or Fortran order. Integers of more than
 * 32 bits come as i32 where all of them fit, else as f64; `type` says what the file holds. Throws FormatError for anything
 * that numpy.load refuses, for what is no number, for an integer that f64 does not hold, and for every byte too many or too
 * few.
 */
export function parseNpy(bytes: Uint8Array, dtype?: DType): ArrayData & { readonly type: StoredType } {
  if (bytes.length < 10 || magic.some((b, i) => bytes[i] !== b)) {
    fail('the file does not begin with \\x93NUMPY; expected an array saved by numpy.save')
  }
  const [major, minor] = [bytes[6]!, bytes[7]!]
  if (major < 1 || major > 3 || minor !== 0) {
    fail(`version ${major}.${minor} is unknown; expected 1.0, 2.0 or 3.0`)
  }
  const start = major === 1 ? 10 : 12
  if (bytes.length < start) fail(`the file ends at byte ${bytes.length}, inside of its header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (start + length > bytes.length) {
    fail(`the header claims ${length} bytes from byte ${start}; the file has ${bytes.length}`)
  }
  if (length > headerLimit) fail(`the header claims ${length} bytes; ${headerLimit} are the most that are read`)
  const text = new TextDecoder('latin1').decode(bytes.subarray(start, start + length))
  const { descr, fortran, shape } = parseHeader(text, major < 3)
  const code = descr.replace(/^[<>=|]/, '')
  const named = Object.hasOwn(words, descr) ? words[descr] : Object.hasOwn(types, code) ? types[code] : undefined
  const type = named ?? fail(unknownType(descr))
  const count = elements(shape)
  const dims = `(${brief(shape.join(', '))})`
  if (Number.isNaN(count)) fail(`shape ${dims} has too many elements; expected fewer than 2^53`)
  const body = start + length
  const expected = count * itemSize[type]
  if (!(body + expected === bytes.length)) {
    fail(`shape ${dims} of ${descr} needs ${expected} bytes of data; the file has ${bytes.length - body}`)
  }
  const read = decode(bytes.subarray(body), type, count, dtype, 'npy', descr.startsWith('>'))
  return { shape, dtype: read.dtype, data: fortran ? rowMajor(read.data, shape) : read.data, type }
}

const unknownType = (descr: string) =>
  `dtype ${shown(descr).replaceAll('"', "'")} is not supported; expected f2 to f8, i1 to i8, u1 to u8 or b1, ` +
  "with < or > before it: convert with x.astype('<f8')"

/** The dict of the header: just the three keys, each once, in any order, with literal values. Python 2 puts an L behind
 *  long integers, which NumPy passes over in versions 1 and 2. */
function parseHeader(text: string, python2: boolean): { descr: string; fortran: boolean; shape: number[] } {
  const whole = /^\s*\{(.*)\}\s*$/s.exec(text)
  if (whole === null) fail('the header is not a dict {...}')
  let rest = whole![1]!
  let descr: string | undefined
  let fortran: boolean | undefined
  let shape: number[] | undefined
  const entry =
    /^\s*u?(['"])(descr|fortran_order|shape)\1\s*:\s*(?:u?(['"])([^'"\\]*)\3|(True|False)|\(([\d\sL,]*)\))\s*(?:,|$)/
  const extent = python2 ? /^(?:0+|[1-9]\d*)L?$/ : /^(?:0+|[1-9]\d*)$/
  while (rest.trim() !== '') {
    const m = entry.exec(rest)
    if (m === null) return fail(`the header cannot be read at ${shown(rest.trim().slice(0, 40))}`)
    const [all, , key, , string, bool, tuple] = m
    if (key === 'descr' && string !== undefined && descr === undefined) descr = string
    else if (key === 'fortran_order' && bool !== undefined && fortran === undefined) fortran = bool === 'True'
    else if (key === 'shape' && tuple !== undefined && shape === undefined) {
      const lengths = tuple.split(',').map(s => s.trim())
      // (), and the comma that may close a tuple, and must close one of one element.
      const closed = lengths.at(-1) === ''
      if (closed) lengths.pop()
      if ((lengths.length === 1 && !closed) || !lengths.every(s => extent.test(s))) {
        return fail(`the header has a shape (${brief(tuple)}); expected integers, as in (2, 3) or (2,)`)
      }
      shape = lengths.map(s => Number.parseInt(s, 10))
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
export function formatNpy(array: ArrayData): Uint8Array {
  const { shape, dtype } = array
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const dict = `{'descr': '${names[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`
  const header = `${dict.padEnd(Math.ceil((10 + dict.length + 1) / 64) * 64 - 11)}\n`
  const body = encode(array, 'npy')
  const out = new Uint8Array(10 + header.length + body.length)
  out.set([...magic, 1, 0, header.length & 255, header.length >> 8])
  out.set(new TextEncoder().encode(header), 10)
  out.set(body, 10 + header.length)
  return out
}
