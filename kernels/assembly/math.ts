// Functions of two f64 at a time. They read only the tables below, in static memory. Relative errors, in units in the last
// place, are measured by src/accuracy.test.ts; coefficients are Taylor's or our own fits (see src/js/special.ts).

/** 1/k!, k = 0..13 */
const FACTORIALS = memory.data<f64>([
  1.0, 1.0, 0.5, 0.16666666666666666, 0.041666666666666664, 0.008333333333333333, 0.001388888888888889,
  0.0001984126984126984, 2.48015873015873e-5, 2.7557319223985893e-6, 2.755731922398589e-7, 2.505210838544172e-8,
  2.08767569878681e-9, 1.6059043836821613e-10,
])
/** 2/(2k + 1), k = 1..11: log((1 + s)/(1 − s)) = 2s + s·(z·2/3 + z²·2/5 + …), z = s² */
const ATANH = memory.data<f64>([
  0.6666666666666666, 0.4, 0.2857142857142857, 0.2222222222222222, 0.18181818181818182, 0.15384615384615385,
  0.13333333333333333, 0.11764705882352941, 0.10526315789473684, 0.09523809523809523, 0.08695652173913043,
])
/** erf(x)/x in powers of x², |x| ≤ 1 */
const ERF_SMALL = memory.data<f64>([
  1.1283791670955126, -0.37612638903183754, 0.1128379167095512, -0.026866170645129854, 0.005223977625423455,
  -0.0008548327021945428, 0.00012055332903350668, -1.4925647581008593e-5, 1.6462045711013026e-6, -1.6364645854816389e-7,
  1.479243542696247e-8, -1.2164764337224506e-9, 8.709755232851789e-11, -4.2320376764874594e-12,
])
/** (1 + 2u)·exp(u²)·erfc(u), a Chebyshev series in (u − 3.5)/(u + 3.5), u ≥ 0 */
const ERFC_TAIL = memory.data<f64>([
  1.177632731636124, -0.001630177283414629, -0.08733682573463146, 0.05800974837029327, -0.024340115396182225,
  0.007529483715635749, -0.0017438817577112521, 0.00028269829816555584, -2.31849116112635e-5, -2.111766698133041e-6,
  8.765760156892822e-7, -6.105702635086118e-8, -1.7116664716341917e-8, 3.391360268611259e-9, 2.54661619366046e-10,
  -1.2482784079516295e-10, -2.2122757753433792e-12, 4.4272603638230294e-12, -3.367266128031013e-14,
  -1.6519256000923578e-13, 1.9024103044538835e-15, 6.601187937172832e-15, 2.880282449409004e-17,
  -2.7791709635743296e-16, -1.0764465740332641e-17, 1.1885144203998814e-17, 1.0933660522821855e-18,
])

const LN2: f64 = 0.6931471805599453
/** ln 2 in two parts; products of the first with integers below 2^11 are exact. */
export const LN2_HIGH: f64 = 0.69314718036912381649
export const LN2_LOW: f64 = 1.90821492927058770002e-10
/** Adding it rounds to an integer and leaves that integer in the low bits. */
const ROUND: f64 = 6755399441055744

/** The other constants of exp, as a table for newer engines, which rebuild vector constants in every turn of a loop. */
const EXP = memory.data<f64>([
  -746, 710, 1.4426950408889634, 6755399441055744, 0.69314718036912381649, 1.90821492927058770002e-10, 1,
])
/** The bits of ROUND, less twice 1023 */
const ROUND_BIASED = memory.data<i64>([0x4338000000000000 - 2046])

/** @inline */
function c(x: f64): v128 {
  return f64x2.splat(x)
}
/** @inline */
export function select(mask: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i64x2.relaxed_laneselect(a, b, mask)
  return v128.bitselect(a, b, mask)
}
/** @inline */
export function mad(a: v128, b: v128, d: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<f64>(a, b, d)
  return f64x2.add(f64x2.mul(a, b), d)
}
/** @inline */
function nan(x: v128): v128 {
  return f64x2.ne(x, x)
}

/** 1/i! @inline */
function factorial(i: usize): v128 {
  return v128.load64_splat(FACTORIALS + (i << 3))
}

