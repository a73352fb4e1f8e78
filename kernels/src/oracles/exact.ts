import type { MapOp } from '../contract.js'

// The functions of one argument, to hundreds of digits, in integer arithmetic alone: a number is an integer count of 2^−P.
// P covers the smallest f64 (2^−1074), and the digits that Σ x^k/k! loses to cancellation for the arguments of erfc.

export const P = 2700n
const ONE = 1n << P

/** Exact: every finite f64 is an integer multiple of 2^−1074. */
export function fromNumber(x: number): bigint {
  let shift = 1074n
  while (!Number.isInteger(x)) {
    x *= 2
    shift--
  }
  // x·2^(shift − 1074) with an integer x
  return (BigInt(x) << P) >> (1074n - shift)
}

const mul = (a: bigint, b: bigint): bigint => (a * b) >> P
const div = (a: bigint, b: bigint): bigint => (a << P) / b
const abs = (a: bigint): bigint => (a < 0n ? -a : a)

/** Σ_{k ≥ 0} (±1)^k / ((2k + 1) q^(2k+1)) */
function arc(q: bigint, sign: bigint): bigint {
  let sum = 0n
  let power = ONE / q
  for (let k = 1n, s = 1n; power !== 0n; k += 2n, s *= sign) {
    sum += (s * power) / k
    power /= q * q
  }
  return sum
}
const LN2 = 2n * arc(3n, 1n)
const PI = 16n * arc(5n, -1n) - 4n * arc(239n, -1n)

function exp(x: bigint): bigint {
  const k = (x + LN2 / 2n) / LN2 - (x + LN2 / 2n < 0n ? 1n : 0n)
  if (k < -P) return 0n
  const r = x - k * LN2
  let sum = 0n
  let term = ONE
  for (let n = 1n; term !== 0n; n++) {
    sum += term
    term = mul(term, r) / n
    if (term === -1n) break
  }
  return k < 0n ? sum >> -k : sum << k
}

/** Newton's y ← y + x·e^−y − 1 from a start of 53 bits: 424 bits after three steps. */
function log(x: bigint, start: number): bigint {
  let y = fromNumber(start)
  for (let i = 0; i < 3; i++) y += mul(x, exp(-y)) - ONE
  return y
}

function sqrt(x: bigint): bigint {
  const square = x << P
  if (square === 0n) return 0n
  let y = 1n << BigInt(Math.ceil(square.toString(16).length * 2 + 1))
  for (;;) {
    const next = (y + square / y) >> 1n
    if (next >= y) return y
    y = next
  }
}

/** Taylor's series from x^first, each term −x²/((k+1)(k+2)) times the last. */
function alternating(x: bigint, first: bigint): bigint {
  let term = first === 0n ? ONE : x
  let sum = 0n
  const square = mul(x, x)
  for (let k = first; abs(term) > 1n; k += 2n) {
    sum += term
    term = -mul(term, square) / ((k + 1n) * (k + 2n))
  }
  return sum
}

function sine(x: bigint, quarters: bigint): bigint {
  const k = (2n * x) / PI
  const r = x - (k * PI) / 2n
  const turn = (((k + quarters) % 4n) + 4n) % 4n
  const value = alternating(r, turn % 2n === 0n ? 1n : 0n)
  return turn >= 2n ? -value : value
}

/** Angle of the point (c, s) of the unit circle, in (−π, π]: Newton's step from an approximation, sin(θ − near) of the rest. */
function angle(s: bigint, c: bigint, near: number): bigint {
  const at = fromNumber(near)
  const [sinAt, cosAt] = [sine(at, 0n), sine(at, 1n)]
  // δ = θ − near is below 2^−40: δ = sin δ + sin³δ/6 + 3 sin⁵δ/40 + …
  const d = mul(s, cosAt) - mul(c, sinAt)
  let sum = 0n
  let term = d
  for (let k = 1n; abs(term) > 1n; k += 2n) {
    sum += term / k
    term = (mul(mul(term, d), d) * k) / (k + 1n)
  }
  return at + sum
}

