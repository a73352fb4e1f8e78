// out[r,i] = f(a[r,i], b[r,i]) for `rows` rows of n elements: out is dense; a and b have a stride in bytes from row to row
// and, within a row, either consecutive elements (step 1) or one element for all (step 0). out may be a or b where their
// elements lie as in out.

import { toInt32 } from './cast'
import { ZipCode } from './codes'
import { pow } from './power'
import { storePartial } from './simd'
import { load2, store2 } from './wide'

export function zip<T>(
  op: i32,
  rows: usize,
  n: usize,
  a: usize,
  aRow: usize,
  aStep: bool,
  b: usize,
  bRow: usize,
  bStep: bool,
  out: usize,
): void {
  for (const end = out + rows * n * sizeof<T>(); out < end; out += n * sizeof<T>()) {
    switch (op) {
      case ZipCode.add:
        row<T>(ZipCode.add, n, a, aStep, b, bStep, out)
        break
      case ZipCode.sub:
        row<T>(ZipCode.sub, n, a, aStep, b, bStep, out)
        break
      case ZipCode.mul:
        row<T>(ZipCode.mul, n, a, aStep, b, bStep, out)
        break
      case ZipCode.through:
        row<T>(ZipCode.through, n, a, aStep, b, bStep, out)
        break
      case ZipCode.div:
        isFloat<T>() ? row<T>(ZipCode.div, n, a, aStep, b, bStep, out) : quotients(n, a, aStep, b, bStep, out)
        break
      case ZipCode.maximum:
        row<T>(ZipCode.maximum, n, a, aStep, b, bStep, out)
        break
      case ZipCode.minimum:
        row<T>(ZipCode.minimum, n, a, aStep, b, bStep, out)
        break
      case ZipCode.equal:
        row<T>(ZipCode.equal, n, a, aStep, b, bStep, out)
        break
      case ZipCode.notEqual:
        row<T>(ZipCode.notEqual, n, a, aStep, b, bStep, out)
        break
      case ZipCode.less:
        row<T>(ZipCode.less, n, a, aStep, b, bStep, out)
        break
      case ZipCode.lessEqual:
        row<T>(ZipCode.lessEqual, n, a, aStep, b, bStep, out)
        break
      case ZipCode.pow:
        isFloat<T>() ? powers<T>(n, a, aStep, b, bStep, out) : integerPowers(n, a, aStep, b, bStep, out)
        break
    }
    a += aRow
    b += bRow
  }
}

function powers<T>(n: usize, a: usize, aStep: bool, b: usize, bStep: bool, out: usize): void {
  const step: usize = 2 * sizeof<T>()
  for (let i: usize = 0; i < n; i += 2, out += step) {
    const x = load2<T>(a)
    const y = load2<T>(b)
    const base = aStep ? x : v128.shuffle<f64>(x, x, 0, 0)
    const power = bStep ? y : v128.shuffle<f64>(y, y, 0, 0)
    store2<T>(out, pow<T>(base, power), n - i)
    if (aStep) a += step
    if (bStep) b += step
  }
}

/** Powers of i32 modulo 2^32; those of negative exponents are cut to an integer: 0, but for the bases 1 and −1. */
function integerPowers(n: usize, a: usize, aStep: bool, b: usize, bStep: bool, out: usize): void {
  for (const end = out + n * 4; out < end; out += 4) {
    let square = load<i32>(a)
    const left = load<i32>(b)
    let power = 1
    if (left < 0 && square !== 1 && square !== -1) power = 0
    else for (let bits = <u32>left; bits > 0; bits >>= 1, square *= square) if (bits & 1) power *= square
    store<i32>(out, power)
    if (aStep) a += 4
    if (bStep) b += 4
  }
}

/** Quotients of i32, computed in f64 and cut. */
function quotients(n: usize, a: usize, aStep: bool, b: usize, bStep: bool, out: usize): void {
  for (const end = out + n * 4; out < end; out += 4) {
    store<i32>(out, toInt32(<f64>load<i32>(a) / <f64>load<i32>(b)))
    if (aStep) a += 4
    if (bStep) b += 4
  }
}

/** @inline */
function row<T>(op: i32, n: usize, a: usize, aStep: bool, b: usize, bStep: bool, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  if (aStep && bStep) {
    for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, value<T>(op, v128.load(a + i), v128.load(b + i)))
    if (whole < bytes)
      storePartial<T>(out + whole, value<T>(op, v128.load(a + whole), v128.load(b + whole)), bytes - whole)
  } else if (aStep) {
    const y = v128.load_splat<T>(b)
    for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, value<T>(op, v128.load(a + i), y))
    if (whole < bytes) storePartial<T>(out + whole, value<T>(op, v128.load(a + whole), y), bytes - whole)
  } else {
    const x = v128.load_splat<T>(a)
    // One element of each when neither steps.
    const y = v128.load_splat<T>(b)
    for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, value<T>(op, x, bStep ? v128.load(b + i) : y))
    if (whole < bytes) storePartial<T>(out + whole, value<T>(op, x, bStep ? v128.load(b + whole) : y), bytes - whole)
  }
}

/** @inline */
function value<T>(op: i32, x: v128, y: v128): v128 {
  const one = v128.splat<T>(1)
  if (op === ZipCode.add) return v128.add<T>(x, y)
  if (op === ZipCode.sub) return v128.sub<T>(x, y)
  if (op === ZipCode.mul) return v128.mul<T>(x, y)
  if (op === ZipCode.through) return v128.and(v128.mul<T>(x, y), v128.ne<T>(y, v128.splat<T>(0)))
  if (op === ZipCode.div) return isFloat<T>() ? v128.div<T>(x, y) : x
  // x where it is larger (smaller) or NaN, else y, which may be NaN
  if (op === ZipCode.maximum) return v128.bitselect(x, y, v128.or(v128.gt<T>(x, y), v128.ne<T>(x, x)))
  if (op === ZipCode.minimum) return v128.bitselect(x, y, v128.or(v128.lt<T>(x, y), v128.ne<T>(x, x)))
  if (op === ZipCode.equal) return v128.and(v128.eq<T>(x, y), one)
  if (op === ZipCode.notEqual) return v128.and(v128.ne<T>(x, y), one)
  if (op === ZipCode.less) return v128.and(v128.lt<T>(x, y), one)
  return v128.and(v128.le<T>(x, y), one)
}
