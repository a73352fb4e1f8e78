import { inputFrom, type Model } from '@unravel/resnet'
import { readBytes } from '@unravel/resnet/node'
import { type Backend, FormatError, type Tensor } from '@unravel/tensor'
import { UsageError } from './errors.js'
import { at, type Io } from './io.js'

/** Reads a batch of inputs for a model from a .npy file. Throws FileError, or UsageError naming the file. */
export function readInput(io: Io, path: string, model: Model, dtype: 'f32' | 'f64', backend: Backend): Tensor {
  const bytes = readBytes(at(io, path))
  try {
    return inputFrom(bytes, model, { dtype, backend })
  } catch (error) {
    if (error instanceof FormatError) throw new UsageError(`${path}: ${error.message}`)
    throw error
  }
}
