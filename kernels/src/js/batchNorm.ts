import type { MapOp, TypedArray } from '../contract.js'
import { map } from './map.js'

/** Calls f with where each plane of channel `ch` begins in x [b,c,n]. */
function eachPlane(b: number, c: number, n: number, ch: number, f: (from: number) => void): void {
  for (let i = 0; i < b; i++) f((i * c + ch) * n)
}

/** The mean over a channel of `by`·(x − centre), or of its square. */
function meanOf(
  b: number,
  c: number,
  n: number,
  ch: number,
  x: TypedArray,
  squares: boolean,
  centre: number,
  by: number,
) {
  let total = 0
  eachPlane(b, c, n, ch, from => {
    for (let i = from; i < from + n; i++) {
      const d = x[i]! * by - centre * by
      total += squares ? d * d : d
    }
  })
  return total / (b * n)
}

/** A factor at which no sum of f64 overflows that should not. */
const SMALL = 2 ** -60

export function batchMoments(
  b: number,
  c: number,
  n: number,
  x: TypedArray,
  mean: TypedArray,
  variance: TypedArray,
): void {
  for (let ch = 0; ch < c; ch++) {
    // Relative to the first number, so that the mean of equal ones is exactly they.
    const first = x[ch * n] ?? 0
    let m = first + meanOf(b, c, n, ch, x, false, first, 1)
    if (!Number.isFinite(m)) m = meanOf(b, c, n, ch, x, false, 0, SMALL) / SMALL
    let v = meanOf(b, c, n, ch, x, true, m, 1)
    if (!Number.isFinite(v)) v = meanOf(b, c, n, ch, x, true, m, SMALL) / SMALL / SMALL
    mean[ch] = m
    variance[ch] = v
  }
}

export function batchNorm(
  b: number,
  c: number,
  n: number,
  eps: number,
  x: TypedArray,
  mean: TypedArray,
  variance: TypedArray,
  w: TypedArray,
  bias: TypedArray,
  phi: MapOp | null,
  scale: number,
  add: TypedArray | null,
  out: TypedArray,
): void {
  const wide = out instanceof Float64Array ? out : new Float64Array(out.length)
  for (let ch = 0; ch < c; ch++) {
    const s = 1 / Math.sqrt(variance[ch]! + eps)
    eachPlane(b, c, n, ch, from => {
      for (let i = from; i < from + n; i++) wide[i] = w[ch]! * ((x[i]! - mean[ch]!) * s) + bias[ch]!
    })
  }
  if (phi !== null) map(phi, wide, wide)
  for (let i = 0; i < out.length; i++) {
    const value = scale * wide[i]!
    out[i] = add === null ? value : add[i]! + value
  }
}

// With d = x − mean, s = 1/√(variance + eps) and N = b·n: b̄ = Σ ȳ, w̄ = s Σ ȳ d, x̄ = w s (ȳ − b̄/N − d s w̄/N).
export function batchNormGrad(
  b: number,
  c: number,
  n: number,
  eps: number,
  x: TypedArray,
  mean: TypedArray,
  variance: TypedArray,
  w: TypedArray,
  gy: TypedArray,
  gx: TypedArray,
  gw: TypedArray,
  gb: TypedArray,
): void {
  for (let ch = 0; ch < c; ch++) {
    const s = 1 / Math.sqrt(variance[ch]! + eps)
    const m = mean[ch]!
    let [first, second] = [0, 0]
    eachPlane(b, c, n, ch, from => {
      for (let i = from; i < from + n; i++) {
        first += gy[i]!
        second += gy[i]! * (x[i]! - m)
      }
    })
    second *= s
    gb[ch] = first
    gw[ch] = second
    const [less, slope] = [first / (b * n), (s * second) / (b * n)]
    eachPlane(b, c, n, ch, from => {
      for (let i = from; i < from + n; i++) gx[i] = w[ch]! * s * (gy[i]! - less - (x[i]! - m) * slope)
    })
  }
}
