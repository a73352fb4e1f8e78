import type { TypedArray } from '../contract.js'

/** Places of the elements of every line in order; equal ones keep theirs, NaN counts as the largest. */
export function argsort(
  outer: number,
  n: number,
  inner: number,
  descending: boolean,
  x: TypedArray,
  out: TypedArray,
): void {
  const line = new Float64Array(n)
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < inner; c++) {
      const first = o * n * inner + c
      for (let i = 0; i < n; i++) line[i] = x[first + i * inner]!
      const places = Int32Array.from({ length: n }, (_, i) => i)
      places.sort((p, q) => (descending ? compare(line[q]!, line[p]!) : compare(line[p]!, line[q]!)) || p - q)
      for (let i = 0; i < n; i++) out[first + i * inner] = places[i]!
    }
  }
}

function compare(a: number, b: number): number {
  if (a !== a || b !== b) return a === a ? -1 : b === b ? 1 : 0
  return a < b ? -1 : a > b ? 1 : 0
}
