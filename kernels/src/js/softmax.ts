import type { TypedArray } from '../contract.js'

/** Largest element of a row; NaN if there is one. */
function rowMax(x: TypedArray, from: number, n: number): number {
  let m = -Infinity
  for (let i = from; i < from + n; i++) {
    const v = x[i]!
    if (v > m || v !== v) m = v
  }
  return m
}

/** Σ exp(x − m) over a row */
function sumOfExp(x: TypedArray, from: number, n: number, m: number): number {
  let total = 0
  for (let i = from; i < from + n; i++) total += Math.exp(x[i]! - m)
  return total
}

/** out = exp(x − m) over a row; its sum. */
function expAndSum(x: TypedArray, from: number, n: number, m: number, out: TypedArray): number {
  let total = 0
  for (let i = from; i < from + n; i++) {
    const e = Math.exp(x[i]! - m)
    out[i] = e
    total += e
  }
  return total
}

export function softmax(rows: number, n: number, x: TypedArray, out: TypedArray): void {
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const total = expAndSum(x, from, n, rowMax(x, from, n), out)
    for (let i = from; i < from + n; i++) out[i] = out[i]! / total
  }
}

export function logSoftmax(rows: number, n: number, x: TypedArray, out: TypedArray): void {
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const m = rowMax(x, from, n)
    const shift = Math.log(sumOfExp(x, from, n, m))
    // x − m is exact where it matters, so the two are not added first.
    for (let i = from; i < from + n; i++) out[i] = x[i]! - m - shift
  }
}

/** Σ x over a row but for the element at `at`: of probabilities, 1 − p where p rounds to 1. */
function sumWithout(x: TypedArray, from: number, n: number, at: number): number {
  let sum = 0
  for (let i = from; i < from + n; i++) if (i !== at) sum += x[i]!
  return sum
}

export function softmaxGrad(
  lead: number,
  rows: number,
  n: number,
  y: TypedArray,
  gy: TypedArray,
  gx: TypedArray,
): void {
  for (let r = 0; r < lead * rows; r++) {
    const from = r * n
    const run = (r % rows) * n
    let m = -1
    let dot = 0
    for (let i = 0; i < n; i++) {
      const v = y[run + i]!
      dot += gy[from + i]! * v
      if (v > 0.5) m = i
    }
    let shift = 0
    if (m >= 0) {
      // Cotangents relative to that of m: where its probability rounds to 1, those of the others are the whole result.
      shift = gy[from + m]!
      dot = 0
      for (let i = 0; i < n; i++) dot += (gy[from + i]! - shift) * y[run + i]!
    }
    for (let i = 0; i < n; i++) gx[from + i] = y[run + i]! * (gy[from + i]! - shift - dot)
  }
}

export function logSoftmaxGrad(
  lead: number,
  rows: number,
  n: number,
  y: TypedArray,
  gy: TypedArray,
  gx: TypedArray,
): void {
  for (let r = 0; r < lead * rows; r++) {
    const from = r * n
    const run = (r % rows) * n
    const total = sumWithout(gy, from, n, -1)
    let m = -1
    let others = 0
    for (let i = 0; i < n; i++) {
      const p = Math.exp(y[run + i]!)
      gx[from + i] = gy[from + i]! - p * total
      if (p > 0.5) m = i
      else others += p
    }
    if (m < 0) continue
    // ȳ_m − p_m Σ ȳ, with 1 − p_m as the sum of the other probabilities
    gx[from + m] = gy[from + m]! * others - Math.exp(y[run + m]!) * sumWithout(gy, from, n, from + m)
  }
}

export function crossEntropy(rows: number, n: number, x: TypedArray, labels: TypedArray, out: TypedArray): void {
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const m = rowMax(x, from, n)
    out[r] = Math.log(sumOfExp(x, from, n, m)) - (x[from + labels[r]!]! - m)
  }
}

/** Σ exp(x − m) over a row but for the element at `at`, in f64: in f32, what `expAndSum` stored is rounded. */
function expSumWithout(x: TypedArray, from: number, n: number, m: number, at: number): number {
  let sum = 0
  for (let i = from; i < from + n; i++) if (i !== at) sum += Math.exp(x[i]! - m)
  return sum
}

export function crossEntropyGrad(
  lead: number,
  rows: number,
  n: number,
  x: TypedArray,
  labels: TypedArray,
  gy: TypedArray,
  gx: TypedArray,
): void {
  if (lead === 0) return
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const m = rowMax(x, from, n)
    // All cotangents scale e − total·[j = label]. It lies where the result of the first one, which comes last, will be.
    const total = expAndSum(x, from, n, m, gx)
    const chosen = from + labels[r]!
    const own = Math.exp(x[chosen]! - m)
    gx[chosen] = 2 * own < total ? own - total : -expSumWithout(x, from, n, m, chosen)
    for (let l = lead - 1; l >= 0; l--) {
      const scale = gy[l * rows + r]! / total
      const to = (l * rows + r) * n
      for (let i = 0; i < n; i++) gx[to + i] = scale * gx[from + i]!
    }
  }
}
