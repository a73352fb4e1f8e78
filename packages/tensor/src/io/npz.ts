import { unzipSync, zipSync } from 'fflate'
import { brief, shown } from '../core/messages.js'
import type { ArrayData } from './array.js'
import { FormatError } from './errors.js'
import { formatNpy, parseNpy } from './npy.js'
import { crc32 } from './zip.js'

/** The bytes of an uncompressed .npz file that numpy.load reads: one .npy a name. */
export function formatNpz(arrays: Readonly<Record<string, ArrayData>>): Uint8Array {
  const entries: Record<string, Uint8Array> = {}
  for (const [name, array] of Object.entries(arrays)) entries[`${name}.npy`] = formatNpy(array)
  // A fixed date: the same arrays give the same bytes.
  return zipSync(entries, { level: 0, mtime: new Date(1980, 0, 1) })
}

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
 * Reads a .npz file, or just the arrays called `names` of it: then the others may be of any kind, or damaged. `limit`
 * bounds what the entries that are read may inflate to in all (default 4 GiB), so that a small file cannot fill the memory.
 * Throws FormatError for a broken archive or a name twice, and, naming the entry, for bytes that do not have their
 * checksum, an entry that is no array, and a name that is not there.
 */
export function parseNpz(bytes: Uint8Array, limit = 2 ** 32, names?: readonly string[]): Map<string, ArrayData> {
  const wanted = names && new Set(names.map(name => `${name}.npy`))
  const seen = new Set<string>()
  let total = 0
  let entry = ''
  const fail = (message: string): never => {
    throw new FormatError(`npz: ${message}`)
  }
  let files: Record<string, Uint8Array>
  let sums: number[]
  try {
    files = unzipSync(bytes, {
      filter({ name, originalSize }) {
        if (seen.has(name)) fail(`${shown(name)} is in the archive twice`)
        seen.add(name)
        if (wanted?.has(name) === false) return false
        // Inflated as soon as this returns: what goes wrong next is of this entry.
        entry = `entry ${shown(name)} of `
        total += originalSize
        if (total > limit) fail(`the arrays take more than ${limit} bytes`)
        return true
      },
    })
    sums = checksums(bytes)
  } catch (error) {
    if (error instanceof FormatError) throw error
    return fail(`${entry}the archive is broken (${(error as Error).message}); expected a file of numpy.savez`)
  }
  const arrays = new Map<string, ArrayData>()
  for (const [i, name] of [...seen].entries()) {
    const file = files[name]
    if (file === undefined) continue
    if (!name.endsWith('.npy')) fail(`entry ${shown(name)} is no .npy array`)
    if (crc32(file) !== sums[i]) {
      fail(`the bytes of ${shown(name)} do not have their checksum; the file is damaged`)
    }
    const { shape, dtype, data } = inEntry(name, () => parseNpy(file))
    arrays.set(name.slice(0, -4), { shape, dtype, data })
  }
  for (const name of names ?? []) {
    if (!arrays.has(name)) fail(`there is no array ${shown(name)}; there are ${brief([...seen].join(', '), 400)}`)
  }
  return arrays
}

function inEntry<T>(name: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`npz: entry ${shown(name)}: ${error.message}`)
    throw error
  }
}
