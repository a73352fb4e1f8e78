// out[i] = φ(x[i]), i < n; x and out dense, and possibly the same. Functions are numbered as in src/wasm/elementwise.ts.

import { toInt32 } from './cast'
import { erf, exp, expm1, gelu, geluTanh, log, log1p, normalCdf, sigmoid, silu, softplus, tanh } from './math'
import { exp as exp4, gelu as gelu4, log as log4, sigmoid as sigmoid4, tanh as tanh4 } from './math32'
import { storePartial } from './simd'
import { cos, sin } from './trig'
import { load2, store2 } from './wide'

export function map_f32(op: i32, n: usize, x: usize, out: usize): void {
  map<f32>(op, n, x, out)
}
export function map_f64(op: i32, n: usize, x: usize, out: usize): void {
  map<f64>(op, n, x, out)
}

export function map<T>(op: i32, n: usize, x: usize, out: usize): void {
  switch (op) {
    case 0: return simple<T>(0, n, x, out)
    case 1: return simple<T>(1, n, x, out)
    case 2: return simple<T>(2, n, x, out)
    case 3: return simple<T>(3, n, x, out)
    case 4: return simple<T>(4, n, x, out)
    case 5: return simple<T>(5, n, x, out)
    case 6: return simple<T>(6, n, x, out)
    case 7: return simple<T>(7, n, x, out)
    case 8: return simple<T>(8, n, x, out)
    case 9: return sizeof<T>() == 4 ? four(9, n, x, out) : each<T>(exp, n, x, out)
    case 10: return each<T>(expm1, n, x, out)
    case 11: return sizeof<T>() == 4 ? four(11, n, x, out) : each<T>(log, n, x, out)
    case 12: return each<T>(log1p, n, x, out)
    case 13: return sizeof<T>() == 4 ? four(13, n, x, out) : each<T>(tanh, n, x, out)
    case 14: return sizeof<T>() == 4 ? four(14, n, x, out) : each<T>(sigmoid, n, x, out)
    case 15: return each<T>(softplus, n, x, out)
    case 16: return each<T>(erf, n, x, out)
    case 17: return each<T>(normalCdf, n, x, out)
    case 18: return sizeof<T>() == 4 ? four(18, n, x, out) : each<T>(gelu, n, x, out)
    case 19: return each<T>(silu, n, x, out)
    case 20: return each<T>(geluTanh, n, x, out)
    case 21: return each<T>(sin, n, x, out)
    case 22: return each<T>(cos, n, x, out)
  }
}

/** Functions of a few instructions, on whole vectors of T. */
// @ts-ignore: decorator
@inline
function simple<T>(op: i32, n: usize, x: usize, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, value<T>(op, v128.load(x + i)))
  if (whole < bytes) storePartial<T>(out + whole, value<T>(op, v128.load(x + whole)), bytes - whole)
}

// @ts-ignore: decorator
@inline
function value<T>(op: i32, x: v128): v128 {
  const zero = v128.splat<T>(0)
  const one = v128.splat<T>(1)
  if (op == 0) return v128.abs<T>(x)
  if (op == 1) return v128.neg<T>(x)
  // Zero where x < 0, so that NaN stays.
  if (op == 2) return v128.andnot(x, v128.lt<T>(x, zero))
  if (op == 3) return v128.and(v128.gt<T>(x, zero), one)
  if (op == 4) return v128.bitselect(x, v128.or(one, v128.and(x, v128.splat<T>(-0.0))), v128.or(v128.eq<T>(x, zero), v128.ne<T>(x, x)))
  if (op == 5) return v128.mul<T>(x, x)
  if (op == 6) return v128.sqrt<T>(x)
  if (op == 7) return v128.div<T>(one, x)
  return v128.div<T>(one, v128.sqrt<T>(x))
}

