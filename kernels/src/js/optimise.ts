import type { AdamwSettings, MapGradOp, SgdSettings, TypedArray } from '../contract.js'
import { gaussian, normalCdf, sech2, sigmoid } from './special.js'

const derivatives: Record<MapGradOp, (v: number) => number> = {
  exp: y => y,
  // NaN stays.
  relu: y => (y > 0 ? 1 : 0),
  sigmoid: x => sigmoid(x) * sigmoid(-x),
  tanh: sech2,
  erf: x => (2 / Math.sqrt(Math.PI)) * gaussian(x, 1),
  normalCdf: density,
  // Φ(x) + x Φ′(x); beyond the bounds both have their limits, and x·0 is 0.
  gelu: x => normalCdf(x) + within(x, 40) * density(x),
  silu: x => sigmoid(x) + within(x, 800) * sigmoid(x) * sigmoid(-x),
  geluTanh(x) {
    const v = within(x, 40)
    const u = TWICE_SLOPE * (v + 0.044715 * v * v * v)
    return sigmoid(u) + v * TWICE_SLOPE * (1 + 3 * 0.044715 * v * v) * sigmoid(u) * sigmoid(-u)
  },
}
const TWICE_SLOPE = 2 * Math.sqrt(2 / Math.PI)
const within = (x: number, limit: number) => (x > limit ? limit : x < -limit ? -limit : x)
/** Φ′ */
function density(x: number): number {
  return gaussian(x, 0.5) / Math.sqrt(2 * Math.PI)
}

/** gx = ȳ ⊙ φ′ for each of the stacked cotangents. */
export function mapGrad(op: MapGradOp, v: TypedArray, gy: TypedArray, gx: TypedArray): void {
  const d = derivatives[op]
  const n = v.length
  for (let i = 0; i < n; i++) {
    const slope = d(v[i]!)
    for (let j = i; j < gy.length; j += n) gx[j] = gy[j]! * slope
  }
}

export function sgd(
  { rate, momentum, nesterov, weightDecay }: SgdSettings,
  p: TypedArray,
  g: TypedArray,
  v: TypedArray,
  pOut: TypedArray,
  vOut: TypedArray,
): void {
  for (let i = 0; i < p.length; i++) {
    const gradient = g[i]! + weightDecay * p[i]!
    const velocity = momentum * v[i]! + gradient
    vOut[i] = velocity
    pOut[i] = p[i]! - rate * (nesterov ? gradient + momentum * velocity : velocity)
  }
}

export function adamw(
  { beta1, beta2, eps, rate, correction, shrink }: AdamwSettings,
  p: TypedArray,
  g: TypedArray,
  m: TypedArray,
  v: TypedArray,
  pOut: TypedArray,
  mOut: TypedArray,
  vOut: TypedArray,
): void {
  for (let i = 0; i < p.length; i++) {
    const gradient = g[i]!
    const mean = beta1 * m[i]! + (1 - beta1) * gradient
    const square = beta2 * v[i]! + (1 - beta2) * gradient * gradient
    mOut[i] = mean
    vOut[i] = square
    // The square as it is stored: one that overflows makes the update 0.
    pOut[i] = shrink * p[i]! - (rate * mean) / (Math.sqrt(vOut[i]!) * correction + eps)
  }
}
