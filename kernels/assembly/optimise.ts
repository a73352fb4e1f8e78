// Elementwise steps of training: gradients of functions from their values, and the updates of SGD and AdamW. Buffers are
// dense; outputs are apart from inputs, but that gx may be ȳ.

import { MapGradCode } from './codes'
import { exp as exp2, gaussian, normalCdf } from './math'
import { expNegative, geluSlope } from './math32'
import { fma, storePartial } from './simd'
import { load2, store2 } from './wide'

/** Elements of which φ′ is kept, once for all cotangents. */
const CHUNK: usize = 256

/** gx = ȳ·φ′, φ′ from n numbers v, which are φ(x) or x, for `lead` cotangents `stride` bytes apart; the slopes of a chunk are
 *  kept in `scratch`, 2 KiB. */
export function mapGrad<T>(
  op: i32,
  lead: usize,
  stride: usize,
  n: usize,
  v: usize,
  gy: usize,
  gx: usize,
  scratch: usize,
): void {
  for (let left = n; left > 0; left -= min(left, CHUNK)) {
    const count = min(left, CHUNK)
    const wide = sizeof<T>() === 4 && op > MapGradCode.gelu
    switch (op) {
      case MapGradCode.exp:
        slopes<T>(scratch, MapGradCode.exp, count, v)
        break
      case MapGradCode.relu:
        slopes<T>(scratch, MapGradCode.relu, count, v)
        break
      case MapGradCode.sigmoid:
        slopes<T>(scratch, MapGradCode.sigmoid, count, v)
        break
      case MapGradCode.tanh:
        slopes<T>(scratch, MapGradCode.tanh, count, v)
        break
      case MapGradCode.silu:
        slopes<T>(scratch, MapGradCode.silu, count, v)
        break
      case MapGradCode.gelu:
        if (sizeof<T>() === 4) slopes<T>(scratch, MapGradCode.gelu, count, v)
        else wideSlopes<T>(scratch, MapGradCode.gelu, count, v)
        break
      case MapGradCode.geluTanh:
        wideSlopes<T>(scratch, MapGradCode.geluTanh, count, v)
        break
      case MapGradCode.erf:
        wideSlopes<T>(scratch, MapGradCode.erf, count, v)
        break
      case MapGradCode.normalCdf:
        wideSlopes<T>(scratch, MapGradCode.normalCdf, count, v)
        break
    }
    for (let l: usize = 0; l < lead; l++) {
      if (wide) wideProducts<T>(scratch, count, gy + l * stride, gx + l * stride)
      else products<T>(scratch, count, gy + l * stride, gx + l * stride)
    }
    const step = count * sizeof<T>()
    v += step
    gy += step
    gx += step
  }
}

/** @inline */
function slopes<T>(to: usize, op: i32, n: usize, v: usize): void {
  for (let i: usize = 0; i < n * sizeof<T>(); i += 16) v128.store(to + i, slope<T>(op, v128.load(v + i)))
}

/** Slopes in f64 whatever the dtype: their exponents are squares and cubes. @inline */
function wideSlopes<T>(to: usize, op: i32, n: usize, v: usize): void {
  for (let i: usize = 0; i < n; i += 2, v += 2 * sizeof<T>()) {
    v128.store(to + i * 8, wideSlope(op, load2<T>(v)))
  }
}

function products<T>(from: usize, n: usize, gy: usize, gx: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  for (let i: usize = 0; i < whole; i += 16) {
    v128.store(gx + i, v128.mul<T>(v128.load(gy + i), v128.load(from + i)))
  }
  if (whole < bytes) {
    storePartial<T>(gx + whole, v128.mul<T>(v128.load(gy + whole), v128.load(from + whole)), bytes - whole)
  }
}

function wideProducts<T>(from: usize, n: usize, gy: usize, gx: usize): void {
  const step: usize = 2 * sizeof<T>()
  for (let i: usize = 0; i < n; i += 2, gy += step, gx += step) {
    store2<T>(gx, f64x2.mul(load2<T>(gy), v128.load(from + i * 8)), n - i)
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
  // σ(x) + x σ(x)σ(−x); beyond 800 only σ is left.
  const s = v128.div<T>(v128.bitselect(e, one, v128.lt<T>(v, v128.splat<T>(0))), d)
  return fma<T>(within<T>(v, 800), both, s)
}

/** x, and ±limit beyond it: NaN stays. @inline */
function within<T>(x: v128, limit: T): v128 {
  return v128.pmin<T>(v128.pmax<T>(x, v128.splat<T>(-limit)), v128.splat<T>(limit))
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
