import { inputFrom, type Model } from '@unravel/resnet'
import { readBytes } from '@unravel/resnet/node'
import { type ArrayData, type Backend, FormatError, parseNpy, parseNpz, type Tensor } from '@unravel/tensor'
import { UsageError } from './errors.js'
import { at, type Io } from './io.js'

/** Reads a batch of inputs for a model from a .npy file. Throws FileError, or UsageError naming the file. */
export const readInput = (io: Io, path: string, model: Model, dtype: 'f32' | 'f64', backend: Backend): Tensor =>
  read(io, path, bytes => inputFrom(bytes, model, { dtype, backend }))

/** The array in a .npy file, and its type there. Throws FileError, or UsageError naming the file. */
export const readArray = (io: Io, path: string) => read(io, path, bytes => parseNpy(bytes))

/** The array of that name in a .npz file, or its only one. Throws FileError, or UsageError naming the file. */
export const readArrayNamed = (io: Io, path: string, name: string): ArrayData => {
  const arrays = read(io, path, parseNpz)
  const found = arrays.get(name) ?? (arrays.size === 1 ? [...arrays.values()][0] : undefined)
  if (found !== undefined) return found
  const names = [...arrays.keys()].slice(0, 8).join(', ')
  throw new UsageError(`${path}: expected an array "${name}", or only one; the file has ${names || 'none'}`)
}

function read<T>(io: Io, path: string, parse: (bytes: Uint8Array) => T): T {
  const bytes = readBytes(at(io, path))
  try {
    return parse(bytes)
  } catch (error) {
    if (error instanceof FormatError) throw new UsageError(`${path}: ${error.message}`)
    throw error
  }
}