/** @inline */
function entry(i: usize): v128 {
  return v128.load64_splat(EXP + (i << 3))
}

/** 2^k for integers k given as k + ROUND, −1022 ≤ k ≤ 1023. @inline */
function powerOfTwo(k: v128): v128 {
  return i64x2.shl(i64x2.add(k, i64x2.splat(1023)), 52)
}

/** (e^r − 1 − r)/r² = Σ_{i=2}^{13} r^(i−2)/i!, in Estrin's order: pairs, pairs of pairs, and their sum. @inline */
function exponentialTail(r: v128): v128 {
  const r2 = f64x2.mul(r, r)
  const r4 = f64x2.mul(r2, r2)
  const low = mad(mad(factorial(5), r, factorial(4)), r2, mad(factorial(3), r, factorial(2)))
  const middle = mad(mad(factorial(9), r, factorial(8)), r2, mad(factorial(7), r, factorial(6)))
  const high = mad(mad(factorial(13), r, factorial(12)), r2, mad(factorial(11), r, factorial(10)))
  return mad(mad(high, r4, middle), r4, low)
}

/** e^(x + low), where `low` makes up for the rounding of x or is left out @inline */
function exponential(x: v128, low: v128, withLow: bool): v128 {
  // Beyond these bounds the result is 0 or infinite anyway.
  const y = f64x2.pmin(entry(1), f64x2.pmax(entry(0), x))
  const shifted = f64x2.add(f64x2.mul(y, entry(2)), entry(3))
  const k = f64x2.sub(shifted, entry(3))
  let r = f64x2.sub(f64x2.sub(y, f64x2.mul(k, entry(4))), f64x2.mul(k, entry(5)))
  if (withLow) r = f64x2.add(r, low)
  // 1 + (r + r²·…): the small terms first
  const p = f64x2.add(entry(6), mad(f64x2.mul(r, r), exponentialTail(r), r))
  // In two steps, so that subnormal results round once and large ones overflow: the exponent fields of 2^⌊k/2⌋ and 2^⌈k/2⌉.
  const both = i64x2.sub(shifted, v128.load64_splat(ROUND_BIASED))
  const half = i64x2.shr_u(both, 1)
  const power = f64x2.mul(f64x2.mul(p, i64x2.shl(half, 52)), i64x2.shl(i64x2.sub(both, half), 52))
  return select(nan(x), x, power)
}

/** e^x */
export function exp(x: v128): v128 {
  return exponential(x, x, false)
}

/** e^(x + low) */
export function expWith(x: v128, low: v128): v128 {
  return exponential(x, low, true)
}

/** e^x − 1 for x ≤ 40 (larger ones overflow early) @inline */
function expm1Moderate(x: v128): v128 {
  const shifted = f64x2.add(f64x2.mul(x, c(1 / LN2)), c(ROUND))
  const k = f64x2.sub(shifted, c(ROUND))
  const r = f64x2.sub(f64x2.sub(x, f64x2.mul(k, c(LN2_HIGH))), f64x2.mul(k, c(LN2_LOW)))
  const p = mad(f64x2.mul(r, r), exponentialTail(r), r)
  const two = powerOfTwo(shifted)
  return f64x2.add(f64x2.sub(two, c(1)), f64x2.mul(two, p))
}

export function expm1(x: v128): v128 {
  const moderate = expm1Moderate(f64x2.pmin(c(38), f64x2.pmax(c(-40), x)))
  // x itself keeps signed zeros, subnormals and NaN.
  const tiny = f64x2.lt(f64x2.abs(x), c(1e-300))
  return select(v128.or(tiny, nan(x)), x, select(f64x2.gt(x, c(37)), exp(x), moderate))
}

/** e^(2|x|) − 1, of 20 beyond 20 */
export function expm1Twice(x: v128): v128 {
  const a = f64x2.pmin(c(20), f64x2.abs(x))
  return expm1Moderate(f64x2.add(a, a))
}

export function tanh(x: v128): v128 {
  return tanhFrom(x, expm1Twice(x))
}

