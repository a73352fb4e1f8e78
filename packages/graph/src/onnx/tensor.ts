import type { ByteSource } from '@unravel/tensor'
import { shown } from '@unravel/tensor/internals'
import type { Constant, ElementType, HostArray } from '../graph.js'
import { arrayOfType, bytesOf, decoded, elementsOf } from '../host.js'
import { type Field, fail, type Protobuf } from './protobuf.js'

/** ONNX's TensorProto.DataType. */
const types: Readonly<Record<number, ElementType>> = {
  ...({ 1: 'f32', 2: 'u8', 3: 'i8', 4: 'u16', 5: 'i16', 6: 'i32', 7: 'i64', 9: 'bool', 10: 'f16', 11: 'f64' } as const),
  ...({ 12: 'u32', 13: 'u64', 16: 'bf16' } as const),
}
const others: Readonly<Record<number, string>> = {
  ...{ 0: 'undefined', 8: 'string', 14: 'complex64', 15: 'complex128', 17: 'float8e4m3fn', 18: 'float8e4m3fnuz' },
  ...{ 19: 'float8e5m2', 20: 'float8e5m2fnuz', 21: 'uint4', 22: 'int4', 23: 'float4e2m1' },
}

/** The element type with a number of ONNX's. */
export function elementType(code: number, what: string): ElementType {
  return types[code] ?? fail(`${what} has elements of ${others[code] ?? `type ${code}`}, which are not supported`)
}

/** ONNX's number of every element type. */
export const typeCodes = Object.fromEntries(
  Object.entries(types).map(([code, type]) => [type, Number(code)]),
) as Record<ElementType, number>

/** Where a file keeps a tensor's numbers: the field of TensorProto that holds its type when raw_data does not. */
const storages: Readonly<Record<ElementType, number>> = {
  ...({ f32: 4, f16: 5, bf16: 5, i32: 5, i16: 5, i8: 5, u16: 5, u8: 5, bool: 5, i64: 7, f64: 10 } as const),
  ...({ u32: 11, u64: 11 } as const),
}
const names: Readonly<Record<number, string>> = {
  ...{ 4: 'float_data', 5: 'int32_data', 7: 'int64_data', 10: 'double_data', 11: 'uint64_data' },
}

/** A TensorProto: its name, and its numbers when they are read. Files beside the model are reached through `beside`. */
export function readTensor(
  proto: Protobuf,
  field: Field,
  beside: ((path: string) => ByteSource) | undefined,
  known?: string,
): Constant & { readonly name: string } {
  let name = known ?? ''
  let code = 0
  let raw: Field | undefined
  let location = 0n
  const dims: Field[] = []
  const data = new Map<number, Field[]>()
  const external = new Map<string, string>()
  for (const f of proto.message(field)) {
    if (f.number === 1) dims.push(f)
    else if (f.number === 2) code = Number(proto.integer(f))
    else if (f.number === 3) fail('a tensor is cut into segments, which are not supported')
    else if (f.number === 8) name = known ?? proto.text(f)
    else if (f.number === 9) raw = f
    else if (f.number === 13) {
      const [key, value] = entryOf(proto, f)
      external.set(key, value)
    } else if (f.number === 14) location = proto.integer(f)
    else if (f.number in names) data.set(f.number, [...(data.get(f.number) ?? []), f])
  }
  const what = `tensor ${shown(name)}`
  const shape: number[] = []
  for (const n of proto.varints(dims)) {
    if (shape.length === 64) fail(`${what} has more than 64 axes`)
    if (n >= 2n ** 53n) fail(`${what} has an axis of ${BigInt.asIntN(64, n)} elements`)
    shape.push(Number(n))
  }
  const type = elementType(code, what)
  const count = elementsOf(shape)
  if (!Number.isSafeInteger(count)) fail(`${what} has shape [${shape}], more than 2^53 elements`)
  const bytes = bytesOf(type, count)
  if (location === 1n)
    return { name, type, shape, read: () => decoded(type, shape, outside(external, bytes, beside, what)) }
  const stored = data.get(storages[type])
  if (raw === undefined || (raw.end === raw.begin && stored !== undefined)) {
    const fields = stored ?? []
    return { name, type, shape, read: () => numbers(proto, fields, type, shape, count, what) }
  }
  const at = raw
  if (at.wire !== 2 || at.end - at.begin !== bytes) {
    fail(`${what} has shape [${shape}] of ${type}, ${bytes} bytes; its raw_data has ${at.end - at.begin}`)
  }
  return { name, type, shape, read: () => decoded(type, shape, proto.bytes(at.begin, at.end)) }
}

