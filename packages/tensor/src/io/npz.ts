import { unzipSync, zipSync } from 'fflate'
import type { ArrayData } from './array.js'
import { FormatError } from './errors.js'
import { formatNpy, parseNpy } from './npy.js'

/** The bytes of an uncompressed .npz file that numpy.load reads: one .npy a name. */
export function formatNpz(arrays: Readonly<Record<string, ArrayData>>): Uint8Array {
  const entries: Record<string, Uint8Array> = {}
  for (const [name, array] of Object.entries(arrays)) entries[`${name}.npy`] = formatNpy(array)
  // A fixed date: the same arrays give the same bytes.
  return zipSync(entries, { level: 0, mtime: new Date(1980, 0, 1) })
}

/** CRC-32 of IEEE 802.3, which archives keep of every entry: reflected polynomial 0xedb88320. */
function crc32(bytes: Uint8Array): number {
  let crc = -1
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ remainders[(crc ^ bytes[i]!) & 255]!
  return ~crc >>> 0
}
const remainders = /* @__PURE__ */ Int32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = (byte >>> 1) ^ (byte & 1 ? 0xedb88320 : 0)
  return byte
})

/**
 * The checksums of an archive's entries, in the order of its central directory: entries of 46 bytes and a name, an extra
 * field and a comment, each signed PK\1\2, from where the end record PK\5\6 (of files above 4 GiB, PK\6\6) says.
 */
function checksums(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let end = bytes.length - 22
  while (view.getUint32(end, true) !== 0x06054b50) end--
  let at = view.getUint32(end + 16, true)
  if (at === 0xffffffff) at = Number(view.getBigUint64(Number(view.getBigUint64(end - 12, true)) + 48, true))
  const found: number[] = []
  while (view.getUint32(at, true) === 0x02014b50) {
    found.push(view.getUint32(at + 16, true))
    at += 46 + view.getUint16(at + 28, true) + view.getUint16(at + 30, true) + view.getUint16(at + 32, true)
  }
  return found
}

/**
 * Reads a .npz file. `limit` bounds what its entries may inflate to in all (default 4 GiB), so that a small file cannot
 * fill the memory. Throws FormatError for a broken archive, bytes that do not have their checksum, a name twice, or an entry
 * that is no array.
 */
export function parseNpz(bytes: Uint8Array, limit = 2 ** 32): Map<string, ArrayData> {
  const seen = new Set<string>()
  let total = 0
  let files: Record<string, Uint8Array>
  let sums: number[]
  try {
    files = unzipSync(bytes, {
      filter({ name, originalSize }) {
        if (seen.has(name)) throw new FormatError(`npz: "${name}" is in the archive twice`)
        seen.add(name)
        total += originalSize
        if (total > limit) throw new FormatError(`npz: the arrays take more than ${limit} bytes`)
        return true
      },
    })
    sums = checksums(bytes)
  } catch (error) {
    if (error instanceof FormatError) throw error
    throw new FormatError(`npz: the archive is broken (${(error as Error).message}); expected a file of numpy.savez`)
  }
  const arrays = new Map<string, ArrayData>()
  for (const [i, name] of [...seen].entries()) {
    const file = files[name]!
    if (!name.endsWith('.npy')) throw new FormatError(`npz: entry "${name}" is no .npy array`)
    if (crc32(file) !== sums[i]) {
      throw new FormatError(`npz: the bytes of "${name}" do not have their checksum; the file is damaged`)
    }
    arrays.set(name.slice(0, -4), parseNpy(file))
  }
  return arrays
}