/** tanh x from e = expm1Twice(x) @inline */
export function tanhFrom(x: v128, e: v128): v128 {
  const a = f64x2.pmin(c(20), f64x2.abs(x))
  // e/(e + 2) where that is small, 1 − 2/(e + 2) elsewhere
  const small = f64x2.lt(a, c(0.55))
  const q = f64x2.div(select(small, e, c(2)), f64x2.add(e, c(2)))
  const y = select(small, q, f64x2.sub(c(1), q))
  const sign = v128.and(x, c(-0.0))
  const tiny = f64x2.lt(a, c(1e-9))
  return select(v128.or(tiny, nan(x)), x, v128.or(y, sign))
}

export function sigmoid(x: v128): v128 {
  const z = exp(f64x2.neg(f64x2.abs(x)))
  const d = f64x2.add(c(1), z)
  return f64x2.div(select(f64x2.lt(x, c(0)), z, c(1)), d)
}

/** 1/cosh², the derivative of tanh, which 1 − tanh² loses where tanh rounds to ±1 */
export function sech2(x: v128): v128 {
  const e = exp(f64x2.mul(f64x2.abs(x), c(-2)))
  const d = f64x2.add(c(1), e)
  return f64x2.div(f64x2.mul(c(4), e), f64x2.mul(d, d))
}

/** 1/cosh² x from e = expm1Twice(x) @inline */
export function sech2From(x: v128, e: v128): v128 {
  if (v128.any_true(f64x2.gt(f64x2.abs(x), c(20)))) return sech2(x)
  const d = f64x2.add(c(2), e)
  return f64x2.div(f64x2.mul(c(4), f64x2.add(c(1), e)), f64x2.mul(d, d))
}

/** 2/(2i + 3) @inline */
export function odd(i: usize): v128 {
  return v128.load64_splat(ATANH + (i << 3))
}

const LEAST_NORMAL: f64 = 2.2250738585072014e-308

/** x, or 2^54·x where x is subnormal @inline */
function normalized(x: v128): v128 {
  return select(f64x2.lt(x, c(LEAST_NORMAL)), f64x2.mul(x, c(18014398509481984)), x)
}

/** m of x = 2^k·m, √½ ≤ m < √2, for finite x > 0 @inline */
export function mantissa(x: v128): v128 {
  const y = normalized(x)
  return i64x2.sub(y, i64x2.shl(i64x2.shr_s(i64x2.sub(y, i64x2.splat(0x3fe6a09e667f3bcd)), 52), 52))
}

/** k of x = 2^k·m @inline */
export function exponent(x: v128): v128 {
  const whole = i64x2.shr_s(i64x2.sub(normalized(x), i64x2.splat(0x3fe6a09e667f3bcd)), 52)
  const k = f64x2.convert_low_i32x4_s(i8x16.shuffle(whole, whole, 0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11))
  return select(f64x2.lt(x, c(LEAST_NORMAL)), f64x2.sub(k, c(54)), k)
}

/** log x, by x = 2^k·m */
export function log(x: v128): v128 {
  const m = mantissa(x)
  const k = exponent(x)
  const f = f64x2.sub(m, c(1))
  const s = f64x2.div(f, f64x2.add(c(2), f))
  const z = f64x2.mul(s, s)
  const z2 = f64x2.mul(z, z)
  const z4 = f64x2.mul(z2, z2)
  const high = mad(odd(10), z2, mad(odd(9), z, odd(8)))
  const middle = mad(mad(odd(7), z, odd(6)), z2, mad(odd(5), z, odd(4)))
  const first = mad(mad(odd(3), z, odd(2)), z2, mad(odd(1), z, odd(0)))
  const r = f64x2.mul(mad(mad(high, z4, middle), z4, first), z)
  // log(1 + f) = f − f²/2 + s·(f²/2 + r)
  const h = f64x2.mul(c(0.5), f64x2.mul(f, f))
  const low = mad(s, f64x2.add(h, r), f64x2.mul(k, c(LN2_LOW)))
  const finite = f64x2.sub(f64x2.mul(k, c(LN2_HIGH)), f64x2.sub(f64x2.sub(h, low), f))
  const zero = f64x2.eq(x, c(0))
  const special = v128.or(f64x2.eq(x, c(Infinity)), nan(x))
  const result = select(f64x2.lt(x, c(0)), c(NaN), select(special, x, finite))
  return select(zero, c(-Infinity), result)
}