/** 2/√π Σ (−1)^k x^(2k+1) / (k! (2k+1)) */
function erf(x: bigint): bigint {
  const square = mul(x, x)
  let sum = 0n
  let term = x
  for (let k = 0n; abs(term) > 1n; k++) {
    sum += term / (2n * k + 1n)
    term = -mul(term, square) / (k + 1n)
  }
  return div(2n * sum, sqrt(PI))
}

const sigmoid = (x: bigint): bigint => div(ONE, ONE + exp(-x))

function normalCdf(x: bigint): bigint {
  if (x < -(40n << P)) return 0n
  if (x > 40n << P) return ONE
  return (ONE + erf(div(x, sqrt(2n * ONE)))) / 2n
}

function tanh(x: bigint): bigint {
  const e = exp(-2n * abs(x))
  const y = div(ONE - e, ONE + e)
  return x < 0n ? -y : y
}

/** φ(x) for finite x in its domain, as a count of 2^−P. */
export const exact: Record<MapOp, (x: bigint, near: number) => bigint> = {
  abs: x => abs(x),
  acos: (x, near) => angle(sqrt(ONE - mul(x, x)), x, Math.acos(near)),
  asin: (x, near) => angle(x, sqrt(ONE - mul(x, x)), Math.asin(near)),
  atan: (x, near) => {
    const c = div(ONE, sqrt(ONE + mul(x, x)))
    return angle(mul(x, c), c, Math.atan(near))
  },
  cos: x => sine(x, 1n),
  erf: x => (abs(x) > 8n << P ? (x < 0n ? -ONE : ONE) : erf(x)),
  exp,
  expm1: x => exp(x) - ONE,
  gelu: x => mul(x, normalCdf(x)),
  geluTanh: x => {
    const cube = mul(mul(x, x), x)
    // 0.044715 is a decimal, here and in its definition.
    return mul(x, sigmoid(mul(2n * sqrt((2n * ONE * ONE) / PI), x + (cube * 44715n) / 1000000n)))
  },
  log: (x, near) => log(x, Math.log(near)),
  log1p: (x, near) => log(ONE + x, Math.log1p(near)),
  neg: x => -x,
  normalCdf,
  reciprocal: x => div(ONE, x),
  relu: x => (x > 0n ? x : 0n),
  rsqrt: x => div(ONE, sqrt(x)),
  sigmoid,
  sign: x => (x > 0n ? ONE : x < 0n ? -ONE : 0n),
  silu: x => mul(x, sigmoid(x)),
  sin: x => sine(x, 0n),
  softplus: (x, near) => (near > 0 ? x : 0n) + log(ONE + exp(-abs(x)), Math.log1p(Math.exp(-Math.abs(near)))),
  sqrt,
  square: x => mul(x, x),
  step: x => (x > 0n ? ONE : 0n),
  tanh,
}

/** x^y for finite x > 0, with 400 bits, as a count of 2^−P. */
export const exactPower = (x: number, y: number): bigint => exp(mul(fromNumber(y), log(fromNumber(x), Math.log(x))))

const FORMATS = { f32: { digits: 23n, least: -126n, most: 127n }, f64: { digits: 52n, least: -1022n, most: 1023n } }

/** |result − value| in units in the last place of the value, in the given format. */
export function ulps(result: number, value: bigint, dtype: 'f32' | 'f64'): number {
  const { digits, least, most } = FORMATS[dtype]
  const size = abs(value)
  const exponent = size === 0n ? least : BigInt(size.toString(2).length) - 1n - P
  if (!Number.isFinite(result)) return exponent > most && result > 0 === value > 0n ? 0 : Number.POSITIVE_INFINITY
  const unit = (exponent < least ? least : exponent) - digits + P
  const error = abs(fromNumber(result) - value)
  return Number((error << 20n) >> unit) / 2 ** 20
}
