/** A number at a step, under the name of its plot. */
export interface Scalar {
  readonly tag: string
  readonly step: number
  readonly value: number
}

/**
 * A file of TensorBoard's events: records of `Event{wall_time, step, summary{value{tag, simple_value}}}` in TFRecord framing
 * (length, masked CRC-32C of it, data, masked CRC-32C of them). TensorBoard sorts by wall time: `step` stands for the seconds,
 * so that equal runs are equal files.
 */
export function eventFile(scalars: readonly Scalar[]) {
  const version = message(double(1, 0), bytes(3, utf8('brain.Event:2')))
  const events = scalars.map(({ tag, step, value }) =>
    message(
      double(1, step),
      integer(2, step),
      bytes(5, message(bytes(1, message(bytes(1, utf8(tag)), float(2, value))))),
    ),
  )
  return Buffer.concat([version, ...events].map(framed))
}

/** A name that TensorBoard takes for events: it looks for `tfevents`. */
export const eventFileName = 'events.out.tfevents.0.unravel'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const message = (...fields: Uint8Array[]): Uint8Array => Buffer.concat(fields)

/** Protocol buffers: a key of field number and wire type, then the value. */
const key = (field: number, wire: 0 | 1 | 2 | 5): number[] => varint((field << 3) | wire)
const integer = (field: number, value: number): Uint8Array => Uint8Array.from([...key(field, 0), ...varint(value)])
const bytes = (field: number, value: Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.from([...key(field, 2), ...varint(value.length)]), value])
const double = (field: number, value: number): Uint8Array =>
  Buffer.concat([Uint8Array.from(key(field, 1)), new Uint8Array(Float64Array.of(value).buffer)])
const float = (field: number, value: number): Uint8Array =>
  Buffer.concat([Uint8Array.from(key(field, 5)), new Uint8Array(Float32Array.of(value).buffer)])

function varint(value: number): number[] {
  const digits = []
  for (; value >= 128; value = Math.floor(value / 128)) digits.push((value % 128) | 128)
  return [...digits, value]
}

function framed(data: Uint8Array): Uint8Array {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(data.length))
  return Buffer.concat([length, masked(length), data, masked(data)])
}

function masked(data: Uint8Array): Uint8Array {
  const crc = crc32c(data)
  const out = Buffer.alloc(4)
  out.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0)
  return out
}

/** Castagnoli's polynomial, reflected. */
const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1
  return c >>> 0
})

export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of data) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
