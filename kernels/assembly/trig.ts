// sin and cos of two f64 at a time, of any size: x = n·π/2 + y, |y| ≤ π/4, with y in two parts.
//
// Up to 2^19, π/2 is taken in four parts (Cody & Waite), beyond in as many bits as it takes (Payne & Hanek, *Radian reduction
// for trigonometric functions*, SIGNUM Newsletter 18, 1983). Products and sums in the reduction are not fused: their errors
// are computed.

import { mad, select } from './math'

/** π/2 in parts of 33 bits, so that their products with integers below 2^20 are exact, and what is left. */
const PIO2_1: f64 = 1.5707963267341256
const PIO2_2: f64 = 6.077100506303966e-11
const PIO2_3: f64 = 2.0222662487111665e-21
const PIO2_4: f64 = 8.4784276603689e-32
/** Adding it rounds to an integer and leaves that integer in the low bits. */
const ROUND: f64 = 6755399441055744
const LARGE: f64 = 524288

/** 64 zeros, then the bits of 2/π after the point. */
const TWO_OVER_PI = memory.data<u64>([
  0, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561, 0xb7246e3a424dd2e0,
  0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4,
  0x9c845f8bbdf9283b, 0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
  0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d,
])
/** ±1/k!, k = 3, 5, …, 17 */
const SIN = memory.data<f64>([
  -0.16666666666666666, 0.008333333333333333, -0.0001984126984126984, 2.7557319223985893e-6, -2.505210838544172e-8,
  1.6059043836821613e-10, -7.647163731819816e-13, 2.8114572543455206e-15,
])
/** ±1/k!, k = 4, 6, …, 18 */
const COS = memory.data<f64>([
  0.041666666666666664, -0.001388888888888889, 2.48015873015873e-5, -2.755731922398589e-7, 2.08767569878681e-9,
  -1.1470745597729725e-11, 4.779477332387385e-14, -1.5619206968586225e-16,
])
/** atan(k/4), k = 0..4, in two parts each */
const ATAN = memory.data<f64>([
  0.0, 0.0, 0.24497866312686414, 1.0698755618734451e-17, 0.4636476090008061, 2.2698777452961687e-17, 0.6435011087932844,
  1.5834785051444286e-17, 0.7853981633974483, 3.061616997868383e-17,
])
/** ±1/k, k = 3, 5, …, 17 */
const ODD = memory.data<f64>([
  -0.3333333333333333, 0.2, -0.14285714285714285, 0.1111111111111111, -0.09090909090909091, 0.07692307692307693,
  -0.06666666666666667, 0.058823529411764705,
])

/** @inline */
function c(x: f64): v128 {
  return f64x2.splat(x)
}
/** @inline */
function at(table: usize, i: usize): v128 {
  return v128.load64_splat(table + (i << 3))
}

/** Rounding error of s = a + b. @inline */
function lost(a: v128, b: v128, s: v128): v128 {
  const t = f64x2.sub(s, a)
  return f64x2.add(f64x2.sub(a, f64x2.sub(s, t)), f64x2.sub(b, t))
}

export function sin(x: v128): v128 {
  const y = circular(x, 0)
  // x itself keeps signed zeros.
  return select(f64x2.lt(f64x2.abs(x), c(7.450580596923828e-9)), x, y)
}
export function cos(x: v128): v128 {
  return circular(x, 1)
}

