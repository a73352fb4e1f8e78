// Elementwise steps of training: gradients of functions from their values, and the updates of SGD and AdamW. Buffers are
// dense; outputs are apart from inputs, but that gx may be ȳ.

import { MapGradCode } from './codes'
import { exp as exp2, gaussian, normalCdf } from './math'
import { expNegative, geluSlope } from './math32'
import { fma, storePartial } from './simd'
import { load2, store2 } from './wide'

/** gx = ȳ·φ′, φ′ from v, which is φ(x) or x, for `lead` cotangents. */
export function mapGrad<T>(op: i32, lead: usize, n: usize, v: usize, gy: usize, gx: usize): void {
  switch (op) {
    case MapGradCode.exp:
      columns<T>(MapGradCode.exp, lead, n, v, gy, gx)
      break
    case MapGradCode.relu:
      columns<T>(MapGradCode.relu, lead, n, v, gy, gx)
      break
    case MapGradCode.sigmoid:
      columns<T>(MapGradCode.sigmoid, lead, n, v, gy, gx)
      break
    case MapGradCode.tanh:
      columns<T>(MapGradCode.tanh, lead, n, v, gy, gx)
      break
    case MapGradCode.silu:
      columns<T>(MapGradCode.silu, lead, n, v, gy, gx)
      break
    case MapGradCode.gelu:
      if (sizeof<T>() === 4) columns<T>(MapGradCode.gelu, lead, n, v, gy, gx)
      else wideColumns<T>(MapGradCode.gelu, lead, n, v, gy, gx)
      break
    case MapGradCode.geluTanh:
      wideColumns<T>(MapGradCode.geluTanh, lead, n, v, gy, gx)
      break
    case MapGradCode.erf:
      wideColumns<T>(MapGradCode.erf, lead, n, v, gy, gx)
      break
    case MapGradCode.normalCdf:
      wideColumns<T>(MapGradCode.normalCdf, lead, n, v, gy, gx)
      break
  }
}

/** Four vectors of φ′ at a time, made once for all cotangents. @inline */
function columns<T>(op: i32, lead: usize, n: usize, v: usize, gy: usize, gx: usize): void {
  const bytes = n * sizeof<T>()
  const end = gy + lead * bytes
  let i: usize = 0
  for (; i + 64 <= bytes; i += 64) {
    const s0 = slope<T>(op, v128.load(v + i))
    const s1 = slope<T>(op, v128.load(v + i, 16))
    const s2 = slope<T>(op, v128.load(v + i, 32))
    const s3 = slope<T>(op, v128.load(v + i, 48))
    for (let p = gy + i, q = gx + i; p < end; p += bytes, q += bytes) {
      v128.store(q, v128.mul<T>(v128.load(p), s0))
      v128.store(q, v128.mul<T>(v128.load(p, 16), s1), 16)
      v128.store(q, v128.mul<T>(v128.load(p, 32), s2), 32)
      v128.store(q, v128.mul<T>(v128.load(p, 48), s3), 48)
    }
  }
  for (; i < bytes; i += 16) {
    const s = slope<T>(op, v128.load(v + i))
    for (let p = gy + i, q = gx + i; p < end; p += bytes, q += bytes) {
      const product = v128.mul<T>(v128.load(p), s)
      if (i + 16 <= bytes) v128.store(q, product)
      else storePartial<T>(q, product, bytes - i)
    }
  }
}

/** φ′ @inline */
function slope<T>(op: i32, v: v128): v128 {
  const one = v128.splat<T>(1)
  if (op === MapGradCode.exp) return v
  if (op === MapGradCode.gelu) return geluSlope(v)
  if (op === MapGradCode.relu) return v128.and(v128.gt<T>(v, v128.splat<T>(0)), one)
  // With f = e^(−|x|/2): σ(x)σ(−x) = (f/(1 + f²))², and 1/cosh² x the same of 2x, four times.
  const half =
    op === MapGradCode.tanh
      ? v128.or(v, v128.splat<T>(-0.0))
      : v128.mul<T>(v128.or(v, v128.splat<T>(-0.0)), v128.splat<T>(0.5))
  const f = sizeof<T>() === 4 ? expNegative(half) : exp2(half)
  const e = v128.mul<T>(f, f)
  const d = v128.add<T>(one, e)
  if (op === MapGradCode.tanh) {
    const r = v128.div<T>(v128.add<T>(f, f), d)
    return v128.mul<T>(r, r)
  }
  const r = v128.div<T>(f, d)
  const both = v128.mul<T>(r, r)
  if (op === MapGradCode.sigmoid) return both
  // σ(x) + x σ(x)σ(−x); beyond 800 there is only σ.
  const s = v128.div<T>(v128.bitselect(e, one, v128.lt<T>(v, v128.splat<T>(0))), d)
  return fma<T>(within<T>(v, 800), both, s)
}

/** x, and ±limit beyond it: NaN stays. @inline */
function within<T>(x: v128, limit: T): v128 {
  return v128.pmin<T>(v128.pmax<T>(x, v128.splat<T>(-limit)), v128.splat<T>(limit))
}

