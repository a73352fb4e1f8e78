import type { Model } from '@unravel/resnet'
import { readBytes } from '@unravel/resnet/node'
import { type ArrayData, type Backend, FormatError, parseNpy, type Shape, type Tensor, tensor } from '@unravel/tensor'
import { UsageError } from './errors.js'
import { at, type Io } from './io.js'

/**
 * Reads a batch of inputs for a model from a .npy file: `[batch, …input]` of real numbers, converted to `dtype`, or of
 * integers for models that take ids.
 *
 * @throws UsageError or FormatError naming the file and what was expected of it
 */
export function readInput(io: Io, path: string, model: Model, dtype: 'f32' | 'f64', backend: Backend): Tensor {
  const fail = (message: string): never => {
    throw new UsageError(`${path}: ${message}`)
  }
  const { shape, data, dtype: found } = readArray(io, path)
  const { shape: wanted, kind } = model.architecture.input(model.config)
  const batches = `[${['batch', ...wanted].join(', ')}]`
  const fits = shape.length === wanted.length + 1 && wanted.every((n, i) => typeof n === 'string' || shape[i + 1] === n)
  if (!fits) fail(`the model takes inputs of shape ${batches}, got [${shape.join(', ')}]`)
  if (data.length === 0) fail(`the shape [${shape.join(', ')}] holds no inputs; give at least one`)
  if (kind === 'ids') {
    if (found !== 'i32') fail(`the model takes integer ids (i4 or i8), got ${found}; convert with X.astype('int32')`)
    return tensor(data, { shape, backend })
  }
  if (found === 'i32') fail("the model takes real numbers (f4 or f8), got integers; convert with X.astype('float64')")
  const round = dtype === 'f32' ? Math.fround : (x: number) => x
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!
    if (Number.isFinite(round(x))) continue
    const problem = Number.isFinite(x)
      ? `${x}, beyond the range of f32; use --dtype f64`
      : `${x}; inputs must be finite`
    fail(`element [${indexOf(i, shape).join(', ')}] is ${problem}`)
  }
  return tensor(data, { shape, dtype, backend })
}

/** The array in a .npy file. Throws FileError, or UsageError naming the file. */
export function readArray(io: Io, path: string): ArrayData {
  const bytes = readBytes(at(io, path))
  try {
    return parseNpy(bytes)
  } catch (error) {
    if (error instanceof FormatError) throw new UsageError(`${path}: ${error.message}`)
    throw error
  }
}

/**
 * Checks that the weights of a model are finite in the dtype they were read in.
 *
 * @throws UsageError naming the first that is not
 */
export async function checkWeights(folder: string, { tensors }: Model): Promise<void> {
  for (const [name, t] of Object.entries(tensors)) {
    const data = await t.data()
    const bad = data.findIndex(x => !Number.isFinite(x))
    if (bad < 0) continue
    const at = t.rank === 0 ? '' : `element [${indexOf(bad, t.shape).join(', ')}] of `
    const overflow = t.dtype === 'f32' && !Number.isNaN(data[bad])
    const problem = overflow ? 'beyond the range of f32; use --dtype f64' : `${data[bad]}; weights must be finite`
    throw new UsageError(`${folder}: ${at}tensor "${name}" is ${problem}`)
  }
}

/** The index of element i of a row-major array. */
function indexOf(i: number, shape: Shape): number[] {
  const index: number[] = []
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(i % shape[axis]!)
    i = Math.floor(i / shape[axis]!)
  }
  return index
}
