// out[i] = φ(x[i]), i < n; x and out dense, and possibly the same.

import { toInt32 } from './cast'
import { MapCode } from './codes'
import { erf, exp, expm1, gelu, geluTanh, log, log1p, normalCdf, sigmoid, silu, softplus, tanh } from './math'
import { exp as exp4, gelu as gelu4, log as log4, sigmoid as sigmoid4, tanh as tanh4 } from './math32'
import { storePartial } from './simd'
import { acos, asin, atan, cos, sin } from './trig'
import { load2, store2 } from './wide'

export function map<T>(op: i32, n: usize, x: usize, out: usize): void {
  switch (op) {
    case MapCode.abs:
      return simple<T>(MapCode.abs, n, x, out)
    case MapCode.neg:
      return simple<T>(MapCode.neg, n, x, out)
    case MapCode.relu:
      return simple<T>(MapCode.relu, n, x, out)
    case MapCode.step:
      return simple<T>(MapCode.step, n, x, out)
    case MapCode.sign:
      return simple<T>(MapCode.sign, n, x, out)
    case MapCode.square:
      return simple<T>(MapCode.square, n, x, out)
    case MapCode.sqrt:
      return simple<T>(MapCode.sqrt, n, x, out)
    case MapCode.reciprocal:
      return simple<T>(MapCode.reciprocal, n, x, out)
    case MapCode.rsqrt:
      return simple<T>(MapCode.rsqrt, n, x, out)
    case MapCode.exp:
      return sizeof<T>() === 4 ? four(MapCode.exp, n, x, out) : each<T>(exp, n, x, out)
    case MapCode.expm1:
      return each<T>(expm1, n, x, out)
    case MapCode.log:
      return sizeof<T>() === 4 ? four(MapCode.log, n, x, out) : each<T>(log, n, x, out)
    case MapCode.log1p:
      return each<T>(log1p, n, x, out)
    case MapCode.tanh:
      return sizeof<T>() === 4 ? four(MapCode.tanh, n, x, out) : each<T>(tanh, n, x, out)
    case MapCode.sigmoid:
      return sizeof<T>() === 4 ? four(MapCode.sigmoid, n, x, out) : each<T>(sigmoid, n, x, out)
    case MapCode.softplus:
      return each<T>(softplus, n, x, out)
    case MapCode.erf:
      return each<T>(erf, n, x, out)
    case MapCode.normalCdf:
      return each<T>(normalCdf, n, x, out)
    case MapCode.gelu:
      return sizeof<T>() === 4 ? four(MapCode.gelu, n, x, out) : each<T>(gelu, n, x, out)
    case MapCode.silu:
      return each<T>(silu, n, x, out)
    case MapCode.geluTanh:
      return each<T>(geluTanh, n, x, out)
    case MapCode.sin:
      return each<T>(sin, n, x, out)
    case MapCode.cos:
      return each<T>(cos, n, x, out)
    case MapCode.asin:
      return each<T>(asin, n, x, out)
    case MapCode.acos:
      return each<T>(acos, n, x, out)
    case MapCode.atan:
      return each<T>(atan, n, x, out)
  }
}

/** Functions of a few instructions, on whole vectors of T. @inline */
function simple<T>(op: i32, n: usize, x: usize, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, value<T>(op, v128.load(x + i)))
  if (whole < bytes) storePartial<T>(out + whole, value<T>(op, v128.load(x + whole)), bytes - whole)
}

