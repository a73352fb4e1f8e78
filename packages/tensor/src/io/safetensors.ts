import type { DType } from '@unravel/kernels'
import { brief, shown } from '../core/messages.js'
import { type ArrayData, elements } from './array.js'
import { FormatError } from './errors.js'
import { decodeFrom, encode, itemSize, type StoredType } from './numbers.js'
import { type ByteSource, sourceOf } from './source.js'

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
  U64: 'u64',
  U32: 'u32',
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
  /** The numbers as `dtype` (default: the one that holds them exactly;
   *  of integers of more than 32 bits, i32 where all fit, else f64). Throws FormatError where they do not fit. */
  read(dtype?: DType): ArrayData
}

const fail = (message: string): never => {
  throw new FormatError(`safetensors: ${message}`)
}

/**
 * Reads the header of a .safetensors file and checks that it describes the file exactly. Nothing is converted or copied
 * until a tensor is read. Throws FormatError naming the tensor or the byte that is wrong.
 */
export function parseSafetensors(file: Uint8Array | ByteSource): {
  readonly tensors: ReadonlyMap<string, StoredTensor>
  readonly metadata: Readonly<Record<string, string>>
} {
  const source = file instanceof Uint8Array ? sourceOf(file) : file
  const { size } = source
  if (size < 8) fail(`the file has ${size} bytes; expected at least the 8 of the header's length`)
  const first = source.read(0, 8)
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true)
  if (length > BigInt(Math.min(size - 8, headerLimit))) {
    fail(`the header claims ${length} bytes; the file has ${size - 8} after byte 8, and ${headerLimit} are the most`)
  }
  const start = 8 + Number(length)
  const header = parseHeader(source.read(8, start))
  const data: ByteSource = {
    size: size - start,
    read: (begin, end) => source.read(start + begin, start + end),
  }
  const tensors = new Map<string, StoredTensor>()
  let metadata: Record<string, string> = {}
  const spans: { name: string; begin: number; end: number }[] = []
  for (const name of Object.keys(header)) {
    const entry = header[name]
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
      fail(`tensor ${shown(span.name)} begins at byte ${span.begin} of the data and ${how}; expected ${end}`)
    }
    end = span.end
  }
  if (end !== data.size) fail(`the tensors take ${end} bytes; the file has ${data.size} after its header`)
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
  // JSON.parse keeps the last of two equal keys in silence: then the text has more keys than what it means.
  if (colons(bytes) !== keysWithin(header)) fail(`the header names ${shown(repeatedKey(text))} twice`)
  return header
}

/** The colons of valid JSON that are outside of strings: one a key. */
function colons(json: Uint8Array): number {
  let count = 0
  for (let at = 0; at < json.length; at++) {
    if (json[at] === COLON) count++
    else if (json[at] === QUOTE) for (at++; json[at] !== QUOTE; at++) if (json[at] === BACKSLASH) at++
  }
  return count
}

/** The keys of all objects inside of a value. */
function keysWithin(value: object): number {
  let count = 0
  const rest: object[] = [value]
  for (let of = rest.pop(); of !== undefined; of = rest.pop()) {
    if (!Array.isArray(of)) count += Object.keys(of).length
    for (const inner of Object.values(of)) if (typeof inner === 'object' && inner !== null) rest.push(inner)
  }
  return count
}

/** The first key that one object of valid JSON has twice. */
function repeatedKey(text: string): string | undefined {
  /** Keys so far of the open objects. */
  const open: Set<string>[] = []
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at)
    if (c === OPEN_BRACE) open.push(new Set())
    else if (c === CLOSE_BRACE) open.pop()
    else if (c === QUOTE) {
      const begin = at
      for (at++; text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++
      const end = at + 1
      while (isSpace(text.charCodeAt(at + 1))) at++
      if (text.charCodeAt(at + 1) !== COLON) continue
      const key = JSON.parse(text.slice(begin, end)) as string
      if (open.at(-1)!.has(key)) return key
      open.at(-1)!.add(key)
    }
  }
}
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const isSpace = (c: number): boolean => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09

/** Absent and null are none, as in the reference implementation. */
function parseMetadata(entry: unknown): Record<string, string> {
  if (entry === null) return {}
  if (!isObject(entry) || Object.values(entry).some(v => typeof v !== 'string')) {
    return fail('__metadata__ is not an object of strings')
  }
  return entry as Record<string, string>
}

function parseEntry(name: string, entry: unknown, data: ByteSource) {
  const refuse = (message: string) => fail(`tensor ${shown(name)} ${message}`)
  if (!isObject(entry)) return refuse(`is described by ${shown(entry)}; expected dtype, shape and data_offsets`)
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string' || !Object.hasOwn(types, dtype)) {
    return refuse(`has dtype ${shown(dtype)}; expected one of ${Object.keys(types).join(', ')}`)
  }
  const type = types[dtype]!
  const count = Array.isArray(shape) ? elements(shape) : Number.NaN
  if (Number.isNaN(count)) return refuse(`has shape ${shown(shape)}; expected a list of integers >= 0`)
  const isPair = Array.isArray(offsets) && offsets.length === 2 && offsets.every(o => Number.isSafeInteger(o) && o >= 0)
  if (!isPair) return refuse(`has data_offsets ${shown(offsets)}; expected [begin, end]`)
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > data.size) {
    return refuse(`has data_offsets [${begin}, ${end}]; the data are ${data.size} bytes`)
  }
  if (end - begin !== count * itemSize[type]) {
    return refuse(`has ${end - begin} bytes; expected ${count * itemSize[type]} for ${dtype} [${brief(String(shape))}]`)
  }
  const dims = shape as number[]
  const tensor: StoredTensor = {
    shape: dims,
    type,
    read: to => ({
      shape: dims,
      ...decodeFrom(data, begin, type, count, to, `safetensors: tensor ${shown(name)}`),
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
  for (const [name, array] of Object.entries(tensors)) {
    if (name === '__metadata__') throw new FormatError('safetensors: a tensor cannot be called __metadata__')
    const { shape, dtype } = array
    const body = encode(array, `safetensors: tensor ${shown(name)}`)
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
