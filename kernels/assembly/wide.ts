// Elements of T = f32 or f64, two at a time as f64x2: f32 kernels round once, on
// store. Loads may read past the end of a buffer (see memory.ts); stores never write past it.

/** @inline */
export function load2<T>(address: usize): v128 {
  return sizeof<T>() === 4 ? f64x2.promote_low_f32x4(v128.load64_zero(address)) : v128.load(address)
}

/** Stores the first `count` (1, or 2 and more) of two elements. @inline */
export function store2<T>(address: usize, v: v128, count: usize): void {
  const w = sizeof<T>() === 4 ? f32x4.demote_f64x2_zero(v) : v
  if (count > 1) {
    if (sizeof<T>() === 4) v128.store64_lane(address, w, 0)
    else v128.store(address, w)
  } else if (sizeof<T>() === 4) v128.store32_lane(address, w, 0)
  else v128.store64_lane(address, w, 0)
}
