// out[i] = x[i] as U, i < n; x and out dense and apart. f64 becomes f32 by rounding to nearest even; floats become
// i32 as ECMAScript's ToInt32: truncated, modulo 2^32, and 0 for NaN and ±Inf.

import { load2, store2 } from './wide'

export function cast<T, U>(n: usize, x: usize, out: usize): void {
  if (sizeof<T>() === sizeof<U>() && isFloat<T>() === isFloat<U>()) memory.copy(out, x, n * sizeof<T>())
  else if (isInteger<U>()) toIntegers<T>(n, x, out)
  else if (isInteger<T>() && sizeof<U>() === 4) {
    let i: usize = 0
    for (; i + 4 <= n; i += 4) v128.store(out + i * 4, f32x4.convert_i32x4_s(v128.load(x + i * 4)))
    for (; i < n; i++) store<f32>(out + i * 4, <f32>load<i32>(x + i * 4))
  } else {
    let i: usize = 0
    for (; i + 2 <= n; i += 2) store2<U>(out + i * sizeof<U>(), pair<T>(x + i * sizeof<T>()), 2)
    if (i < n) store2<U>(out + i * sizeof<U>(), pair<T>(x + i * sizeof<T>()), 1)
  }
}

/** Two elements as f64x2. @inline */
function pair<T>(x: usize): v128 {
  return isInteger<T>() ? f64x2.convert_low_i32x4_s(v128.load64_zero(x)) : load2<T>(x)
}

function toIntegers<T>(n: usize, x: usize, out: usize): void {
  const end = x + n * sizeof<T>()
  if (sizeof<T>() === 4) {
    const bound = f32x4.splat(2147483648)
    for (; x + 16 <= end; x += 16, out += 16) {
      const v = v128.load(x)
      if (v128.any_true(f32x4.ge(f32x4.abs(v), bound))) {
        for (let j: usize = 0; j < 16; j += 4) store<i32>(out + j, toInt32(<f64>load<f32>(x + j)))
      } else v128.store(out, i32x4.trunc_sat_f32x4_s(v))
    }
  }
  for (; x < end; x += sizeof<T>(), out += 4) store<i32>(out, toInt32(<f64>load<T>(x)))
}

export function toInt32(x: f64): i32 {
  if (abs(x) < 9223372036854775808.0) return <i32>(<i64>x)
  const bits = reinterpret<u64>(x)
  // x = ±m·2^shift; from 2^32 on, as for NaN and ±Inf, nothing of m is left.
  const shift = ((bits >> 52) & 0x7ff) - 1075
  if (shift >= 32) return 0
  const low = <i32>(((bits & 0xfffffffffffff) | 0x10000000000000) << shift)
  return x < 0 ? -low : low
}
