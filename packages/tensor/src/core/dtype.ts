import type { DType, Shape, TypedArray } from '@unravel/kernels'
import { describe } from './errors.js'

/** `dtype` itself; throws TypeError for a name that is none. */
export function checkedDType(what: string, dtype: DType): DType {
  if (dtype !== 'f32' && dtype !== 'f64' && dtype !== 'i32') {
    throw new TypeError(`${what}: a dtype is f32, f64 or i32, got ${dtype}`)
  }
  return dtype
}

export const isI32 = (value: number): boolean => (value | 0) === value

/** `values` in another dtype. As i32, fractions are cut off; throws RangeError for what has no integer part of 32 bits. */
export function arrayOf(dtype: DType, values: ArrayLike<number>, what: string): TypedArray {
  if (dtype === 'f64') return Float64Array.from(values)
  if (dtype === 'f32') return Float32Array.from(values)
  for (let i = 0; i < values.length; i++) {
    if (!isI32(Math.trunc(values[i]!))) {
      throw new RangeError(`${what}: element ${i} is ${values[i]}, which i32 cannot hold: use dtype f64`)
    }
  }
  return Int32Array.from(values)
}

/** Throws RangeError where `value` beside `t` would be rounded or cut to an i32, TypeError where it is no number. */
export function checkScalar(value: number, t: { readonly shape: Shape; readonly dtype: DType }): void {
  if (typeof value !== 'number') throw new TypeError(`${describe(t)} goes with numbers, got ${typeof value}`)
  if (t.dtype === 'i32' && !isI32(value)) {
    throw new RangeError(`${describe(t)} does not go with ${value}: convert it with .to('f32') or .to('f64')`)
  }
}

/** The dtype that holds every number of a kind of typed array; of Uint32Array, those that fit. */
const dtypes: Readonly<Record<string, DType>> = {
  Float64Array: 'f64',
  Float32Array: 'f32',
  Float16Array: 'f32',
  Int32Array: 'i32',
  Int16Array: 'i32',
  Int8Array: 'i32',
  Uint32Array: 'i32',
  Uint16Array: 'i32',
  Uint8Array: 'i32',
  Uint8ClampedArray: 'i32',
}

/** The kind of a typed array: the name of its class, whichever realm or subclass it is of, or whatever stands in for one
 *  that the engine lacks. Undefined for anything else. */
export const kindOf = (data: unknown): string | undefined => {
  const name = tag?.call(data) ?? (data as { [Symbol.toStringTag]?: unknown } | null | undefined)?.[Symbol.toStringTag]
  return typeof name === 'string' && /Array$|^DataView$/.test(name) ? name : undefined
}
const tag = /* @__PURE__ */ Object.getOwnPropertyDescriptor(
  /* @__PURE__ */ Object.getPrototypeOf(Int8Array.prototype),
  Symbol.toStringTag,
)?.get as ((this: unknown) => string | undefined) | undefined

/** The dtype of a typed array's numbers. Throws TypeError, naming it, for one that no dtype holds. */
export function dtypeOf(data: ArrayLike<number>, what = 'tensor'): DType {
  const kind = kindOf(data)
  if (kind !== undefined && Object.hasOwn(dtypes, kind)) return dtypes[kind]!
  throw new TypeError(`${what}: expected an array of numbers, got ${kind ?? typeof data}`)
}

/** Whether a typed array holds numbers as `dtype` does. */
export const isOf = (dtype: DType, data: ArrayLike<number>): data is TypedArray =>
  kindOf(data) === (dtype === 'f64' ? 'Float64Array' : dtype === 'f32' ? 'Float32Array' : 'Int32Array')
