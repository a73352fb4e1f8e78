// Sums over one axis of a dense x [outer, n, inner], into a dense out [outer, inner]; accumulated in T.
// `square` sums x² instead.

import { fma, storePartial } from './simd'

export function sum_f32(square: bool, outer: usize, n: usize, inner: usize, x: usize, out: usize): void {
  sum<f32>(square, outer, n, inner, x, out)
}
export function sum_f64(square: bool, outer: usize, n: usize, inner: usize, x: usize, out: usize): void {
  sum<f64>(square, outer, n, inner, x, out)
}

function sum<T>(square: bool, outer: usize, n: usize, inner: usize, x: usize, out: usize): void {
  const size: usize = sizeof<T>()
  for (let o: usize = 0; o < outer; o++) {
    if (inner == 1) store<T>(out, row<T>(square, n, x))
    else columns<T>(square, n, inner, x, out)
    x += n * inner * size
    out += inner * size
  }
}

// @ts-ignore: decorator
@inline
function term<T>(square: bool, v: v128, s: v128): v128 {
  return square ? fma<T>(v, v, s) : v128.add<T>(s, v)
}

/** Four vectors of partial sums, added up in pairs. */
function row<T>(square: bool, n: usize, x: usize): T {
  const end = x + n * sizeof<T>()
  let s0 = v128.splat<T>(0), s1 = s0, s2 = s0, s3 = s0
  for (; x + 64 <= end; x += 64) {
    s0 = term<T>(square, v128.load(x), s0)
    s1 = term<T>(square, v128.load(x, 16), s1)
    s2 = term<T>(square, v128.load(x, 32), s2)
    s3 = term<T>(square, v128.load(x, 48), s3)
  }
  for (; x + 16 <= end; x += 16) s0 = term<T>(square, v128.load(x), s0)
  const s = v128.add<T>(v128.add<T>(s0, s1), v128.add<T>(s2, s3))
  let total: T = 0
  if (sizeof<T>() == 4) {
    total = <T>(f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3)))
  } else total = <T>(f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1))
  for (; x < end; x += sizeof<T>()) {
    const v = load<T>(x)
    total += square ? v * v : v
  }
  return total
}

/** A vector of columns at a time, down all rows. */
function columns<T>(square: bool, n: usize, inner: usize, x: usize, out: usize): void {
  const stride = inner * sizeof<T>()
  for (let i: usize = 0; i < stride; i += 16) {
    let s = v128.splat<T>(0)
    let p = x + i
    for (let r: usize = 0; r < n; r++, p += stride) s = term<T>(square, v128.load(p), s)
    storePartial<T>(out + i, s, stride - i)
  }
}
