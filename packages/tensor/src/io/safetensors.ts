import type { DType } from '@unravel/kernels'
import { type ArrayData, elements } from './array.js'
import { FormatError } from './errors.js'
import { decode, encode, itemSize, natural, type StoredType } from './numbers.js'

// Format: 8 bytes n (little-endian), n bytes of JSON { name: { dtype, shape, data_offsets: [begin, end] } }, the data,
// which the offsets (relative to the data) tile without holes or overlaps.
// https://github.com/huggingface/safetensors#format

const types: Record<string, StoredType> = {
  F64: 'f64',
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  I64: 'i64',
  I32: 'i32',
  I16: 'i16',
  I8: 'i8',
  U16: 'u16',
  U8: 'u8',
  BOOL: 'bool',
}
/** The most bytes of JSON that are read, as in the reference implementation. */
const headerLimit = 100_000_000

/** One tensor of a file; its numbers are converted when they are read. */
export interface StoredTensor {
  readonly shape: readonly number[]
  readonly type: StoredType
  /** The numbers as `dtype` (default: the one that holds them exactly). Throws FormatError where they do not fit. */
  read(dtype?: DType): ArrayData
}

const fail = (message: string): never => {
  throw new FormatError(`safetensors: ${message}`)
}

/**
 * Reads the header of a .safetensors file and checks that it describes the file exactly. Nothing is converted or copied
 * until a tensor is read. Throws FormatError naming the tensor or the byte that is wrong.
 */
export function parseSafetensors(bytes: Uint8Array): {
  readonly tensors: ReadonlyMap<string, StoredTensor>
  readonly metadata: Readonly<Record<string, string>>
} {
  if (bytes.length < 8) fail(`the file has ${bytes.length} bytes; expected at least the 8 of the header's length`)
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
  if (length > BigInt(Math.min(bytes.length - 8, headerLimit))) {
    fail(
      `the header claims ${length} bytes; the file has ${bytes.length - 8} after byte 8, and ${headerLimit} are the most`,
    )
  }
  const start = 8 + Number(length)
  const header = parseHeader(bytes.subarray(8, start))
  const data = bytes.subarray(start)
  const tensors = new Map<string, StoredTensor>()
  let metadata: Record<string, string> = {}
  const spans: { name: string; begin: number; end: number }[] = []
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      metadata = parseMetadata(entry)
      continue
    }
    const stored = parseEntry(name, entry, data)
    spans.push({ name, ...stored.span })
    tensors.set(name, stored.tensor)
  }
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let end = 0
  for (const span of spans) {
    if (span.begin !== end) {
      const how = span.begin < end ? 'overlaps the tensor before it' : 'leaves a hole before it'
      fail(`tensor "${span.name}" begins at byte ${span.begin} of the data and ${how}; expected ${end}`)
    }
    end = span.end
  }
  if (end !== data.length) fail(`the tensors take ${end} bytes; the file has ${data.length} after its header`)
  return { tensors, metadata }
}

type Json = Record<string, unknown>
const isObject = (x: unknown): x is Json => typeof x === 'object' && x !== null && !Array.isArray(x)

function parseHeader(bytes: Uint8Array): Json {
  if (bytes[0] !== 0x7b) fail('the header does not begin with {')
  let text = ''
  let header: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    header = JSON.parse(text)
  } catch {
    fail('the header is not JSON')
  }
  if (!isObject(header)) return fail('the header is not a JSON object')
  const repeated = repeatedKey(text)
  if (repeated !== null) fail(`the header names "${repeated}" twice`)
  return header
}

/** A key that one object of valid JSON has twice; JSON.parse would keep the last silently. */
function repeatedKey(text: string): string | null {
  const open: Set<string>[] = []
  for (const m of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g)) {
    const token = m[0]
    if (token === '{' || token === '[') open.push(new Set())
    else if (token === '}' || token === ']') open.pop()
    else if (m[1] !== undefined) {
      const key = JSON.parse(token.slice(0, token.length - m[1].length)) as string
      const seen = open[open.length - 1]!
      if (seen.has(key)) return key
      seen.add(key)
    }
  }
  return null
}

function parseMetadata(entry: unknown): Record<string, string> {
  if (!isObject(entry) || Object.values(entry).some(v => typeof v !== 'string')) {
    return fail('__metadata__ is not an object of strings')
  }
  return entry as Record<string, string>
}

function parseEntry(name: string, entry: unknown, data: Uint8Array) {
  const of = `tensor "${name}"`
  if (!isObject(entry))
    return fail(`${of} is described by ${JSON.stringify(entry)}; expected dtype, shape and data_offsets`)
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string' || !Object.hasOwn(types, dtype)) {
    return fail(`${of} has dtype ${JSON.stringify(dtype)}; expected one of ${Object.keys(types).join(', ')}`)
  }
  const type = types[dtype]!
  const count = Array.isArray(shape) ? elements(shape) : Number.NaN
  if (Number.isNaN(count)) return fail(`${of} has shape ${JSON.stringify(shape)}; expected a list of integers >= 0`)
  const isPair = Array.isArray(offsets) && offsets.length === 2 && offsets.every(o => Number.isSafeInteger(o) && o >= 0)
  if (!isPair) return fail(`${of} has data_offsets ${JSON.stringify(offsets)}; expected [begin, end]`)
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > data.length) {
    return fail(`${of} has data_offsets [${begin}, ${end}]; the data are ${data.length} bytes`)
  }
  if (end - begin !== count * itemSize[type]) {
    return fail(
      `${of} has ${end - begin} bytes; expected ${count * itemSize[type]} for ${dtype} [${shape as number[]}]`,
    )
  }
  const dims = shape as number[]
  const tensor: StoredTensor = {
    shape: dims,
    type,
    read: (to = natural[type]) => ({
      shape: dims,
      dtype: to,
      data: decode(data.subarray(begin, end), type, count, to, `safetensors: ${of}`),
    }),
  }
  return { span: { begin, end }, tensor }
}

const stored: Record<DType, string> = { f64: 'F64', f32: 'F32', i32: 'I32' }

/** The bytes of a .safetensors file: tensors in the order they are given, the header padded with spaces to 8 bytes. */
export function formatSafetensors(
  tensors: Readonly<Record<string, ArrayData>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Json = Object.create(null)
  if (metadata !== undefined) header.__metadata__ = metadata
  const bodies: Uint8Array[] = []
  let offset = 0
  for (const [name, { shape, dtype, data }] of Object.entries(tensors)) {
    if (name === '__metadata__') throw new FormatError('safetensors: a tensor cannot be called __metadata__')
    const body = encode(data)
    header[name] = { dtype: stored[dtype], shape, data_offsets: [offset, offset + body.length] }
    offset += body.length
    bodies.push(body)
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const length = Math.ceil(json.length / 8) * 8
  const out = new Uint8Array(8 + length + offset).fill(0x20, 8 + json.length, 8 + length)
  new DataView(out.buffer).setBigUint64(0, BigInt(length), true)
  out.set(json, 8)
  let at = 8 + length
  for (const body of bodies) {
    out.set(body, at)
    at += body.length
  }
  return out
}