/** log(1 + x): log u with u = 1 + x rounded, corrected by what rounding lost */
export function log1p(x: v128): v128 {
  const u = f64x2.add(c(1), x)
  const lost = f64x2.sub(x, f64x2.sub(u, c(1)))
  const y = f64x2.add(log(u), f64x2.div(lost, u))
  const itself = v128.or(v128.or(f64x2.lt(f64x2.abs(x), c(1e-16)), nan(x)), f64x2.eq(x, c(Infinity)))
  return select(itself, x, select(f64x2.le(x, c(-1)), log(u), y))
}

export function softplus(x: v128): v128 {
  const y = f64x2.add(f64x2.pmax(c(0), x), log1p(exp(f64x2.neg(f64x2.abs(x)))))
  return select(nan(x), x, y)
}

/** exp(u²)·erfc(u), u ≥ 0 */
function scaledErfc(u: v128): v128 {
  const y = f64x2.div(f64x2.sub(u, c(3.5)), f64x2.add(u, c(3.5)))
  const y2 = f64x2.add(y, y)
  let b1 = c(0)
  let b2 = c(0)
  for (let i: usize = 26; i > 0; i--) {
    const b = f64x2.add(f64x2.sub(f64x2.mul(y2, b1), b2), v128.load64_splat(ERFC_TAIL + i * 8))
    b2 = b1
    b1 = b
  }
  const sum = f64x2.add(f64x2.sub(f64x2.mul(y, b1), b2), v128.load64_splat(ERFC_TAIL))
  return f64x2.div(sum, f64x2.add(c(1), f64x2.add(u, u)))
}

/** exp(−scale·x²) without the error of rounding x²: x = high + low with high² exact @inline */
export function gaussian(x: v128, scale: f64): v128 {
  const high = v128.and(x, i64x2.splat(-0x8000000))
  const rest = f64x2.mul(f64x2.sub(x, high), f64x2.add(x, high))
  return f64x2.mul(exp(f64x2.mul(f64x2.mul(high, high), c(-scale))), exp(f64x2.mul(rest, c(-scale))))
}

export function erf(x: v128): v128 {
  const a = f64x2.abs(x)
  const z = f64x2.mul(x, x)
  let p = v128.load64_splat(ERF_SMALL, 104)
  for (let i: i32 = 12; i >= 0; i--) p = mad(p, z, v128.load64_splat(ERF_SMALL + <usize>i * 8))
  const b = f64x2.pmin(c(6), a)
  const large = v128.or(f64x2.sub(c(1), f64x2.mul(gaussian(b, 1), scaledErfc(b))), v128.and(x, c(-0.0)))
  return select(nan(x), x, select(f64x2.le(a, c(1)), f64x2.mul(x, p), large))
}

/** Φ(x) = ½ erfc(−x/√2) */
export function normalCdf(x: v128): v128 {
  const a = f64x2.pmin(c(39), f64x2.abs(x))
  const tail = f64x2.mul(f64x2.mul(c(0.5), gaussian(a, 0.5)), scaledErfc(f64x2.mul(a, c(0.7071067811865476))))
  return select(nan(x), x, select(f64x2.lt(x, c(0)), tail, f64x2.sub(c(1), tail)))
}

/** x·gate, where the gate falls faster than x grows: −0 far to the left @inline */
function gatedBy(x: v128, gate: v128): v128 {
  return select(f64x2.eq(x, c(-Infinity)), c(-0.0), f64x2.mul(x, gate))
}

export function gelu(x: v128): v128 {
  return gatedBy(x, normalCdf(x))
}
export function silu(x: v128): v128 {
  return gatedBy(x, sigmoid(x))
}
export function geluTanh(x: v128): v128 {
  const cube = f64x2.mul(f64x2.mul(x, x), x)
  return gatedBy(x, sigmoid(f64x2.mul(c(1.5957691216057308), mad(c(0.044715), cube, x))))
}
