import type { DType, Shape, TypedArray } from '@unravel/kernels'

/** An array as files hold it: row-major, of one dtype. */
export interface ArrayData {
  readonly shape: Shape
  readonly dtype: DType
  readonly data: TypedArray
}

/** The number of elements of a shape, or NaN when it is not a list of integers >= 0 with a product below 2^53. */
export function elements(shape: readonly unknown[]): number {
  let n = 1
  let zero = false
  for (const d of shape) {
    if (!Number.isSafeInteger(d) || (d as number) < 0) return Number.NaN
    if (d === 0) zero = true
    else n *= d as number
  }
  if (zero) return 0
  return Number.isSafeInteger(n) ? n : Number.NaN
}
