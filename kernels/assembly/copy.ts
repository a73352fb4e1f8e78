// out[r·outRow + i·outStep] = x[r·xRow + i·xStep] for `rows` rows of n elements of 4 or 8 bytes; strides in bytes, as signed
// numbers. x and out do not overlap.

import { move } from './simd'

/** Side of the tiles in which transposes are copied, so that both sides stay in the first cache. */
const tile: usize = 16

export function copy<T>(
  rows: usize,
  n: usize,
  x: usize,
  xRow: isize,
  xStep: isize,
  out: usize,
  outRow: isize,
  outStep: isize,
): void {
  const size: isize = sizeof<T>()
  if (xStep === size && outStep === size) {
    for (let r: usize = 0; r < rows; r++, x += xRow, out += outRow) memory.copy(out, x, n * sizeof<T>())
    return
  }
  for (let r0: usize = 0; r0 < rows; r0 += tile) {
    const r1 = min(rows, r0 + tile)
    for (let i0: usize = 0; i0 < n; i0 += tile) {
      const i1 = min(n, i0 + tile)
      for (let r = r0; r < r1; r++) {
        let p = x + <isize>r * xRow + <isize>i0 * xStep
        let q = out + <isize>r * outRow + <isize>i0 * outStep
        for (let i = i0; i < i1; i++, p += xStep, q += outStep) move<T>(q, p)
      }
    }
  }
}
