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

/** Throws RangeError where `value` beside `t` would be rounded or cut to an i32. */
export function checkScalar(value: number, t: { readonly shape: Shape; readonly dtype: DType }): void {
  if (t.dtype === 'i32' && !isI32(value)) {
    throw new RangeError(`${describe(t)} does not go with ${value}: convert it with .to('f32') or .to('f64')`)
  }
}

export function dtypeOf(data: TypedArray): DType {
  return data instanceof Float64Array ? 'f64' : data instanceof Float32Array ? 'f32' : 'i32'
}
