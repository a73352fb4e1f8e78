import type { TypedArray } from '../contract.js'

/** Mean of a row. */
function meanOf(x: TypedArray, from: number, n: number): number {
  let total = 0
  for (let i = from; i < from + n; i++) total += x[i]!
  return total / n
}

/** 1/√(mean((x − centre)²) + eps) of a row. */
function scaleOf(x: TypedArray, from: number, n: number, centre: number, eps: number): number {
  let total = 0
  for (let i = from; i < from + n; i++) {
    const d = x[i]! - centre
    total += d * d
  }
  return 1 / Math.sqrt(total / n + eps)
}

export function layerNorm(
  rows: number,
  n: number,
  eps: number,
  x: TypedArray,
  w: TypedArray,
  b: TypedArray,
  out: TypedArray,
): void {
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const mean = meanOf(x, from, n)
    const scale = scaleOf(x, from, n, mean, eps)
    for (let i = 0; i < n; i++) out[from + i] = w[i]! * ((x[from + i]! - mean) * scale) + b[i]!
  }
}

// With x̂ = (x − mean)·s and g = w ⊙ ȳ: x̄ = s (g − mean(g) − x̂ mean(g x̂)), w̄ = Σ ȳ x̂, b̄ = Σ ȳ over rows.
export function layerNormGrad(
  rows: number,
  n: number,
  eps: number,
  x: TypedArray,
  w: TypedArray,
  gy: TypedArray,
  gx: TypedArray,
  gw: TypedArray,
  gb: TypedArray,
): void {
  const weights = new Float64Array(n)
  const biases = new Float64Array(n)
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const mean = meanOf(x, from, n)
    const scale = scaleOf(x, from, n, mean, eps)
    let total = 0
    let dot = 0
    for (let i = 0; i < n; i++) {
      const hat = (x[from + i]! - mean) * scale
      const y = gy[from + i]!
      const g = y * w[i]!
      total += g
      dot += g * hat
      weights[i]! += y * hat
      biases[i]! += y
    }
    for (let i = 0; i < n; i++) {
      const hat = (x[from + i]! - mean) * scale
      gx[from + i] = scale * (gy[from + i]! * w[i]! - total / n - (hat * dot) / n)
    }
  }
  gw.set(weights)
  gb.set(biases)
}

export function rmsNorm(rows: number, n: number, eps: number, x: TypedArray, w: TypedArray, out: TypedArray): void {
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const scale = scaleOf(x, from, n, 0, eps)
    for (let i = 0; i < n; i++) out[from + i] = w[i]! * (x[from + i]! * scale)
  }
}

// With x̂ = x·s and g = w ⊙ ȳ: x̄ = s (g − x̂ mean(g x̂)), w̄ = Σ ȳ x̂ over rows.
export function rmsNormGrad(
  rows: number,
  n: number,
  eps: number,
  x: TypedArray,
  w: TypedArray,
  gy: TypedArray,
  gx: TypedArray,
  gw: TypedArray,
): void {
  const weights = new Float64Array(n)
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const scale = scaleOf(x, from, n, 0, eps)
    let dot = 0
    for (let i = 0; i < n; i++) {
      const hat = x[from + i]! * scale
      dot += gy[from + i]! * w[i]! * hat
      weights[i]! += gy[from + i]! * hat
    }
    for (let i = 0; i < n; i++) gx[from + i] = scale * (gy[from + i]! * w[i]! - (x[from + i]! * scale * dot) / n)
  }
  gw.set(weights)
}
