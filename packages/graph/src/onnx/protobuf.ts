import { type ByteSource, FormatError } from '@unravel/tensor'

// Protocol buffers, as far as ONNX needs them: a message is a list of fields, each a varint (number << 3 | wire type) and a
// varint (0), 8 bytes (1), bytes after their length (2), or 4 bytes (5).
// https://protobuf.dev/programming-guides/encoding/

export const fail = (message: string): never => {
  throw new FormatError(`onnx: ${message}`)
}

/** One field of a message. A varint's or a number's bytes, or those of a string, a message or packed numbers, lie from `begin`
 *  to before `end`. */
export interface Field {
  readonly number: number
  readonly wire: 0 | 1 | 2 | 5
  readonly begin: number
  readonly end: number
}

const WINDOW = 1 << 16
/** The largest number of fields of a file: a message of 2 bytes costs many in memory. */
const MOST_FIELDS = 1 << 23

/** A file of messages that is read piece by piece. */
export class Protobuf {
  readonly #source: ByteSource
  #window: Uint8Array = new Uint8Array(0)
  #from = 0
  #fields = 0

  constructor(source: ByteSource) {
    this.#source = source
  }

  get size(): number {
    return this.#source.size
  }

  bytes(begin: number, end: number): Uint8Array {
    return this.#source.read(begin, end)
  }

  text({ begin, end, wire, number }: Field): string {
    if (wire !== 2) return fail(`field ${number} at byte ${begin} is no string`)
    if (end - begin > 1 << 20) return fail(`the string at byte ${begin} has ${end - begin} bytes; 2^20 are the most`)
    return new TextDecoder().decode(this.bytes(begin, end))
  }

  byte(at: number): number {
    const i = at - this.#from
    if (i >= 0 && i < this.#window.length) return this.#window[i]!
    this.#from = at
    this.#window = this.bytes(at, Math.min(at + WINDOW, this.size))
    return this.#window[0] ?? fail(`the file ends at byte ${this.size}, inside of a field`)
  }

  /** The place after a varint at `at`, which must end before `end`. */
  skipVarint(at: number, end: number): number {
    for (let i = 0; i < 10 && at + i < end; i++) if (this.byte(at + i) < 0x80) return at + i + 1
    return fail(`the number at byte ${at} does not end within 10 bytes of its message`)
  }

  /** A varint of up to 64 bits, unsigned. */
  varint(at: number): bigint {
    let value = 0n
    for (let i = 0; i < 10; i++) {
      const b = this.byte(at + i)
      value |= BigInt(b & 0x7f) << BigInt(7 * i)
      if (b < 0x80) break
    }
    return BigInt.asUintN(64, value)
  }

  /** A length, a number of a field: a varint that must be small. */
  #small(at: number): number {
    let value = 0
    for (let i = 0; i < 10; i++) {
      const b = this.byte(at + i)
      value += (b & 0x7f) * 2 ** (7 * i)
      if (b < 0x80) break
    }
    return value
  }

  /** The fields of the message from `begin` to before `end`, in order. Groups, which ONNX has none of, are refused. */
  *fields(begin: number, end: number): Generator<Field> {
    for (let at = begin; at < end; ) {
      if (++this.#fields > MOST_FIELDS) fail(`the file has more than ${MOST_FIELDS} fields outside of its weights`)
      const start = at
      at = this.skipVarint(at, end)
      const key = this.#small(start)
      const [number, wire] = [Math.floor(key / 8), key % 8]
      if (number === 0 || number >= 2 ** 29) fail(`the field at byte ${start} has number ${number}`)
      let from = at
      if (wire === 0) at = this.skipVarint(at, end)
      else if (wire === 1) at += 8
      else if (wire === 5) at += 4
      else if (wire === 2) {
        from = this.skipVarint(at, end)
        at = from + this.#small(at)
      } else fail(`the field at byte ${start} has wire type ${wire}; expected 0, 1, 2 or 5`)
      if (at > end) fail(`field ${number} at byte ${start} ends at byte ${at}; its message ends at ${end}`)
      yield { number, wire: wire as Field['wire'], begin: from, end: at }
    }
  }

  /** The fields of a message that is a field. */
  message(field: Field): Generator<Field> {
    if (field.wire !== 2) fail(`field ${field.number} at byte ${field.begin} is no message`)
    return this.fields(field.begin, field.end)
  }

  /** A signed 64-bit integer. */
  integer({ number, wire, begin }: Field): bigint {
    if (wire !== 0) fail(`field ${number} at byte ${begin} is no integer`)
    return BigInt.asIntN(64, this.varint(begin))
  }

  float({ number, wire, begin, end }: Field): number {
    if (wire !== 5) fail(`field ${number} at byte ${begin} is no float`)
    const bytes = this.bytes(begin, end)
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true)
  }

  /** Varints of repeated fields, packed or one by one. */
  *varints(fields: readonly Field[]): Generator<bigint> {
    for (const { wire, number, begin, end } of fields) {
      if (wire !== 0 && wire !== 2) fail(`field ${number} at byte ${begin} is no list of integers`)
      for (let at = begin; at < end; at = this.skipVarint(at, end)) {
        this.skipVarint(at, end)
        yield this.varint(at)
      }
    }
  }

  /** The bytes of repeated numbers of a fixed size, packed or one by one. */
  fixed(fields: readonly Field[], size: 4 | 8): Uint8Array {
    const wire = size === 4 ? 5 : 1
    const bytes = fields.reduce((n, f) => n + f.end - f.begin, 0)
    const out = new Uint8Array(bytes)
    let at = 0
    for (const f of fields) {
      if ((f.wire !== 2 && f.wire !== wire) || (f.end - f.begin) % size !== 0) {
        fail(`field ${f.number} at byte ${f.begin} is no list of numbers of ${size} bytes`)
      }
      out.set(this.bytes(f.begin, f.end), at)
      at += f.end - f.begin
    }
    return out
  }
}
