import { type Backend, defaultBackend, FormatError, parseNpy, type Tensor, tensor } from '@unravel/tensor'
import { brief } from '@unravel/tensor/internals'
import type { Model } from './architecture.js'
import { checkFinite } from './finite.js'

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
  const { shape, data, dtype: found, type } = parseNpy(npy)
  const { shape: wanted, kind } = model.architecture.input(model.config)
  const dims = `[${brief(shape.join(', '))}]`
  const batches = `[${['batch', ...wanted].join(', ')}]`
  const fits = shape.length === wanted.length + 1 && wanted.every((n, i) => typeof n === 'string' || shape[i + 1] === n)
  if (!fits) fail(`the model takes inputs of shape ${batches}, got ${dims}`)
  if (data.length === 0) fail(`the shape ${dims} holds no inputs; give at least one`)
  const integers = !type.startsWith('f')
  if (kind === 'ids') {
    if (!integers) fail(`the model takes integer ids (i4 or i8), got ${found}; convert with X.astype('int32')`)
    // Read again as i32, wide integers that did not fit are refused by name.
    return tensor(found === 'i32' ? data : parseNpy(npy, 'i32').data, { shape, backend })
  }
  if (integers) fail("the model takes real numbers (f4 or f8), got integers; convert with X.astype('float64')")
  checkFinite(data, shape, dtype, 'inputs')
  return tensor(data, { shape, dtype, backend })
}
