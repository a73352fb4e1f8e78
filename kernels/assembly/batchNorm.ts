// Batch norm over the channels of a dense x [b,c,n]: a channel is b planes of n numbers. Every function does the channels from
// `from` up to `to`, so that threads share them. Sums over a plane are added up in f64, a block at a time; `sums` is room for
// two of them.

import { MapCode } from './codes'
import { affine, axpy, map } from './map'
import { fma, storePartial, sumLanes, tailMask } from './simd'

/** Bytes of a plane that are summed in T. */
const block: usize = 4096

/** Adds Σ u and Σ u·(x − m) over a plane to the two sums; u is x − m, or what lies at g. @inline */
function addDots<T>(own: bool, n: usize, x: usize, g: usize, m: T, sums: usize): void {
  const centre = v128.splat<T>(m)
  const end = x + n * sizeof<T>()
  const over = g - x
  let first = load<f64>(sums)
  let second = load<f64>(sums, 8)
  while (x < end) {
    const stop = min(end, x + block)
    let s0 = v128.splat<T>(0)
    let s1 = s0
    let t0 = s0
    let t1 = s0
    for (; x + 32 <= stop; x += 32) {
      const d0 = v128.sub<T>(v128.load(x), centre)
      const d1 = v128.sub<T>(v128.load(x, 16), centre)
      const u0 = own ? d0 : v128.load(x + over)
      const u1 = own ? d1 : v128.load(x + over, 16)
      s0 = v128.add<T>(s0, u0)
      s1 = v128.add<T>(s1, u1)
      t0 = fma<T>(u0, d0, t0)
      t1 = fma<T>(u1, d1, t1)
    }
    for (; x < stop; x += 16) {
      const mask = tailMask(min(16, stop - x))
      const d = v128.and(v128.sub<T>(v128.load(x), centre), mask)
      const u = own ? d : v128.and(v128.load(x + over), mask)
      s0 = v128.add<T>(s0, u)
      t0 = fma<T>(u, d, t0)
    }
    x = stop
    first += <f64>sumLanes<T>(v128.add<T>(s0, s1))
    second += <f64>sumLanes<T>(v128.add<T>(t0, t1))
  }
  store<f64>(sums, first)
  store<f64>(sums, second, 8)
}

/** Σ (x − m) and Σ (x − m)² over the planes of a channel, to `sums`. */
function moment<T>(b: usize, stride: usize, n: usize, x: usize, m: T, sums: usize): void {
  store<f64>(sums, 0)
  store<f64>(sums, 0, 8)
  for (let i: usize = 0; i < b; i++, x += stride) addDots<T>(true, n, x, x, m, sums)
}

/** The mean over the planes of a channel of s·(x − m), or of its square, where sums overflowed on the way. */
function retaken<T>(squares: bool, b: usize, stride: usize, n: usize, x: usize, m: f64, s: f64): f64 {
  let total: f64 = 0
  for (let i: usize = 0; i < b; i++, x += stride) {
    for (let j: usize = 0; j < n; j++) {
      const d = s * <f64>load<T>(x + j * sizeof<T>()) - s * m
      total += squares ? d * d : d
    }
  }
  return total / <f64>(b * n)
}

/** @inline */
function finite(v: f64): bool {
  return abs(v) <= f64.MAX_VALUE
}

/**
 * Mean and variance of every channel: a mean m of T first, relative to the first number, so that it is exact where all are equal;
 * then, with d = x − m, m + Σ d/N and (Σ d² − (Σ d)²/N)/N, which the rounding of m does not enter.
 */
export function batchMoments<T>(
  from: usize,
  to: usize,
  b: usize,
  c: usize,
  n: usize,
  x: usize,
  mean: usize,
  variance: usize,
  sums: usize,
): void {
  const plane = n * sizeof<T>()
  const stride = c * plane
  const count = <f64>(b * n)
  // A factor at which no sum of f64 overflows that should not; f32 need none.
  const s: f64 = sizeof<T>() === 4 ? 1 : 1 / <f64>((<u64>1) << 60)
  for (let ch = from; ch < to; ch++) {
    const first = x + ch * plane
    const start: T = b * n > 0 ? load<T>(first) : 0
    moment<T>(b, stride, n, first, start, sums)
    let m = <f64>start + load<f64>(sums) / count
    if (!finite(m)) m = retaken<T>(false, b, stride, n, first, 0, s) / s
    moment<T>(b, stride, n, first, <T>m, sums)
    const off = load<f64>(sums) / count
    let v = load<f64>(sums, 8) / count - off * off
    if (finite(v)) m = <f64>(<T>m) + off
    else v = retaken<T>(true, b, stride, n, first, m, s) / s / s
    store<T>(mean + ch * sizeof<T>(), <T>m)
    store<T>(variance + ch * sizeof<T>(), <T>max<f64>(v, 0))
  }
}

