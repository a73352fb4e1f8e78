// A raster as a PNG in a data URI, made without a canvas and without compression: a page of it needs neither a browser nor zlib.

/** An RGB colour, 0..255 each. */
export type Colour = readonly [red: number, green: number, blue: number]

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c
})

function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff
  for (const byte of bytes) c = crcTable[(c ^ byte) & 0xff]! ^ (c >>> 8)
  return ~c >>> 0
}

function adler32(bytes: Uint8Array): number {
  let a = 1
  let b = 0
  for (const byte of bytes) {
    a = (a + byte) % 65521
    b = (b + a) % 65521
  }
  return b * 65536 + a
}

const word = (n: number): number[] => [(n >>> 24) & 0xff, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff]

function joined(parts: readonly ArrayLike<number>[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

function chunk(type: string, data: ArrayLike<number>): Uint8Array {
  const body = joined([Array.from(type, c => c.charCodeAt(0)), data])
  return joined([word(data.length), body, word(crc32(body))])
}

/** A zlib stream of stored blocks, of at most 65,535 bytes each. */
function stored(data: Uint8Array): Uint8Array {
  const parts: ArrayLike<number>[] = [[0x78, 0x01]]
  for (let at = 0; at < data.length; at += 65535) {
    const block = data.subarray(at, at + 65535)
    const last = at + block.length === data.length
    const [high, low] = [block.length >> 8, block.length & 0xff]
    parts.push([last ? 1 : 0, low, high, ~low & 0xff, ~high & 0xff], block)
  }
  parts.push(word(adler32(data)))
  return joined(parts)
}

/**
 * An image `[height][width]` of palette indices as `data:image/png;base64,…`.
 *
 * @param palette at most 256 colours; the first is transparent
 */
export function pngImage(indices: Uint8Array, width: number, height: number, palette: readonly Colour[]): string {
  // Every row begins with its filter: none.
  const rows = new Uint8Array((width + 1) * height)
  for (let y = 0; y < height; y++) rows.set(indices.subarray(y * width, (y + 1) * width), y * (width + 1) + 1)
  const bytes = joined([
    [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    chunk('IHDR', [...word(width), ...word(height), 8, 3, 0, 0, 0]),
    chunk('PLTE', palette.flat()),
    chunk('tRNS', [0]),
    chunk('IDAT', stored(rows)),
    chunk('IEND', []),
  ])
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return `data:image/png;base64,${btoa(text)}`
}
