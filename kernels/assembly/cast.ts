// out[i] = x[i] in another type, i < n; x and out dense and apart. f64 becomes f32 by rounding to nearest even; floats become
// i32 as ECMAScript's ToInt32: truncated, modulo 2^32, and 0 for NaN and ±Inf.

export function cast_f32_f64(n: usize, x: usize, out: usize): void {
  let i: usize = 0
  for (; i + 2 <= n; i += 2) v128.store(out + i * 8, f64x2.promote_low_f32x4(v128.load64_zero(x + i * 4)))
  if (i < n) store<f64>(out + i * 8, load<f32>(x + i * 4))
}

export function cast_f64_f32(n: usize, x: usize, out: usize): void {
  let i: usize = 0
  for (; i + 2 <= n; i += 2) v128.store64_lane(out + i * 4, f32x4.demote_f64x2_zero(v128.load(x + i * 8)), 0)
  if (i < n) store<f32>(out + i * 4, <f32>load<f64>(x + i * 8))
}

export function cast_i32_f32(n: usize, x: usize, out: usize): void {
  let i: usize = 0
  for (; i + 4 <= n; i += 4) v128.store(out + i * 4, f32x4.convert_i32x4_s(v128.load(x + i * 4)))
  for (; i < n; i++) store<f32>(out + i * 4, <f32>load<i32>(x + i * 4))
}

export function cast_i32_f64(n: usize, x: usize, out: usize): void {
  let i: usize = 0
  for (; i + 2 <= n; i += 2) v128.store(out + i * 8, f64x2.convert_low_i32x4_s(v128.load64_zero(x + i * 4)))
  if (i < n) store<f64>(out + i * 8, <f64>load<i32>(x + i * 4))
}

export function cast_f32_i32(n: usize, x: usize, out: usize): void {
  const end = x + n * 4
  const bound = f32x4.splat(2147483648)
  for (; x + 16 <= end; x += 16, out += 16) {
    const v = v128.load(x)
    if (v128.any_true(f32x4.ge(f32x4.abs(v), bound))) {
      for (let j: usize = 0; j < 16; j += 4) store<i32>(out + j, toInt32(<f64>load<f32>(x + j)))
    } else v128.store(out, i32x4.trunc_sat_f32x4_s(v))
  }
  for (; x < end; x += 4, out += 4) store<i32>(out, toInt32(<f64>load<f32>(x)))
}

export function cast_f64_i32(n: usize, x: usize, out: usize): void {
  for (const end = x + n * 8; x < end; x += 8, out += 4) store<i32>(out, toInt32(load<f64>(x)))
}

export function toInt32(x: f64): i32 {
  if (abs(x) < 9223372036854775808.0) return <i32><i64>x
  const bits = reinterpret<u64>(x)
  // x = ±m·2^shift; from 2^32 on, as for NaN and ±Inf, nothing of m is left.
  const shift = ((bits >> 52) & 0x7ff) - 1075
  if (shift >= 32) return 0
  const low = <i32>(((bits & 0xfffffffffffff) | 0x10000000000000) << shift)
  return x < 0 ? -low : low
}