/** out = add + scale·φ(w (x − mean)/√(variance + eps) + bias); `add` of 0 stands for zeros. */
export function batchNorm<T>(
  from: usize,
  to: usize,
  b: usize,
  c: usize,
  n: usize,
  eps: f64,
  x: usize,
  mean: usize,
  variance: usize,
  w: usize,
  bias: usize,
  op: i32,
  scale: f64,
  add: usize,
  out: usize,
): void {
  const plane = n * sizeof<T>()
  for (let ch = from; ch < to; ch++) {
    const at = ch * sizeof<T>()
    const m = v128.splat<T>(load<T>(mean + at))
    const s = v128.splat<T>(<T>(1 / sqrt<f64>(<f64>load<T>(variance + at) + eps)))
    const u = v128.splat<T>(load<T>(w + at))
    const v = v128.splat<T>(load<T>(bias + at))
    for (let i: usize = 0; i < b; i++) {
      const offset = (i * c + ch) * plane
      const p = x + offset
      const q = out + offset
      if (op === MapCode.relu) normalise<T>(true, plane, p, m, s, u, v, q)
      else normalise<T>(false, plane, p, m, s, u, v, q)
      if (op !== MapCode.none && op !== MapCode.relu) map<T>(op, n, q, q)
      if (add !== 0) axpy<T>(n, add + offset, scale, q, q)
      else if (scale !== 1) affine<T>(n, q, scale, 0, q)
    }
  }
}

/** w (x − m)·s + b, or where that is negative 0. @inline */
function normalise<T>(rectified: bool, bytes: usize, x: usize, m: v128, s: v128, w: v128, b: v128, out: usize): void {
  const whole = bytes & ~15
  for (let i: usize = 0; i < whole; i += 16) {
    const y = fma<T>(w, v128.mul<T>(v128.sub<T>(v128.load(x + i), m), s), b)
    v128.store(out + i, rectified ? v128.andnot(y, v128.lt<T>(y, v128.splat<T>(0))) : y)
  }
  if (whole < bytes) {
    const y = fma<T>(w, v128.mul<T>(v128.sub<T>(v128.load(x + whole), m), s), b)
    storePartial<T>(out + whole, rectified ? v128.andnot(y, v128.lt<T>(y, v128.splat<T>(0))) : y, bytes - whole)
  }
}

/** With d = x − mean, s = 1/√(variance + eps) and N = b·n: b̄ = Σ ȳ, w̄ = s Σ ȳ d, x̄ = w s (ȳ − b̄/N − d s w̄/N). */
export function batchNormGrad<T>(
  from: usize,
  to: usize,
  b: usize,
  c: usize,
  n: usize,
  eps: f64,
  x: usize,
  mean: usize,
  variance: usize,
  w: usize,
  gy: usize,
  gx: usize,
  gw: usize,
  gb: usize,
  sums: usize,
): void {
  const plane = n * sizeof<T>()
  const whole = plane & ~15
  const count = <f64>(b * n)
  for (let ch = from; ch < to; ch++) {
    const at = ch * sizeof<T>()
    const m = load<T>(mean + at)
    const s = 1 / sqrt<f64>(<f64>load<T>(variance + at) + eps)
    store<f64>(sums, 0)
    store<f64>(sums, 0, 8)
    for (let i: usize = 0; i < b; i++) {
      const offset = (i * c + ch) * plane
      addDots<T>(false, n, x + offset, gy + offset, m, sums)
    }
    const first = load<f64>(sums)
    const second = s * load<f64>(sums, 8)
    store<T>(gb + at, <T>first)
    store<T>(gw + at, <T>second)
    const centre = v128.splat<T>(m)
    const by = v128.splat<T>(<T>(<f64>load<T>(w + at) * s))
    const less = v128.splat<T>(<T>(-first / count))
    const slope = v128.splat<T>(<T>((-s * second) / count))
    for (let i: usize = 0; i < b; i++) {
      const offset = (i * c + ch) * plane
      const p = x + offset
      const g = gy + offset
      const q = gx + offset
      for (let j: usize = 0; j < whole; j += 16) {
        const t = fma<T>(v128.sub<T>(v128.load(p + j), centre), slope, v128.add<T>(v128.load(g + j), less))
        v128.store(q + j, v128.mul<T>(by, t))
      }
      if (whole < plane) {
        const t = fma<T>(v128.sub<T>(v128.load(p + whole), centre), slope, v128.add<T>(v128.load(g + whole), less))
        storePartial<T>(q + whole, v128.mul<T>(by, t), plane - whole)
      }
    }
  }
}