/** @inline */
function value<T>(op: i32, x: v128): v128 {
  const zero = v128.splat<T>(0)
  const one = v128.splat<T>(1)
  if (op === MapCode.abs) return v128.abs<T>(x)
  if (op === MapCode.neg) return v128.neg<T>(x)
  // Zero where x < 0, so that NaN stays.
  if (op === MapCode.relu) return v128.andnot(x, v128.lt<T>(x, zero))
  if (op === MapCode.step) return v128.and(v128.gt<T>(x, zero), one)
  if (op === MapCode.sign)
    return v128.bitselect(
      x,
      v128.or(one, v128.and(x, v128.splat<T>(-0.0))),
      v128.or(v128.eq<T>(x, zero), v128.ne<T>(x, x)),
    )
  if (op === MapCode.square) return v128.mul<T>(x, x)
  if (op === MapCode.sqrt) return v128.sqrt<T>(x)
  if (op === MapCode.reciprocal) return v128.div<T>(one, x)
  return v128.div<T>(one, v128.sqrt<T>(x))
}

/** Functions of f64x2. @inline */
function each<T>(f: (x: v128) => v128, n: usize, x: usize, out: usize): void {
  const step: usize = 2 * sizeof<T>()
  for (let i: usize = 0; i < n; i += 2, x += step, out += step) store2<T>(out, f(load2<T>(x)), n - i)
}

/** Functions of f32x4. @inline */
function four(op: i32, n: usize, x: usize, out: usize): void {
  const bytes = n * 4
  const whole = bytes & ~15
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, value32(op, v128.load(x + i)))
  if (whole < bytes) storePartial<f32>(out + whole, value32(op, v128.load(x + whole)), bytes - whole)
}

/** @inline */
function value32(op: i32, x: v128): v128 {
  if (op === MapCode.exp) return exp4(x)
  if (op === MapCode.log) return log4(x)
  if (op === MapCode.tanh) return tanh4(x)
  if (op === MapCode.sigmoid) return sigmoid4(x)
  return gelu4(x)
}

/** out = scale·x + shift; without a shift the sign of a zero survives. */
export function affine<T>(n: usize, x: usize, scale: f64, shift: f64, out: usize): void {
  if (isInteger<T>()) return affineOfIntegers(n, x, scale, shift, out)
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const s = v128.splat<T>(<T>scale)
  if (shift === 0) {
    for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, v128.mul<T>(v128.load(x + i), s))
    if (whole < bytes) storePartial<T>(out + whole, v128.mul<T>(v128.load(x + whole), s), bytes - whole)
    return
  }
  const t = v128.splat<T>(<T>shift)
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, v128.add<T>(v128.mul<T>(v128.load(x + i), s), t))
  if (whole < bytes) storePartial<T>(out + whole, v128.add<T>(v128.mul<T>(v128.load(x + whole), s), t), bytes - whole)
}

/** Modulo 2^32 for integers scale and shift; others are computed in f64 and cut. */
function affineOfIntegers(n: usize, x: usize, scale: f64, shift: f64, out: usize): void {
  if (trunc(scale) === scale && trunc(shift) === shift) {
    const s = toInt32(scale)
    const t = toInt32(shift)
    for (const end = x + n * 4; x < end; x += 4, out += 4) store<i32>(out, load<i32>(x) * s + t)
    return
  }
  for (const end = x + n * 4; x < end; x += 4, out += 4) store<i32>(out, toInt32(scale * <f64>load<i32>(x) + shift))
}

export function fill<T>(n: usize, value: f64, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const v = v128.splat<T>(isFloat<T>() ? <T>value : <T>toInt32(value))
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, v)
  if (whole < bytes) storePartial<T>(out + whole, v, bytes - whole)
}

/** out = x + scale·y, rounded twice in both builds: to the bit what `finish` of matmul.ts makes of the same product. */
export function axpy<T>(n: usize, x: usize, scale: f64, y: usize, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const s = v128.splat<T>(<T>scale)
  for (let i: usize = 0; i < whole; i += 16)
    v128.store(out + i, v128.add<T>(v128.load(x + i), v128.mul<T>(v128.load(y + i), s)))
  if (whole < bytes)
    storePartial<T>(out + whole, v128.add<T>(v128.load(x + whole), v128.mul<T>(v128.load(y + whole), s)), bytes - whole)
}
