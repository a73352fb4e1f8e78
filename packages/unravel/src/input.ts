import { readFileSync } from 'node:fs'
import type { Model } from '@unravel/resnet'
import { type Backend, type DType, parseNpy, type Tensor, tensor } from '@unravel/tensor'
import { UsageError } from './errors.js'
import { at, type Io } from './io.js'

/**
 * Reads a batch of inputs for a model from a .npy file: `[batch, …input]`, f4 or f8 (converted to `dtype`), or i4 or i8
 * for models that take ids.
 *
 * @throws UsageError or FormatError naming the file and what was expected of it
 */
export function readInput(io: Io, path: string, model: Model, dtype: 'f32' | 'f64', backend: Backend): Tensor {
  const array = parseNpy(readFileSync(at(io, path)), path)
  const { shape: wanted, kind } = model.architecture.input(model.config)
  const batches = `[batch, ${wanted.join(', ')}]`
  const found = `[${array.shape.join(', ')}]`
  const fits =
    array.shape.length === wanted.length + 1 &&
    wanted.every((extent, i) => typeof extent === 'string' || array.shape[i + 1] === extent)
  if (!fits) throw new UsageError(`${path}: the model takes inputs of shape ${batches}, got ${found}`)
  if (array.shape.some(extent => extent === 0)) {
    throw new UsageError(`${path}: the shape ${found} holds no inputs; give at least one`)
  }
  const integers = array.dtype === 'i4' || array.dtype === 'i8'
  if (integers !== (kind === 'ids')) {
    throw new UsageError(
      kind === 'ids'
        ? `${path}: the model takes integer ids (i4 or i8), got ${array.dtype}`
        : `${path}: the model takes real numbers (f4 or f8), got ${array.dtype}; convert it, for example X.astype('float64')`,
    )
  }
  const to: DType = kind === 'ids' ? 'i32' : dtype
  const x = tensor(array.data, { shape: array.shape, dtype: to, backend })
  return x
}
