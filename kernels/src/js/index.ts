import type { Backend, DType, Kernels, TypedArray } from '../contract.js'
import { arrays } from '../shared/dtypes.js'
import * as reference from './reference.js'
import { affine, axpy, cast, copy, fill, map, power, reduce, where, zip } from './reference.js'

/** The reference kernels, on ordinary typed arrays; sums are accumulated in f64 and rounded once. */
export const jsKernels: Kernels<TypedArray> = reference

/** Kernels that nearly every op needs. */
const common = { fill, cast, copy, map, affine, axpy, power, zip, where, reduce }

const none: ReadonlyMap<string, number> = new Map()

const backend: Backend<TypedArray> = {
  name: 'js',
  kernels: common as typeof common & Kernels<TypedArray>,
  supports: () => true,
  alloc: (dtype: DType, length) => new arrays[dtype](length),
  // Typed arrays are the garbage collector's: they are not counted, freed or watched.
  retain() {},
  release() {},
  watch() {},
  unwatch() {},
  view: (buffer, offset, length) => buffer.subarray(offset, offset + length) as TypedArray,
  write: (buffer, data) => buffer.set(data),
  read: buffer => Promise.resolve(buffer.slice() as TypedArray),
  readSync: buffer => buffer.slice() as TypedArray,
  memory: () => ({ bytes: 0, buffers: 0, reserved: 0 }),
  policy: 'fallback',
  fallbacks: () => none,
}

/** The plain TypeScript backend: every kernel in every dtype of the contract. Buffers are typed arrays, whose memory is the
 *  garbage collector's; `memory()` therefore reports nothing. */
export function js(): Backend<TypedArray> {
  Object.assign(backend.kernels, jsKernels)
  return backend
}

/** The same backend for ops that bring the kernels that they call, as the ops of @unravel/tensor do: until `js()` is
 *  called it has the commonest only, and a bundle has those and what its ops bring. */
export const bareJs = (): Backend<TypedArray> => backend
