// Powers as Math.pow has them: out[i] = x[i]^r over a dense x, and the function of two vectors that zip uses. In f64 the
// logarithm is carried in two parts, for the exponential makes an absolute error of its argument a relative one; in f32, f64
// is precise enough. Products in the two parts are not fused: their errors are computed.

import { exp, exponent, expWith, LN2_HIGH, LN2_LOW, log, mad, mantissa, odd, select } from './math'
import { load2, store2 } from './wide'

export function power<T>(n: usize, x: usize, r: f64, out: usize): void {
  const y = f64x2.splat(r)
  const step: usize = 2 * sizeof<T>()
  for (let i: usize = 0; i < n; i += 2, x += step, out += step) store2<T>(out, pow<T>(load2<T>(x), y), n - i)
}

/** @inline */
function c(x: f64): v128 {
  return f64x2.splat(x)
}

/** Rounding error of s = a + b. @inline */
function lostBySum(a: v128, b: v128, s: v128): v128 {
  const t = f64x2.sub(s, a)
  return f64x2.add(f64x2.sub(a, f64x2.sub(s, t)), f64x2.sub(b, t))
}

/** The upper 26 bits of a. @inline */
function upper(a: v128): v128 {
  const t = f64x2.mul(a, c(134217729))
  return f64x2.sub(t, f64x2.sub(t, a))
}

/** Rounding error of p = a·b (Dekker). @inline */
function lostByProduct(a: v128, b: v128, p: v128): v128 {
  const a1 = upper(a)
  const b1 = upper(b)
  const a0 = f64x2.sub(a, a1)
  const b0 = f64x2.sub(b, b1)
  const e = f64x2.add(f64x2.sub(f64x2.mul(a1, b1), p), f64x2.mul(a1, b0))
  return f64x2.add(f64x2.add(e, f64x2.mul(a0, b1)), f64x2.mul(a0, b0))
}

/** x^y for finite x > 0 and finite y ≠ 0, where log x = k ln 2 + 2s(1 + z/3 + z²q(z)), s = (m − 1)/(m + 1), z = s²
 *  @inline */
function precise(x: v128, y: v128): v128 {
  const k = exponent(x)
  const m = mantissa(x)
  const f = f64x2.sub(m, c(1))
  const g = f64x2.add(m, c(1))
  const s = f64x2.div(f, g)
  const sg = f64x2.mul(s, g)
  const rest = f64x2.sub(f64x2.sub(f64x2.sub(f, sg), lostByProduct(s, g, sg)), f64x2.mul(s, lostBySum(m, c(1), g)))
  const sLow = f64x2.div(rest, g)
  const z = f64x2.mul(s, s)
  const zLow = f64x2.add(lostByProduct(s, s, z), f64x2.mul(f64x2.add(s, s), sLow))
  // z²q, q = 1/5 + z/7 + …, needs no second part.
  const z2 = f64x2.mul(z, z)
  const z4 = f64x2.mul(z2, z2)
  const q0 = mad(mad(odd(4), z, odd(3)), z2, mad(odd(2), z, odd(1)))
  const q1 = mad(mad(odd(8), z, odd(7)), z2, mad(odd(6), z, odd(5)))
  const q = f64x2.mul(mad(mad(mad(odd(10), z, odd(9)), z4, q1), z4, q0), f64x2.mul(c(0.5), z2))
  // h = 1 + (z/3 + z²q)
  const third = f64x2.mul(z, c(THIRD))
  const thirdLow = f64x2.add(lostByProduct(z, c(THIRD), third), mad(z, c(THIRD_LOW), f64x2.mul(zLow, c(THIRD))))
  const a = f64x2.add(third, q)
  const aLow = f64x2.add(f64x2.sub(q, f64x2.sub(a, third)), thirdLow)
  const h = f64x2.add(c(1), a)
  const hLow = f64x2.add(f64x2.sub(a, f64x2.sub(h, c(1))), aLow)
  // k ln 2 + 2s·h
  const s2 = f64x2.add(s, s)
  const p = f64x2.mul(s2, h)
  const pLow = f64x2.add(lostByProduct(s2, h, p), mad(s2, hLow, f64x2.mul(f64x2.add(sLow, sLow), h)))
  const kHigh = f64x2.mul(k, c(LN2_HIGH))
  const sum = f64x2.add(kHigh, p)
  const sumLow = f64x2.add(lostBySum(kHigh, p, sum), mad(k, c(LN2_LOW), pLow))
  const l = f64x2.add(sum, sumLow)
  const lLow = f64x2.sub(sumLow, f64x2.sub(l, sum))
  // Larger exponents overflow the same way.
  const e = f64x2.pmin(c(1e290), f64x2.pmax(c(-1e290), y))
  const t = f64x2.mul(e, l)
  const tLow = mad(e, lLow, lostByProduct(e, l, t))
  return expWith(t, v128.and(tLow, f64x2.lt(f64x2.abs(t), c(800))))
}

/** 1/3 in two parts */
const THIRD: f64 = 0.3333333333333333
const THIRD_LOW: f64 = 1.850371707708594e-17

export function pow<T>(x: v128, y: v128): v128 {
  const a = f64x2.abs(x)
  const finite = sizeof<T>() === 8 ? precise(a, y) : exp(f64x2.mul(y, log(a)))
  const infinity = c(Infinity)
  const zero = c(0)
  // 0, ±Inf and ±Inf as the exponent: infinite where a > 1 and y > 0, or neither; NaN for (±1)^±Inf.
  const endless = f64x2.eq(f64x2.abs(y), infinity)
  const end = v128.or(v128.or(f64x2.eq(a, zero), f64x2.eq(a, infinity)), endless)
  const grows = v128.not(v128.xor(f64x2.gt(a, c(1)), f64x2.gt(y, zero)))
  let result = select(end, v128.and(grows, infinity), finite)
  result = select(v128.and(endless, f64x2.eq(a, c(1))), c(NaN), result)
  // Of negative x: the sign of odd exponents, and no value for fractions.
  const halfway = f64x2.mul(y, c(0.5))
  const whole = f64x2.eq(f64x2.floor(y), y)
  const uneven = v128.and(whole, f64x2.ne(f64x2.floor(halfway), halfway))
  result = v128.xor(result, v128.and(v128.and(uneven, x), c(-0.0)))
  result = select(v128.andnot(f64x2.lt(x, zero), v128.or(whole, end)), c(NaN), result)
  result = select(v128.or(f64x2.ne(x, x), f64x2.ne(y, y)), c(NaN), result)
  return select(f64x2.eq(y, zero), c(1), result)
}
