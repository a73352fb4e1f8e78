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

export function softmax(rows: number, n: number, x: TypedArray, out: TypedArray): void {
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const m = rowMax(x, from, n)
    let total = 0
    for (let i = from; i < from + n; i++) {
      const e = Math.exp(x[i]! - m)
      out[i] = e
      total += e
    }
    for (let i = from; i < from + n; i++) out[i] = out[i]! / total
  }
}

export function logSoftmax(rows: number, n: number, x: TypedArray, out: TypedArray): void {
  for (let r = 0; r < rows; r++) {
    const from = r * n
    const m = rowMax(x, from, n)
    let total = 0
    for (let i = from; i < from + n; i++) total += Math.exp(x[i]! - m)
    const shift = Math.log(total)
    // x − m is exact where it matters, so the two are not added first.
    for (let i = from; i < from + n; i++) out[i] = x[i]! - m - shift
  }
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
    let dot = 0
    for (let i = 0; i < n; i++) dot += gy[from + i]! * y[run + i]!
    for (let i = 0; i < n; i++) gx[from + i] = y[run + i]! * (gy[from + i]! - dot)
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
    let total = 0
    for (let i = 0; i < n; i++) total += gy[from + i]!
    for (let i = 0; i < n; i++) gx[from + i] = gy[from + i]! - Math.exp(y[run + i]!) * total
  }
}
