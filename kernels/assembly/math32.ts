// Functions of four f32 at a time, where one rounding more than in math.ts is the price of half the time. Polynomials are
// our own least-squares fits, weighted towards minimax; errors are measured by src/accuracy.test.ts.

// @ts-ignore: decorator
@inline
function c(x: f32): v128 {
  return f32x4.splat(x)
}
/** Coefficient i of a table in static memory: newer engines rebuild vector constants in every turn of a loop. */
// @ts-ignore: decorator
@inline
function at(table: usize, i: usize): v128 {
  return v128.load32_splat(table + (i << 2))
}
// @ts-ignore: decorator
@inline
function mad(a: v128, b: v128, d: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<f32>(a, b, d)
  return f32x4.add(f32x4.mul(a, b), d)
}
// @ts-ignore: decorator
@inline
function select(mask: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_laneselect(a, b, mask)
  return v128.bitselect(a, b, mask)
}
// @ts-ignore: decorator
@inline
function nan(x: v128): v128 {
  return f32x4.ne(x, x)
}

/** (e^r − 1 − r)/r², |r| ≤ ½ ln 2 */
const EXP = memory.data<f32>([0.4999999335, 0.1666651913, 0.04166840577, 0.008368898874, 0.001381421978])
/** (tanh x/x − 1)/x² in powers of x², |x| ≤ 0.625 */
const TANH = memory.data<f32>([-0.3333328194, 0.1333144216, -0.05373971217, 0.02063907878, -0.005704978408])
/** (Φ(x) − ½)/x in powers of x², |x| ≤ 0.8 */
const PHI = memory.data<f32>([0.3989422653, -0.06648997297, 0.009970323799, -0.001176534026, 0.00009921606984])
/** q of gelu, see there */
const NEAR = memory.data<f32>([0.3169125522, 0.06172480635, -0.03187822634, 0.01359492859, -0.005104198674, 0.001740528816, -0.0005453595801, 0.0001615788514, -5.15054402e-05, 1.348815771e-05])
const FAR = memory.data<f32>([0.3851567629, -0.1238267935, -0.3714958236, -0.4046694181, -0.01458788401, 0.3705576196, 0.04834842965, -0.4840060498, 0.04904883743, 0.6604752603])

/** ln 2 in two parts; products of the first with integers below 2^14 are exact. */
const LN2_HIGH: f32 = 0.693359375
const LN2_LOW: f32 = -2.12194440e-4
/** Adding it rounds to an integer and leaves that integer in the low bits. */
const ROUND: f32 = 12582912

/**
 * f·e^(x + low) for −120 ≤ x ≤ 90, where x is a multiple of 2^−16 or `low` makes up for its rounding: f·(1 + (r + r²·…)),
 * small terms first.
 */
// @ts-ignore: decorator
@inline
function exponential(f: v128, x: v128, low: v128): v128 {
  const shifted = mad(x, c(1.44269504088896341), c(ROUND))
  const k = f32x4.sub(shifted, c(ROUND))
  const r = f32x4.add(f32x4.sub(x, f32x4.mul(k, c(LN2_HIGH))), f32x4.sub(low, f32x4.mul(k, c(LN2_LOW))))
  let p = mad(at(EXP, 4), r, at(EXP, 3))
  p = mad(p, r, at(EXP, 2))
  p = mad(p, r, at(EXP, 1))
  p = mad(p, r, at(EXP, 0))
  p = mad(f, mad(f32x4.mul(r, r), p, r), f)
  // In two steps, so that subnormal results round once and large ones overflow.
  const whole = i32x4.sub(shifted, c(ROUND))
  const half = i32x4.shr_s(whole, 1)
  const one = i32x4.splat(127)
  const first = i32x4.shl(i32x4.add(half, one), 23)
  const second = i32x4.shl(i32x4.add(i32x4.sub(whole, half), one), 23)
  return f32x4.mul(f32x4.mul(p, first), second)
}

/** e^x */
export function exp(x: v128): v128 {
  const y = exponential(c(1), f32x4.pmin(c(90), f32x4.pmax(c(-105), x)), c(0))
  return select(nan(x), x, y)
}

/** e^x for x ≤ 0, and 0 where that is below the normal numbers */
// @ts-ignore: decorator
@inline
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

export function tanh(x: v128): v128 {
  const a = f32x4.pmin(c(10), f32x4.abs(x))
  const z = f32x4.mul(x, x)
  let p = mad(at(TANH, 4), z, at(TANH, 3))
  p = mad(p, z, at(TANH, 2))
  p = mad(p, z, at(TANH, 1))
  p = mad(p, z, at(TANH, 0))
  const small = mad(f32x4.mul(x, z), p, x)
  const e = exponential(c(1), f32x4.add(a, a), c(0))
  const large = f32x4.sub(c(1), f32x4.div(c(2), f32x4.add(e, c(1))))
  return v128.or(select(v128.or(f32x4.lt(a, c(0.625)), nan(x)), small, large), v128.and(x, c(-0.0)))
}

export function sigmoid(x: v128): v128 {
  const z = exponential(c(1), f32x4.pmax(c(-105), f32x4.neg(f32x4.abs(x))), c(0))
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

/** x·Φ(x) */
export function gelu(x: v128): v128 {
  // |x| ≤ 0.8: x·(½ + x·p(x²))
  const z = f32x4.mul(x, x)
  let p = mad(at(PHI, 4), z, at(PHI, 3))
  p = mad(p, z, at(PHI, 2))
  p = mad(p, z, at(PHI, 1))
  p = mad(p, z, at(PHI, 0))
  const small = f32x4.mul(x, mad(x, p, c(0.5)))
  // Beyond: max(x, 0) − e^(−x²/2)·q, q = |x|·Φ(−|x|)·e^(x²/2): a polynomial in |x| − 1.625 up to 2.5, then one in
  // 1/(1 + |x|/2) − 9/32. x² is taken as high² + rest, high² exact.
  const a = f32x4.pmin(c(15), f32x4.abs(x))
  const near = f32x4.lt(a, c(2.5))
  const t = select(near, f32x4.sub(a, c(1.625)), f32x4.sub(f32x4.div(c(1), mad(a, c(0.5), c(1))), c(0.28125)))
  let q = select(near, at(NEAR, 9), at(FAR, 9))
  q = mad(q, t, select(near, at(NEAR, 8), at(FAR, 8)))
  q = mad(q, t, select(near, at(NEAR, 7), at(FAR, 7)))
  q = mad(q, t, select(near, at(NEAR, 6), at(FAR, 6)))
  q = mad(q, t, select(near, at(NEAR, 5), at(FAR, 5)))
  q = mad(q, t, select(near, at(NEAR, 4), at(FAR, 4)))
  q = mad(q, t, select(near, at(NEAR, 3), at(FAR, 3)))
  q = mad(q, t, select(near, at(NEAR, 2), at(FAR, 2)))
  q = mad(q, t, select(near, at(NEAR, 1), at(FAR, 1)))
  q = mad(q, t, select(near, at(NEAR, 0), at(FAR, 0)))
  const high = v128.and(a, i32x4.splat(-4096))
  const rest = f32x4.mul(f32x4.sub(a, high), f32x4.add(a, high))
  const tail = exponential(q, f32x4.mul(f32x4.mul(high, high), c(-0.5)), f32x4.mul(rest, c(-0.5)))
  const large = f32x4.sub(select(f32x4.lt(x, c(0)), c(-0.0), x), tail)
  const y = select(f32x4.lt(a, c(0.8)), small, large)
  return select(nan(x), x, y)
}
