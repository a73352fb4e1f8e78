// Functions of four f32 at a time, where one rounding more than in math.ts is the price of half the time. Polynomials are
// our own least-squares fits, weighted towards minimax; errors are measured by src/accuracy.test.ts.

/** @inline */
function c(x: f32): v128 {
  return f32x4.splat(x)
}
/** Coefficient i of a table in static memory: newer engines rebuild vector constants in every turn of a loop.
 *  @inline */
function at(table: usize, i: usize): v128 {
  return v128.load32_splat(table + (i << 2))
}
/** @inline */
function mad(a: v128, b: v128, d: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<f32>(a, b, d)
  return f32x4.add(f32x4.mul(a, b), d)
}
/** @inline */
function select(mask: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_laneselect(a, b, mask)
  return v128.bitselect(a, b, mask)
}
/** @inline */
function nan(x: v128): v128 {
  return f32x4.ne(x, x)
}

/** (e^r − 1 − r)/r², |r| ≤ ½ ln 2 */
const EXP = memory.data<f32>([0.4999999335, 0.1666651913, 0.04166840577, 0.008368898874, 0.001381421978])
/** (tanh x/x − 1)/x² in powers of x², |x| ≤ 0.625 */
const TANH = memory.data<f32>([-0.3333328194, 0.1333144216, -0.05373971217, 0.02063907878, -0.005704978408])
/** (Φ(x) − ½)/x in powers of x², |x| ≤ 0.8 */
const PHI = memory.data<f32>([0.3989422653, -0.06648997297, 0.009970323799, -0.001176534026, 0.00009921606984])
/** q of gelu, see there. The places of both polynomials were chosen so that their first coefficients are exact. */
const NEAR = memory.data<f32>([
  0.3241601884, 0.05434988439, -0.02722359262, 0.01129324641, -0.004133140668, 0.001379573368, -0.0004249316698,
  0.00011652385, -3.566880696e-5, 1.435258037e-5,
])
const FAR = memory.data<f32>([
  0.3813783824, -0.1456442624, -0.4055669606, -0.4033765495, 0.03754380345, 0.3708590865, -0.03660299629, -0.4425478876,
])

/** ln 2 in two parts; products of the first with integers below 2^14 are exact. */
const LN2_HIGH: f32 = 0.693359375
const LN2_LOW: f32 = -2.1219444e-4
/** Adding it rounds to an integer and leaves that integer in the low bits. */
const ROUND: f32 = 12582912
/** 1/ln 2, −ln 2 in two parts, ROUND, 1 */
const LN2 = memory.data<f32>([1.44269504088896341, -0.693359375, 2.1219444e-4, 12582912, 1])

/** r and k of x = k·ln 2 + r, |r| ≤ ½ ln 2; k is in the low bits of the sum. @inline */
function nearest(x: v128): v128 {
  return mad(x, at(LN2, 0), at(LN2, 3))
}
/** @inline */
function remainder(x: v128, sum: v128): v128 {
  const k = f32x4.sub(sum, at(LN2, 3))
  return mad(k, at(LN2, 2), mad(k, at(LN2, 1), x))
}

/** (e^r − 1 − r) + low @inline */
function expTail(r: v128, low: v128): v128 {
  let p = mad(at(EXP, 4), r, at(EXP, 3))
  p = mad(p, r, at(EXP, 2))
  p = mad(p, r, at(EXP, 1))
  p = mad(p, r, at(EXP, 0))
  return mad(f32x4.mul(r, r), p, low)
}
/** @inline */
function expm1Near(r: v128): v128 {
  return expTail(r, r)
}
/** e^r, with what the rounding of 1 + r loses @inline */
function expNear(r: v128): v128 {
  const s = f32x4.add(at(LN2, 4), r)
  return f32x4.add(s, expTail(r, f32x4.sub(r, f32x4.sub(s, at(LN2, 4)))))
}

/** p·2^k, k in the low bits of `sum`, where neither is subnormal nor overflows: k is added to the exponent. @inline */
function scaled(p: v128, sum: v128): v128 {
  return i32x4.add(p, i32x4.shl(sum, 23))
}

