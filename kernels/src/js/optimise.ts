import type { AdamwSettings, MapGradOp, SgdSettings, TypedArray } from '../contract.js'
import { sech2, sigmoid } from './special.js'

const derivatives: Record<MapGradOp, (v: number) => number> = {
  exp: y => y,
  // NaN stays.
  relu: y => (y > 0 ? 1 : 0),
  sigmoid: x => sigmoid(x) * sigmoid(-x),
  tanh: sech2,
}

/** gx = ȳ ⊙ φ′ for each of the stacked cotangents. */
export function mapGrad(op: MapGradOp, v: TypedArray, gy: TypedArray, gx: TypedArray): void {
  const d = derivatives[op]
  const n = v.length
  for (let from = 0; from < gy.length; from += n) {
    for (let i = 0; i < n; i++) gx[from + i] = gy[from + i]! * d(v[i]!)
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
    pOut[i] = shrink * p[i]! - (rate * mean) / (Math.sqrt(square) * correction + eps)
  }
}
