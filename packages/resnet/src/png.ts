import { inflateSync } from 'node:zlib'
import { FormatError } from '@unravel/tensor'

/** Pixels of a PNG file, `[height, width, channels]`. */
export interface Pixels {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}

const SIGNATURE = '89504e470d0a1a0a'
/** Channels by the colour type of the format: grey, RGB, grey with alpha, RGBA. */
const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 4: 2, 6: 4 }
/** The most bytes that an image may unpack to. */
const LIMIT = 2 ** 30

/** The pixels of a PNG file of 8 bits a channel, without palette and interlace. Throws FormatError for other files. */
export function parsePng(bytes: Uint8Array): Pixels {
  const fail = (message: string): never => {
    throw new FormatError(`png: ${message}`)
  }
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (file.length < 33 || file.toString('hex', 0, 8) !== SIGNATURE || file.toString('latin1', 12, 16) !== 'IHDR') {
    fail('the file does not begin as a PNG image')
  }
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)]
  const [depth, type, , , interlace] = file.subarray(24, 29)
  const channels = channelsOf[type!]
  if (depth !== 8 || channels === undefined || interlace !== 0) {
    return fail(
      `the image has ${depth} bits a channel, colour type ${type} and interlace ${interlace}; expected 8 bits, no palette and no interlace`,
    )
  }
  const parts: Uint8Array[] = []
  for (let at = 8; at + 12 <= file.length; ) {
    const length = file.readUInt32BE(at)
    if (at + 12 + length > file.length) fail(`the file ends inside of a chunk that begins at byte ${at}`)
    if (file.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(file.subarray(at + 8, at + 8 + length))
    at += 12 + length
  }
  const stride = width * channels
  const packed = height * (1 + stride)
  if (packed > LIMIT) fail(`an image of ${width}×${height} pixels is too large`)
  let raw: Uint8Array
  try {
    raw = inflateSync(Buffer.concat(parts), { maxOutputLength: packed })
  } catch (error) {
    return fail(`the pixels do not unpack (${(error as Error).message})`)
  }
  if (raw.length !== packed) fail(`the pixels unpack to ${raw.length} bytes; ${width}×${height} of them need ${packed}`)
  return { width, height, channels, data: unfiltered(raw, height, stride, channels) }
}

/** Rows without the differences to pixels to the left (a), above (b) and between (c) that the format stores. */
function unfiltered(raw: Uint8Array, height: number, stride: number, channels: number): Uint8Array {
  const out = new Uint8Array(height * stride)
  let above = new Uint8Array(stride)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (1 + stride)]!
    const stored = raw.subarray(y * (1 + stride) + 1, (y + 1) * (1 + stride))
    const row = out.subarray(y * stride, (y + 1) * stride)
    if (filter === 0) row.set(stored)
    else if (filter === 1) for (let i = 0; i < stride; i++) row[i] = stored[i]! + (row[i - channels] ?? 0)
    else if (filter === 2) for (let i = 0; i < stride; i++) row[i] = stored[i]! + above[i]!
    else if (filter === 3) {
      for (let i = 0; i < stride; i++) row[i] = stored[i]! + (((row[i - channels] ?? 0) + above[i]!) >> 1)
    } else if (filter === 4) {
      for (let i = 0; i < Math.min(channels, stride); i++) row[i] = stored[i]! + above[i]!
      for (let i = channels; i < stride; i++) {
        row[i] = stored[i]! + paeth(row[i - channels]!, above[i]!, above[i - channels]!)
      }
    } else throw new FormatError(`png: row ${y} has filter ${filter}; expected 0 to 4`)
    above = row
  }
  return out
}

/** Whichever of a, b, c is nearest to a + b − c, the first of equals. */
function paeth(a: number, b: number, c: number): number {
  const pa = Math.abs(b - c)
  const pb = Math.abs(a - c)
  const pc = Math.abs(a + b - 2 * c)
  if (pa <= pb && pa <= pc) return a
  return pb <= pc ? b : c
}