/** The same in two steps, so that subnormal results round once and large ones overflow: −151 ≤ k ≤ 130. @inline */
function twice(p: v128, sum: v128): v128 {
  const whole = i32x4.sub(sum, at(LN2, 3))
  const half = i32x4.shr_s(whole, 1)
  const one = i32x4.splat(127)
  const first = i32x4.shl(i32x4.add(half, one), 23)
  return f32x4.mul(f32x4.mul(p, first), i32x4.shl(i32x4.add(i32x4.sub(whole, half), one), 23))
}

/** e^x for −105 ≤ x ≤ 90 @inline */
function exponential(x: v128): v128 {
  const sum = nearest(x)
  return twice(expNear(remainder(x, sum)), sum)
}

/** Whether a lane is NaN or has a modulus above `most`, of which these are the bits. @inline */
function beyond(x: v128, most: i32): bool {
  return v128.any_true(i32x4.gt_s(v128.and(x, i32x4.splat(0x7fffffff)), i32x4.splat(most)))
}

/** e^x @inline */
export function exp(x: v128): v128 {
  // 87
  if (beyond(x, 0x42ae0000)) return expAnywhere(x)
  const sum = nearest(x)
  return scaled(expNear(remainder(x, sum)), sum)
}
function expAnywhere(x: v128): v128 {
  const y = exponential(f32x4.pmin(c(90), f32x4.pmax(c(-105), x)))
  return select(nan(x), x, y)
}

/** e^x for x ≤ 0, and 0 where that is below the normal numbers @inline */
export function expNegative(x: v128): v128 {
  // The sum's low bits are k + 127, the exponent field of 2^k. NaN is no less than the bound and stays.
  const shifted = mad(f32x4.pmax(x, c(-88)), c(1.44269504088896341), c(ROUND + 127))
  const k = f32x4.sub(shifted, c(ROUND + 127))
  const r = mad(k, c(-LN2_LOW), mad(k, c(-LN2_HIGH), x))
  let p = mad(at(EXP, 4), r, at(EXP, 3))
  p = mad(p, r, at(EXP, 2))
  p = mad(p, r, at(EXP, 1))
  p = mad(p, r, at(EXP, 0))
  p = f32x4.add(c(1), mad(f32x4.mul(r, r), p, r))
  return v128.andnot(f32x4.mul(p, i32x4.shl(shifted, 23)), f32x4.lt(x, c(-87.25)))
}

/** @inline */
export function tanh(x: v128): v128 {
  const a = f32x4.pmin(c(10), f32x4.abs(x))
  const z = f32x4.mul(x, x)
  let p = mad(at(TANH, 4), z, at(TANH, 3))
  p = mad(p, z, at(TANH, 2))
  p = mad(p, z, at(TANH, 1))
  p = mad(p, z, at(TANH, 0))
  const small = mad(f32x4.mul(x, z), p, x)
  const sum = nearest(f32x4.add(a, a))
  const e = scaled(f32x4.add(c(1), expm1Near(remainder(f32x4.add(a, a), sum))), sum)
  const large = f32x4.sub(c(1), f32x4.div(c(2), f32x4.add(e, c(1))))
  return v128.or(select(v128.or(f32x4.lt(a, c(0.625)), nan(x)), small, large), v128.and(x, c(-0.0)))
}

/** 1/(1 + e^−x) @inline */
export function sigmoid(x: v128): v128 {
  if (beyond(x, 0x42ae0000)) return sigmoidAnywhere(x)
  const a = v128.or(x, c(-0.0))
  const sum = nearest(a)
  const z = scaled(f32x4.add(at(LN2, 4), expm1Near(remainder(a, sum))), sum)
  return f32x4.div(select(f32x4.lt(x, c(0)), z, at(LN2, 4)), f32x4.add(at(LN2, 4), z))
}
function sigmoidAnywhere(x: v128): v128 {
  const z = exponential(f32x4.pmax(c(-105), f32x4.neg(f32x4.abs(x))))
  const y = f32x4.div(select(f32x4.lt(x, c(0)), z, c(1)), f32x4.add(c(1), z))
  return select(nan(x), x, y)
}

