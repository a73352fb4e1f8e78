// Vector helpers, generic over the element type T = f32 or f64. Assumes nothing of the memory.

/** Elements of T in a vector. */
// @ts-ignore: decorator
@inline
export function lanes<T>(): usize {
  return 16 / sizeof<T>()
}

/** a·b + c, rounded once in the relaxed build, twice in the plain one. */
// @ts-ignore: decorator
@inline
export function fma<T>(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<T>(a, b, c)
  return v128.add<T>(v128.mul<T>(a, b), c)
}

/** Stores the first `bytes` of `v`, or all of it. */
// @ts-ignore: decorator
@inline
export function storePartial<T>(address: usize, v: v128, bytes: usize): void {
  if (bytes >= 16) {
    v128.store(address, v)
  } else if (sizeof<T>() == 4) {
    v128.store_lane<f32>(address, v, 0)
    if (bytes > 4) v128.store_lane<f32>(address, v, 1, 4)
    if (bytes > 8) v128.store_lane<f32>(address, v, 2, 8)
  } else {
    v128.store_lane<f64>(address, v, 0)
  }
}
