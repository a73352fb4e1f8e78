// Vector helpers, generic over the element type T = f32 or f64. Assumes nothing of the memory.

/** Elements of T in a vector. @inline */
export function lanes<T>(): usize {
  return 16 / sizeof<T>()
}

/** a·b + c, rounded once in the relaxed build, twice in the plain one. @inline */
export function fma<T>(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<T>(a, b, c)
  return v128.add<T>(v128.mul<T>(a, b), c)
}

/** Copies an element, whatever its bits are. @inline */
export function move<T>(to: usize, from: usize): void {
  if (sizeof<T>() === 4) store<u32>(to, load<u32>(from))
  else store<u64>(to, load<u64>(from))
}

/** Stores the first `bytes` of `v`, or all of it. @inline */
export function storePartial<T>(address: usize, v: v128, bytes: usize): void {
  if (bytes >= 16) {
    v128.store(address, v)
  } else if (sizeof<T>() === 4) {
    v128.store_lane<f32>(address, v, 0)
    if (bytes > 4) v128.store_lane<f32>(address, v, 1, 4)
    if (bytes > 8) v128.store_lane<f32>(address, v, 2, 8)
  } else {
    v128.store_lane<f64>(address, v, 0)
  }
}

/** The sum of the lanes. @inline */
export function sumLanes<T>(v: v128): T {
  if (sizeof<T>() === 4) {
    const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1))
    return <T>(f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1))
  }
  return <T>(f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1))
}

/** The largest of lanes that are no NaN. @inline */
export function maxLanes<T>(v: v128): T {
  if (sizeof<T>() === 4) {
    const pairs = f32x4.pmax(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1))
    return <T>f32x4.extract_lane(f32x4.pmax(pairs, v128.shuffle<f32>(pairs, pairs, 1, 0, 3, 2)), 0)
  }
  return <T>f64x2.extract_lane(f64x2.pmax(v, v128.shuffle<f64>(v, v, 1, 0)), 0)
}

/** Sixteen bytes of ones, then as many zeros. */
const ONES = memory.data<i32>([-1, -1, -1, -1, 0, 0, 0, 0])

/** Ones in the first `bytes` bytes, zeros in the others; bytes ≤ 16. @inline */
export function tailMask(bytes: usize): v128 {
  return v128.load(ONES + 16 - bytes)
}