/** Derivatives in f64 whatever the dtype, whose exponents are squares and cubes, for all cotangents. @inline */
function wideColumns<T>(op: i32, lead: usize, n: usize, v: usize, gy: usize, gx: usize): void {
  const step: usize = 2 * sizeof<T>()
  const bytes = n * sizeof<T>()
  const end = gy + lead * bytes
  let i: usize = 0
  for (; i + 8 <= n; i += 8, v += 4 * step, gy += 4 * step, gx += 4 * step) {
    const s0 = wideSlope(op, load2<T>(v))
    const s1 = wideSlope(op, load2<T>(v + step))
    const s2 = wideSlope(op, load2<T>(v + 2 * step))
    const s3 = wideSlope(op, load2<T>(v + 3 * step))
    for (let p = gy, q = gx; p < end; p += bytes, q += bytes) {
      store2<T>(q, f64x2.mul(load2<T>(p), s0), 2)
      store2<T>(q + step, f64x2.mul(load2<T>(p + step), s1), 2)
      store2<T>(q + 2 * step, f64x2.mul(load2<T>(p + 2 * step), s2), 2)
      store2<T>(q + 3 * step, f64x2.mul(load2<T>(p + 3 * step), s3), 2)
    }
  }
  for (; i < n; i += 2, v += step, gy += step, gx += step) {
    const s = wideSlope(op, load2<T>(v))
    for (let p = gy, q = gx; p < end; p += bytes, q += bytes) store2<T>(q, f64x2.mul(load2<T>(p), s), n - i)
  }
}
/** @inline */
function wideSlope(op: i32, v: v128): v128 {
  const x = within<f64>(v, 40)
  if (op === MapGradCode.erf) return f64x2.mul(f64x2.splat(1.1283791670955126), gaussian(x, 1))
  if (op === MapGradCode.geluTanh) {
    // σ(u) + x u′ σ(u)σ(−u), u = 2√(2/π)(x + 0.044715 x³)
    const square = f64x2.mul(x, x)
    const by = f64x2.splat(1.5957691216057308)
    const one = f64x2.splat(1)
    const u = f64x2.mul(by, f64x2.mul(x, fma<f64>(f64x2.splat(0.044715), square, one)))
    const slope = f64x2.mul(by, fma<f64>(f64x2.splat(0.134145), square, one))
    const e = exp2(v128.or(u, f64x2.splat(-0.0)))
    const d = f64x2.add(one, e)
    const s = f64x2.div(v128.bitselect(e, one, f64x2.lt(u, f64x2.splat(0))), d)
    return fma<f64>(f64x2.mul(x, slope), f64x2.div(e, f64x2.mul(d, d)), s)
  }
  const density = f64x2.mul(f64x2.splat(0.3989422804014327), gaussian(x, 0.5))
  return op === MapGradCode.normalCdf ? density : fma<f64>(x, density, normalCdf(v))
}

export function sgd<T>(
  n: usize,
  rate: f64,
  momentum: f64,
  nesterov: bool,
  decay: f64,
  p: usize,
  g: usize,
  v: usize,
  pOut: usize,
  vOut: usize,
): void {
  const bytes = n * sizeof<T>()
  const minus = v128.splat<T>(<T>-rate)
  const mu = v128.splat<T>(<T>momentum)
  const wd = v128.splat<T>(<T>decay)
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(p + i)
    const gradient = fma<T>(x, wd, v128.load(g + i))
    const velocity = fma<T>(v128.load(v + i), mu, gradient)
    const direction = nesterov ? fma<T>(velocity, mu, gradient) : velocity
    storePartial<T>(vOut + i, velocity, bytes - i)
    storePartial<T>(pOut + i, fma<T>(direction, minus, x), bytes - i)
  }
}

export function adamw<T>(
  n: usize,
  beta1: f64,
  beta2: f64,
  eps: f64,
  rate: f64,
  correction: f64,
  shrink: f64,
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  pOut: usize,
  mOut: usize,
  vOut: usize,
): void {
  const bytes = n * sizeof<T>()
  const b1 = v128.splat<T>(<T>beta1)
  const a1 = v128.splat<T>(<T>(1 - beta1))
  const b2 = v128.splat<T>(<T>beta2)
  const a2 = v128.splat<T>(<T>(1 - beta2))
  const e = v128.splat<T>(<T>eps)
  const r = v128.splat<T>(<T>rate)
  const c = v128.splat<T>(<T>correction)
  const s = v128.splat<T>(<T>shrink)
  for (let i: usize = 0; i < bytes; i += 16) {
    const gradient = v128.load(g + i)
    const mean = fma<T>(v128.load(m + i), b1, v128.mul<T>(gradient, a1))
    // In this order a square overflows only where its share does.
    const square = fma<T>(v128.load(v + i), b2, v128.mul<T>(v128.mul<T>(gradient, a2), gradient))
    const deviation = fma<T>(v128.sqrt<T>(square), c, e)
    const update = v128.div<T>(v128.mul<T>(r, mean), deviation)
    storePartial<T>(mOut + i, mean, bytes - i)
    storePartial<T>(vOut + i, square, bytes - i)
    storePartial<T>(pOut + i, v128.sub<T>(v128.mul<T>(v128.load(p + i), s), update), bytes - i)
  }
}