/** StringStringEntryProto. */
export function entryOf(proto: Protobuf, field: Field): [key: string, value: string] {
  let [key, value] = ['', '']
  for (const f of proto.message(field)) {
    if (f.number === 1) key = proto.text(f)
    else if (f.number === 2) value = proto.text(f)
  }
  return [key, value]
}

/** Numbers in one of the typed fields. */
function numbers(
  proto: Protobuf,
  fields: readonly Field[],
  type: ElementType,
  shape: readonly number[],
  count: number,
  what: string,
): HostArray {
  const wrong = (n: number | string) =>
    fail(`${what} has shape [${shape}], ${count} elements; its ${names[storages[type]]} has ${n}`)
  if (type === 'f32' || type === 'f64') {
    const bytes = proto.fixed(fields, type === 'f32' ? 4 : 8)
    if (bytes.length !== bytesOf(type, count)) wrong(bytes.length / bytesOf(type, 1))
    return decoded(type, shape, bytes)
  }
  // A varint has at least one byte: the file's length bounds the shape before memory is allocated.
  const most = fields.reduce((n, f) => n + f.end - f.begin, 0)
  if (count > most) wrong(`at most ${most}`)
  // Half precision is stored as the bits of it.
  const bits = type === 'f16' || type === 'bf16'
  const array = arrayOfType(bits ? 'u16' : type, count)
  let i = 0
  for (const v of proto.varints(fields)) {
    if (i === count) wrong('more')
    // Typed arrays keep the bits that they have; of 64 bits, all.
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[i] = v
    else array[i] = type === 'bool' ? Number(v !== 0n) : Number(BigInt.asIntN(32, v))
    i++
  }
  if (i !== count) wrong(i)
  if (!bits) return { type, shape, data: array }
  return decoded(type, shape, new Uint8Array(array.buffer))
}

/** Bytes in a file beside the model. */
function outside(
  where: ReadonlyMap<string, string>,
  bytes: number,
  beside: ((path: string) => ByteSource) | undefined,
  what: string,
): Uint8Array {
  const path = where.get('location') ?? fail(`${what} is kept outside of the file, and no location is given`)
  const inside = !/^([\\/]|[A-Za-z]:)/.test(path) && !path.split(/[\\/]/).includes('..')
  if (!inside) fail(`${what} is kept in ${shown(path)}; expected a path inside of the model's folder`)
  const number = (key: string, missing: number) => {
    const text = where.get(key)
    if (text === undefined) return missing
    const n = /^\d+$/.test(text) ? Number(text) : Number.NaN
    return Number.isSafeInteger(n) ? n : fail(`${what} has external ${key} ${shown(text)}; expected a number of bytes`)
  }
  if (beside === undefined)
    return fail(`${what} is kept in ${shown(path)} beside the model, which was read without its folder`)
  const source = beside(path)
  const begin = number('offset', 0)
  const length = number('length', bytes)
  if (length !== bytes) fail(`${what} has ${bytes} bytes; ${length} are kept in ${shown(path)}`)
  if (begin + bytes > source.size) {
    fail(`${what} ends at byte ${begin + bytes} of ${shown(path)}, which has ${source.size}`)
  }
  return source.read(begin, begin + bytes)
}