/** sin(x + quarters·π/2) @inline */
function circular(x: v128, quarters: i64): v128 {
  const shifted = f64x2.add(f64x2.mul(x, c(0.6366197723675814)), c(ROUND))
  const k = f64x2.sub(shifted, c(ROUND))
  const a = f64x2.sub(x, f64x2.mul(k, c(PIO2_1)))
  const k2 = f64x2.mul(k, c(-PIO2_2))
  const k3 = f64x2.mul(k, c(-PIO2_3))
  const b = f64x2.add(a, k2)
  const d = f64x2.add(b, k3)
  const tail = f64x2.add(f64x2.add(lost(a, k2, b), lost(b, k3, d)), f64x2.mul(k, c(-PIO2_4)))
  let y = f64x2.add(d, tail)
  let low = f64x2.add(f64x2.sub(d, y), tail)
  let n = shifted
  const far = f64x2.ge(f64x2.abs(x), c(LARGE))
  if (v128.any_true(far)) {
    if (i64x2.extract_lane(far, 0)) {
      y = f64x2.replace_lane(y, 0, reduce(f64x2.extract_lane(x, 0)))
      low = f64x2.replace_lane(low, 0, reducedLow)
      n = i64x2.replace_lane(n, 0, reducedQuarter)
    }
    if (i64x2.extract_lane(far, 1)) {
      y = f64x2.replace_lane(y, 1, reduce(f64x2.extract_lane(x, 1)))
      low = f64x2.replace_lane(low, 1, reducedLow)
      n = i64x2.replace_lane(n, 1, reducedQuarter)
    }
  }
  n = i64x2.add(n, i64x2.splat(quarters))
  const z = f64x2.mul(y, y)
  const z2 = f64x2.mul(z, z)
  const z4 = f64x2.mul(z2, z2)
  // sin y = y − ((z(low/2 − y z s) − low) − y z S₀)
  const cube = f64x2.mul(z, y)
  const s0 = mad(mad(at(SIN, 4), z, at(SIN, 3)), z2, mad(at(SIN, 2), z, at(SIN, 1)))
  const s = mad(mad(at(SIN, 7), z2, mad(at(SIN, 6), z, at(SIN, 5))), z4, s0)
  const inner = f64x2.sub(f64x2.mul(z, f64x2.sub(f64x2.mul(c(0.5), low), f64x2.mul(cube, s))), low)
  const sine = f64x2.sub(y, f64x2.sub(inner, f64x2.mul(cube, at(SIN, 0))))
  // cos y = w + (((1 − w) − z/2) + (z² t − y low)), w = 1 − z/2 rounded
  const t0 = mad(mad(at(COS, 3), z, at(COS, 2)), z2, mad(at(COS, 1), z, at(COS, 0)))
  const t1 = mad(mad(at(COS, 7), z, at(COS, 6)), z2, mad(at(COS, 5), z, at(COS, 4)))
  const t = mad(t1, z4, t0)
  const half = f64x2.mul(c(0.5), z)
  const w = f64x2.sub(c(1), half)
  const correction = f64x2.sub(f64x2.mul(z2, t), f64x2.mul(y, low))
  const cosine = f64x2.add(w, f64x2.add(f64x2.sub(f64x2.sub(c(1), w), half), correction))
  const odd = i64x2.ne(v128.and(n, i64x2.splat(1)), i64x2.splat(0))
  const sign = i64x2.shl(v128.and(n, i64x2.splat(2)), 62)
  return v128.xor(select(odd, cosine, sine), sign)
}

/** The second part of y, and n, of the last `reduce`. */
let reducedLow: f64 = 0
let reducedQuarter: i64 = 0

/** The upper half of a 128-bit product. */
function high(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff
  const a1 = a >> 32
  const b0 = b & 0xffffffff
  const b1 = b >> 32
  const middle = a1 * b0 + ((a0 * b0) >> 32)
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & 0xffffffff)) >> 32)
}

