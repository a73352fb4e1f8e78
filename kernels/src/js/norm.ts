import type { TypedArray } from '../contract.js'

/** A row as it is normalised: the numbers x from `from` on, of which (x − mean − rest)·scale come out. */
interface Row {
  readonly x: TypedArray
  readonly from: number
  readonly mean: number
  /** mean(x − mean): what the mean has lost by rounding, which counts where it is large beside the deviations. */
  readonly rest: number
  /** 1/√(mean((x − mean)²) + eps) */
  readonly scale: number
  /** The power of two that x was multiplied by, where squares overflowed or were too small for all their digits. */
  readonly by: number
}

/** Variances of which every digit is there. */
const LEAST = 1e-290

function rowOf(x: TypedArray, from: number, n: number, centred: boolean, eps: number): Row {
  const plain = statistics(x, from, n, centred, eps, 1)
  const variance = plain.scale ** -2
  if (!(x instanceof Float64Array) || (variance >= LEAST && variance < Infinity)) return plain
  let most = Math.sqrt(eps)
  for (let i = from; i < from + n; i++) most = Math.max(most, Math.abs(x[i]!))
  if (!(most > 0 && most < Infinity)) return plain
  const by = 2 ** Math.min(1022, Math.max(-1022, -Math.floor(Math.log2(most))))
  const scaled = x.subarray(from, from + n).map(v => v * by)
  return statistics(scaled, 0, n, centred, (Math.sqrt(eps) * by) ** 2, by)
}

function statistics(x: TypedArray, from: number, n: number, centred: boolean, eps: number, by: number): Row {
  let mean = 0
  let rest = 0
  if (centred) {
    for (let i = from; i < from + n; i++) mean += x[i]!
    mean /= n
    for (let i = from; i < from + n; i++) rest += x[i]! - mean
    rest /= n
  }
  let total = 0
  for (let i = from; i < from + n; i++) {
    const d = x[i]! - mean - rest
    total += d * d
  }
  return { x, from, mean, rest, scale: 1 / Math.sqrt(total / n + eps), by }
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
    const { x: row, from: start, mean, rest, scale } = rowOf(x, from, n, true, eps)
    for (let i = 0; i < n; i++) out[from + i] = w[i]! * ((row[start + i]! - mean - rest) * scale) + b[i]!
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
    const { x: row, from: start, mean, rest, scale, by } = rowOf(x, from, n, true, eps)
    let total = 0
    let dot = 0
    for (let i = 0; i < n; i++) {
      const hat = (row[start + i]! - mean - rest) * scale
      const y = gy[from + i]!
      const g = y * w[i]!
      total += g
      dot += g * hat
      weights[i]! += y * hat
      biases[i]! += y
    }
    for (let i = 0; i < n; i++) {
      const hat = (row[start + i]! - mean - rest) * scale
      gx[from + i] = scale * (gy[from + i]! * w[i]! - total / n - (hat * dot) / n) * by
    }
  }
  gw.set(weights)
  gb.set(biases)
}

export function rmsNorm(rows: number, n: number, eps: number, x: TypedArray, w: TypedArray, out: TypedArray): void {
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const { x: row, from: start, scale } = rowOf(x, from, n, false, eps)
    for (let i = 0; i < n; i++) out[from + i] = w[i]! * (row[start + i]! * scale)
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
    const { x: row, from: start, scale, by } = rowOf(x, from, n, false, eps)
    let dot = 0
    for (let i = 0; i < n; i++) {
      const hat = row[start + i]! * scale
      dot += gy[from + i]! * w[i]! * hat
      weights[i]! += gy[from + i]! * hat
    }
    for (let i = 0; i < n; i++) {
      gx[from + i] = scale * (gy[from + i]! * w[i]! - (row[start + i]! * scale * dot) / n) * by
    }
  }
  gw.set(weights)
}
