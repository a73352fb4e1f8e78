import type { ByteSource } from './source.js'

// Archives end with a record PK\5\6 that says where their central directory lies (above 4 GiB: PK\6\6 before it), a list
// of PK\1\2 entries; each points to a local header PK\3\4, after which the bytes of the entry come.

/** An entry of an archive, whose bytes are stored as they are. */
export interface ZipEntry {
  readonly name: string
  readonly size: number
  readonly crc32: number
  /** Place of the entry's first byte. */
  readonly begin: number
}

/**
 * The entries of an archive that holds its files uncompressed, by name. Throws an error of `fail` where the archive is
 * broken, compresses an entry or names one twice.
 */
export function zipEntries(source: ByteSource, fail: (message: string) => never): Map<string, ZipEntry> {
  const { size } = source
  const view = (begin: number, length: number): DataView => {
    if (!(begin >= 0) || begin + length > size) fail(`the archive points to byte ${begin}; the file has ${size} bytes`)
    const bytes = source.read(begin, begin + length)
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
  if (size < 22) fail(`the file has ${size} bytes; expected an archive`)
  const reach = Math.min(size, 22 + 0xffff)
  const tail = view(size - reach, reach)
  let end = reach - 22
  while (end >= 0 && tail.getUint32(end, true) !== 0x06054b50) end--
  if (end < 0) fail('the archive has no end record; the file is cut off')
  let count = tail.getUint16(end + 10, true)
  let length = tail.getUint32(end + 12, true)
  let at = tail.getUint32(end + 16, true)
  if (at === 0xffffffff || count === 0xffff || length === 0xffffffff) {
    const locator = view(size - reach + end - 20, 20)
    if (locator.getUint32(0, true) !== 0x07064b50) fail('the archive has no zip64 end record')
    const record = view(Number(locator.getBigUint64(8, true)), 56)
    count = Number(record.getBigUint64(32, true))
    length = Number(record.getBigUint64(40, true))
    at = Number(record.getBigUint64(48, true))
  }
  // Every entry takes 46 bytes and its name: a count that the directory cannot hold is refused before it is walked.
  if (count * 46 > length) fail(`the archive claims ${count} entries in a directory of ${length} bytes`)
  const directory = view(at, length)
  const decoder = new TextDecoder()
  const entries = new Map<string, ZipEntry>()
  let p = 0
  for (let i = 0; i < count; i++) {
    if (p + 46 > length || directory.getUint32(p, true) !== 0x02014b50) fail(`entry ${i} of the archive is damaged`)
    const method = directory.getUint16(p + 10, true)
    const crc32 = directory.getUint32(p + 16, true)
    let stored = directory.getUint32(p + 20, true)
    let bytes = directory.getUint32(p + 24, true)
    const nameLength = directory.getUint16(p + 28, true)
    const extraLength = directory.getUint16(p + 30, true)
    const next = p + 46 + nameLength + extraLength + directory.getUint16(p + 32, true)
    let local = directory.getUint32(p + 42, true)
    if (next > length) fail(`entry ${i} of the archive is damaged`)
    const name = decoder.decode(new Uint8Array(directory.buffer, directory.byteOffset + p + 46, nameLength))
    // Sizes and places above 4 GiB stand in the extra field 1, those that do not fit in this order.
    for (let e = p + 46 + nameLength, last = e + extraLength; e + 4 <= last; ) {
      const id = directory.getUint16(e, true)
      const fieldEnd = e + 4 + directory.getUint16(e + 2, true)
      if (id === 1) {
        let f = e + 4
        const wide = (narrow: number): number => {
          if (narrow !== 0xffffffff || f + 8 > Math.min(fieldEnd, last)) return narrow
          f += 8
          return Number(directory.getBigUint64(f - 8, true))
        }
        bytes = wide(bytes)
        stored = wide(stored)
        local = wide(local)
      }
      e = fieldEnd
    }
    p = next
    if (name.endsWith('/')) continue
    if (method !== 0 || stored !== bytes) fail(`entry "${name}" is compressed; expected stored entries`)
    if (entries.has(name)) fail(`"${name}" is in the archive twice`)
    const header = view(local, 30)
    if (header.getUint32(0, true) !== 0x04034b50) fail(`entry "${name}" has no header at byte ${local}`)
    const begin = local + 30 + header.getUint16(26, true) + header.getUint16(28, true)
    if (begin + bytes > size) fail(`entry "${name}" ends at byte ${begin + bytes}; the file has ${size}`)
    entries.set(name, { name, size: bytes, crc32, begin })
  }
  return entries
}

/** CRC-32 of IEEE 802.3, which archives keep of every entry: reflected polynomial 0xedb88320. `crc` is the result for the
 *  bytes before these. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  crc = ~crc
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ remainders[(crc ^ bytes[i]!) & 255]!
  return ~crc >>> 0
}
const remainders = /* @__PURE__ */ Int32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = (byte >>> 1) ^ (byte & 1 ? 0xedb88320 : 0)
  return byte
})