/** y of x = n·π/2 + y for |x| ≥ LARGE. */
function reduce(x: f64): f64 {
  const bits = reinterpret<u64>(x)
  const exponent = <i32>((bits >> 52) & 0x7ff)
  if (exponent === 0x7ff) return NaN
  const m = (bits & 0xfffffffffffff) | 0x10000000000000
  // |x| = m·2^e. Bits of 2/π above 2^(2−e) give multiples of 4 and are left out; of the others the first 192 are taken.
  const from = exponent - 1075 - 2 + 64
  const p = TWO_OVER_PI + ((<usize>from >> 6) << 3)
  const shift = <u64>(from & 63)
  let f0 = load<u64>(p)
  let f1 = load<u64>(p, 8)
  let f2 = load<u64>(p, 16)
  if (shift > 0) {
    f0 = (f0 << shift) | (f1 >> (64 - shift))
    f1 = (f1 << shift) | (f2 >> (64 - shift))
    f2 = (f2 << shift) | (load<u64>(p, 24) >> (64 - shift))
  }
  // |x|·2/π modulo 4, as a number of 192 bits, two of them before the point.
  const low = m * f2
  const middle0 = m * f1
  const middle = middle0 + high(m, f2)
  const top = m * f0 + high(m, f1) + (middle < middle0 ? 1 : 0)
  let quarter = <i64>(top >> 62)
  let a = (top << 2) | (middle >> 62)
  let b = (middle << 2) | (low >> 62)
  // To the nearest integer.
  const above = <i64>a < 0
  if (above) {
    quarter++
    a = ~a
    b = ~b
  }
  // Without leading zeros, times π/2 as a number of 64 bits.
  let zeros = clz(a)
  if (zeros === 64) {
    a = b
    zeros += clz(a)
    a <<= clz(a)
  } else if (zeros > 0) a = (a << zeros) | (b >> (64 - zeros))
  const r = high(a, 0xc90fdaa22168c234)
  const scale = reinterpret<f64>((1023 - 63 - zeros) << 52)
  const negative = above !== x < 0
  const y = <f64>(r & ~0x7ff) * scale
  const rest = <f64>(r & 0x7ff) * scale
  reducedLow = negative ? -rest : rest
  reducedQuarter = x < 0 ? -quarter : quarter
  return negative ? -y : y
}

/** Table entry k of each lane, from two parts `part` apart. @inline */
function entry(table: usize, k0: i64, k1: i64, part: usize): v128 {
  const first = v128.load64_splat(table + ((<usize>k0) << 4) + part)
  return f64x2.replace_lane(first, 1, load<f64>(table + ((<usize>k1) << 4) + part))
}

/** atan u = atan(k/4) + atan t with t = (u − k/4)/(1 + u·k/4), |t| ≤ 1/8, for u = |x| ≤ 1; beyond, π/2 − atan(1/|x|). */
export function atan(x: v128): v128 {
  const a = f64x2.abs(x)
  const far = f64x2.gt(a, c(1))
  const u = select(far, f64x2.div(c(1), a), a)
  const shifted = f64x2.add(f64x2.mul(u, c(4)), c(ROUND))
  const k0 = i64x2.extract_lane(shifted, 0) & 7
  const k1 = i64x2.extract_lane(shifted, 1) & 7
  const at4 = f64x2.mul(f64x2.sub(shifted, c(ROUND)), c(0.25))
  const t = f64x2.div(f64x2.sub(u, at4), f64x2.add(c(1), f64x2.mul(u, at4)))
  const z = f64x2.mul(t, t)
  const z2 = f64x2.mul(z, z)
  const p0 = mad(mad(at(ODD, 3), z, at(ODD, 2)), z2, mad(at(ODD, 1), z, at(ODD, 0)))
  const p1 = mad(mad(at(ODD, 7), z, at(ODD, 6)), z2, mad(at(ODD, 5), z, at(ODD, 4)))
  const rest = f64x2.mul(f64x2.mul(t, z), mad(p1, f64x2.mul(z2, z2), p0))
  const low = f64x2.add(f64x2.add(rest, entry(ATAN, k0, k1, 8)), t)
  const y = f64x2.add(entry(ATAN, k0, k1, 0), low)
  const beyond = f64x2.sub(c(1.5707963267948966), f64x2.sub(y, c(6.123233995736766e-17)))
  const nan = f64x2.ne(x, x)
  return select(nan, x, v128.or(select(far, beyond, y), v128.and(x, c(-0.0))))
}

/** asin x = atan(x/√((1 − x)(1 + x))) */
export function asin(x: v128): v128 {
  return atan(f64x2.div(x, f64x2.sqrt(f64x2.mul(f64x2.sub(c(1), x), f64x2.add(c(1), x)))))
}

/** acos x = 2 atan √((1 − x)/(1 + x)) */
export function acos(x: v128): v128 {
  const y = atan(f64x2.sqrt(f64x2.div(f64x2.sub(c(1), x), f64x2.add(c(1), x))))
  return f64x2.add(y, y)
}
