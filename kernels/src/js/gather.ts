import type { TypedArray } from '../contract.js'

export function gather(
  outer: number,
  axis: number,
  inner: number,
  index: TypedArray,
  x: TypedArray,
  out: TypedArray,
): void {
  const count = index.length
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < count; i++) {
      const from = (o * axis + index[i]!) * inner
      const to = (o * count + i) * inner
      for (let c = 0; c < inner; c++) out[to + c] = x[from + c]!
    }
  }
}

/** Accumulated in f64 and rounded once; i32 modulo 2^32. */
export function scatterAdd(
  outer: number,
  axis: number,
  inner: number,
  index: TypedArray,
  y: TypedArray,
  out: TypedArray,
): void {
  const count = index.length
  const totals = new (out instanceof Int32Array ? Int32Array : Float64Array)(axis * inner)
  for (let o = 0; o < outer; o++) {
    totals.fill(0)
    for (let i = 0; i < count; i++) {
      const from = (o * count + i) * inner
      const to = index[i]! * inner
      for (let c = 0; c < inner; c++) totals[to + c]! += y[from + c]!
    }
    out.set(totals, o * axis * inner)
  }
}
