import { type Backend, defaultBackend, FormatError, parseNpy, Random, type Tensor, tensor } from '@unravel/tensor'
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

/** Positions, and sides of an image, where a network leaves them open. */
const OPEN = { sequence: 8, side: 64 }

/** One input of a network, drawn from a seed: ids of its vocabulary, or normal numbers. */
export function drawnInput(
  model: Model,
  { dtype = 'f32', backend = defaultBackend() }: { readonly dtype?: 'f32' | 'f64'; readonly backend?: Backend } = {},
): Tensor {
  const { shape, kind } = model.architecture.input(model.config)
  const random = new Random(0)
  const sizes = shape.map(n => (typeof n === 'number' ? n : kind === 'ids' ? OPEN.sequence : OPEN.side))
  if (kind === 'real') return random.normal([1, ...sizes], 0, 1, { dtype, backend })
  const { vocab_size: vocabulary } = model.config as unknown as { readonly vocab_size: number }
  const ids = Int32Array.from(random.permutation(vocabulary).subarray(0, sizes[0]!))
  return tensor(ids, { shape: [1, ids.length], backend })
}