/** Functions of f64x2. */
// @ts-ignore: decorator
@inline
function each<T>(f: (x: v128) => v128, n: usize, x: usize, out: usize): void {
  const step: usize = 2 * sizeof<T>()
  for (let i: usize = 0; i < n; i += 2, x += step, out += step) store2<T>(out, f(load2<T>(x)), n - i)
}

/** Functions of f32x4. */
// @ts-ignore: decorator
@inline
function four(op: i32, n: usize, x: usize, out: usize): void {
  const bytes = n * 4
  const whole = bytes & ~15
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, value32(op, v128.load(x + i)))
  if (whole < bytes) storePartial<f32>(out + whole, value32(op, v128.load(x + whole)), bytes - whole)
}

// @ts-ignore: decorator
@inline
function value32(op: i32, x: v128): v128 {
  if (op == 9) return exp4(x)
  if (op == 11) return log4(x)
  if (op == 13) return tanh4(x)
  if (op == 14) return sigmoid4(x)
  return gelu4(x)
}

/** out = scale·x + shift; without a shift the sign of a zero survives. */
export function affine_f32(n: usize, x: usize, scale: f64, shift: f64, out: usize): void {
  affine<f32>(n, x, scale, shift, out)
}
export function affine_f64(n: usize, x: usize, scale: f64, shift: f64, out: usize): void {
  affine<f64>(n, x, scale, shift, out)
}

function affine<T>(n: usize, x: usize, scale: f64, shift: f64, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const s = v128.splat<T>(<T>scale)
  if (shift == 0) {
    for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, v128.mul<T>(v128.load(x + i), s))
    if (whole < bytes) storePartial<T>(out + whole, v128.mul<T>(v128.load(x + whole), s), bytes - whole)
    return
  }
  const t = v128.splat<T>(<T>shift)
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, v128.add<T>(v128.mul<T>(v128.load(x + i), s), t))
  if (whole < bytes) storePartial<T>(out + whole, v128.add<T>(v128.mul<T>(v128.load(x + whole), s), t), bytes - whole)
}

export function fill_f32(n: usize, value: f64, out: usize): void {
  fill<f32>(n, value, out)
}
export function fill_f64(n: usize, value: f64, out: usize): void {
  fill<f64>(n, value, out)
}

function fill<T>(n: usize, value: f64, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const v = v128.splat<T>(<T>value)
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, v)
  if (whole < bytes) storePartial<T>(out + whole, v, bytes - whole)
}

/** Modulo 2^32 for integers scale and shift; others are computed in f64 and cut. */
export function affine_i32(n: usize, x: usize, scale: f64, shift: f64, out: usize): void {
  if (trunc(scale) == scale && trunc(shift) == shift) {
    const s = toInt32(scale), t = toInt32(shift)
    for (const end = x + n * 4; x < end; x += 4, out += 4) store<i32>(out, load<i32>(x) * s + t)
    return
  }
  for (const end = x + n * 4; x < end; x += 4, out += 4) store<i32>(out, toInt32(scale * <f64>load<i32>(x) + shift))
}
export function fill_i32(n: usize, value: f64, out: usize): void {
  const v = toInt32(value)
  for (const end = out + n * 4; out < end; out += 4) store<i32>(out, v)
}

/** out = x + scale·y, rounded twice in both builds: to the bit what `finish` of matmul.ts makes of the same product. */
export function axpy_f32(n: usize, x: usize, scale: f64, y: usize, out: usize): void {
  axpy<f32>(n, x, scale, y, out)
}
export function axpy_f64(n: usize, x: usize, scale: f64, y: usize, out: usize): void {
  axpy<f64>(n, x, scale, y, out)
}

function axpy<T>(n: usize, x: usize, scale: f64, y: usize, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const s = v128.splat<T>(<T>scale)
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, v128.add<T>(v128.load(x + i), v128.mul<T>(v128.load(y + i), s)))
  if (whole < bytes) storePartial<T>(out + whole, v128.add<T>(v128.load(x + whole), v128.mul<T>(v128.load(y + whole), s)), bytes - whole)
}
