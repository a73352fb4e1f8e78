import { tensor, type Where } from './core/create.js'
import type { Dense, Tensor } from './core/tensor.js'
import type { ArrayData } from './io/array.js'
import { formatNpy, formatNpz, parseNpy, parseNpz } from './io/index.js'
import { formatSafetensors, parseSafetensors } from './io/safetensors.js'

const made = ({ data, shape, dtype }: ArrayData, where: Where): Dense => tensor(data, { ...where, dtype, shape })

/** A tensor's numbers as files hold them. Throws for tracers, and on backends that cannot be read synchronously. */
export const arrayData = (t: Tensor): ArrayData => ({ shape: t.shape, dtype: t.dtype, data: t.dataSync() })

const all = (tensors: Readonly<Record<string, Tensor>>): Record<string, ArrayData> =>
  Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, arrayData(t)]))

/** The tensor in a NumPy .npy file, in `where.dtype` or the dtype that holds it exactly. Throws FormatError. */
export const readNpy = (bytes: Uint8Array, where: Where = {}): Dense => made(parseNpy(bytes, where.dtype), where)
export const writeNpy = (t: Tensor): Uint8Array => formatNpy(arrayData(t))

/** The tensors in a NumPy .npz archive, by name: all, or those called `names`, whatever the others are. Throws FormatError. */
export const readNpz = (
  bytes: Uint8Array,
  { names, ...where }: Where & { readonly names?: readonly string[] } = {},
): Record<string, Dense> =>
  Object.fromEntries([...parseNpz(bytes, undefined, names)].map(([name, array]) => [name, made(array, where)]))
export const writeNpz = (tensors: Readonly<Record<string, Tensor>>): Uint8Array => formatNpz(all(tensors))

/** The tensors in a .safetensors file, by name, all in `where.dtype` or each in its own. Throws FormatError. */
export const readSafetensors = (bytes: Uint8Array, where: Where = {}): Record<string, Dense> =>
  Object.fromEntries([...parseSafetensors(bytes).tensors].map(([name, t]) => [name, made(t.read(where.dtype), where)]))
export const writeSafetensors = (
  tensors: Readonly<Record<string, Tensor>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array => formatSafetensors(all(tensors), metadata)