/** 2/(2k + 1), k = 1..5: log((1 + s)/(1 − s)) = 2s + s·(z·2/3 + z²·2/5 + …), z = s² */
const ATANH = memory.data<f32>([0.6666666667, 0.4, 0.2857142857, 0.2222222222, 0.1818181818])

/** log x, by x = 2^k·m with √½ ≤ m < √2 */
export function log(x: v128): v128 {
  const subnormal = f32x4.lt(x, c(1.17549435e-38))
  const y = select(subnormal, f32x4.mul(x, c(33554432)), x)
  // The exponent of y/√½, so that m lies around 1.
  const whole = i32x4.shr_s(i32x4.sub(y, i32x4.splat(0x3f3504f3)), 23)
  const m = i32x4.sub(y, i32x4.shl(whole, 23))
  const k = f32x4.sub(f32x4.convert_i32x4_s(whole), v128.and(subnormal, c(25)))
  const f = f32x4.sub(m, c(1))
  const s = f32x4.div(f, f32x4.add(c(2), f))
  const z = f32x4.mul(s, s)
  let r = mad(at(ATANH, 4), z, at(ATANH, 3))
  r = mad(r, z, at(ATANH, 2))
  r = mad(r, z, at(ATANH, 1))
  r = f32x4.mul(mad(r, z, at(ATANH, 0)), z)
  // log(1 + f) = f − f²/2 + s·(f²/2 + r)
  const h = f32x4.mul(c(0.5), f32x4.mul(f, f))
  const low = mad(s, f32x4.add(h, r), f32x4.mul(k, c(LN2_LOW)))
  const finite = f32x4.sub(f32x4.mul(k, c(LN2_HIGH)), f32x4.sub(f32x4.sub(h, low), f))
  const special = v128.or(f32x4.eq(x, c(Infinity)), nan(x))
  const result = select(f32x4.lt(x, c(0)), c(NaN), select(special, x, finite))
  return select(f32x4.eq(x, c(0)), c(-Infinity), result)
}

/**
 * x·Φ(x). |x| ≤ 0.75: x·(½ + x·p(x²)). Beyond: max(x, 0) − e^(−x²/2)·q, q = |x|·Φ(−|x|)·e^(x²/2), up to 2.5 a polynomial in
 * |x| less a constant, then one in 1/(1 + |x|/2) less another.
 @inline */
export function gelu(x: v128): v128 {
  // 13
  if (beyond(x, 0x41500000)) return geluAnywhere(x)
  const a = f32x4.abs(x)
  const sum = nearest(halfSquare(a))
  let first = at(NEAR, 0)
  let rest = nearPart(a)
  // 2.5
  if (beyond(x, 0x40200000)) {
    const near = f32x4.lt(a, c(2.5))
    first = select(near, first, at(FAR, 0))
    rest = select(near, rest, farPart(a))
  }
  return geluFrom(x, a, scaled(geluTail(a, first, rest, sum), sum))
}

/** q of gelu less its first coefficient. @inline */
function nearPart(a: v128): v128 {
  const t = f32x4.sub(a, c(1.750087857246399))
  let q = mad(at(NEAR, 9), t, at(NEAR, 8))
  q = mad(q, t, at(NEAR, 7))
  q = mad(q, t, at(NEAR, 6))
  q = mad(q, t, at(NEAR, 5))
  q = mad(q, t, at(NEAR, 4))
  q = mad(q, t, at(NEAR, 3))
  q = mad(q, t, at(NEAR, 2))
  q = mad(q, t, at(NEAR, 1))
  return f32x4.mul(q, t)
}
/** @inline */
function farPart(a: v128): v128 {
  const t = f32x4.sub(f32x4.div(c(1), mad(a, c(0.5), c(1))), c(0.309326171875))
  let q = mad(at(FAR, 7), t, at(FAR, 6))
  q = mad(q, t, at(FAR, 5))
  q = mad(q, t, at(FAR, 4))
  q = mad(q, t, at(FAR, 3))
  q = mad(q, t, at(FAR, 2))
  q = mad(q, t, at(FAR, 1))
  return f32x4.mul(q, t)
}

