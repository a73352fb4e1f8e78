import { type Backend, defaultBackend, FormatError, parseNpy, type Shape, type Tensor, tensor } from '@unravel/tensor'
import type { Model } from './architecture.js'

/**
 * A batch of inputs for a model from the bytes of a .npy file: `[batch, …input]` of real numbers, converted to `dtype`, or
 * of integers for models that take ids.
 *
 * @throws FormatError saying what the file holds and what was expected of it
 */
export function inputFrom(
  npy: Uint8Array,
  model: Model,
  { dtype = 'f32', backend = defaultBackend() }: { readonly dtype?: 'f32' | 'f64'; readonly backend?: Backend } = {},
): Tensor {
  const fail = (message: string): never => {
    throw new FormatError(message)
  }
  const { shape, data, dtype: found } = parseNpy(npy)
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
    const problem = Number.isFinite(x) ? `${x}, beyond the range of f32; use f64` : `${x}; inputs must be finite`
    fail(`element [${indexOf(i, shape).join(', ')}] is ${problem}`)
  }
  return tensor(data, { shape, dtype, backend })
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
