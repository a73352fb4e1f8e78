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

/**
 * Reads a .npz file. `limit` bounds what its entries may inflate to in all (default 4 GiB), so that a small file cannot
 * fill the memory. Throws FormatError for a broken archive, a name twice, or an entry that is no array.
 */
export function parseNpz(bytes: Uint8Array, limit = 2 ** 32): Map<string, ArrayData> {
  const seen = new Set<string>()
  let total = 0
  let files: Record<string, Uint8Array>
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
  } catch (error) {
    if (error instanceof FormatError) throw error
    throw new FormatError(`npz: the archive is broken (${(error as Error).message}); expected a file of numpy.savez`)
  }
  const arrays = new Map<string, ArrayData>()
  for (const [name, file] of Object.entries(files)) {
    if (!name.endsWith('.npy')) throw new FormatError(`npz: entry "${name}" is no .npy array`)
    arrays.set(name.slice(0, -4), parseNpy(file))
  }
  return arrays
}