/** The first half of a, whose square is exact. @inline */
function highPart(a: v128): v128 {
  return v128.and(a, i32x4.splat(-4096))
}
/** −½·high² @inline */
function halfSquare(a: v128): v128 {
  const high = highPart(a)
  return f32x4.mul(f32x4.mul(high, high), c(-0.5))
}

/** q·e^(−a²/2)/2^k, q = first + rest @inline */
function geluTail(a: v128, first: v128, rest: v128, sum: v128): v128 {
  const high = highPart(a)
  const k = f32x4.sub(sum, at(LN2, 3))
  const main = mad(k, at(LN2, 1), halfSquare(a))
  const r = f32x4.add(main, mad(k, at(LN2, 2), f32x4.mul(f32x4.mul(f32x4.sub(a, high), f32x4.add(a, high)), c(-0.5))))
  // q + q·(e^r − 1), the largest term last
  return f32x4.add(first, mad(f32x4.add(first, rest), expm1Near(r), rest))
}

/** gelu from what max(x, 0) loses where |x| = a is not small @inline */
function geluFrom(x: v128, a: v128, tail: v128): v128 {
  const z = f32x4.mul(x, x)
  let p = mad(at(PHI, 4), z, at(PHI, 3))
  p = mad(p, z, at(PHI, 2))
  p = mad(p, z, at(PHI, 1))
  p = mad(p, z, at(PHI, 0))
  const large = f32x4.sub(f32x4.pmax(c(-0.0), x), tail)
  return select(f32x4.lt(a, c(0.75)), f32x4.mul(x, mad(x, p, c(0.5))), large)
}

function geluAnywhere(x: v128): v128 {
  const a = f32x4.pmin(c(15), f32x4.abs(x))
  const near = f32x4.lt(a, c(2.5))
  const sum = nearest(halfSquare(a))
  const tail = geluTail(a, select(near, at(NEAR, 0), at(FAR, 0)), select(near, nearPart(a), farPart(a)), sum)
  return select(nan(x), x, geluFrom(x, a, twice(tail, sum)))
}

/** The derivative of gelu, Φ(x) + xΦ′(x). With q as in gelu and E = e^(−a²/2) it is E·(q/a − a/√2π) at −a, and 1 less that at a;
 *  close to 0 it is ½ + x·(p + E/√2π), Φ(x) = ½ + x·p. */
export function geluSlope(x: v128): v128 {
  const a = f32x4.pmin(c(15), f32x4.abs(x))
  const sum = nearest(halfSquare(a))
  const high = highPart(a)
  const k = f32x4.sub(sum, at(LN2, 3))
  const main = mad(k, at(LN2, 1), halfSquare(a))
  const low = f32x4.mul(f32x4.mul(f32x4.sub(a, high), f32x4.add(a, high)), c(-0.5))
  const power = expNear(f32x4.add(main, mad(k, at(LN2, 2), low)))
  // 13
  const e = beyond(x, 0x41500000) ? twice(power, sum) : scaled(power, sum)
  let q = f32x4.add(at(NEAR, 0), nearPart(a))
  // 2.5
  if (beyond(x, 0x40200000)) q = select(f32x4.lt(a, c(2.5)), q, f32x4.add(at(FAR, 0), farPart(a)))
  const left = f32x4.mul(e, mad(a, c(-0.3989422804014327), f32x4.div(q, a)))
  const far = select(f32x4.lt(x, c(0)), left, f32x4.sub(c(1), left))
  const z = f32x4.mul(x, x)
  let p = mad(at(PHI, 4), z, at(PHI, 3))
  p = mad(p, z, at(PHI, 2))
  p = mad(p, z, at(PHI, 1))
  p = mad(p, z, at(PHI, 0))
  const near = mad(x, mad(e, c(0.3989422804014327), p), c(0.5))
  return select(nan(x), x, select(f32x4.lt(a, c(0.75)), near, far))
}
