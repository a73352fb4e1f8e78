import type { Shape, Strides } from '../contract.js'

/** The one step by which strides walk a shape in row-major order, or NaN when they take more than one. */
export function stepOf(shape: Shape, strides: Strides): number {
  let step = 0
  let n = 1
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] === 1) continue
    if (n === 1) step = strides[d]!
    else if (strides[d] !== step * n) return Number.NaN
    n *= shape[d]!
  }
  return step
}

/**
 * Walks a shape in row-major order and calls `row` for its longest runs in which both operands move by a constant step:
 * axes that continue each other in both are taken as one. `to` counts the elements before the run.
 */
export function eachRow(
  shape: Shape,
  a: Strides,
  b: Strides,
  row: (n: number, aFrom: number, aStep: number, bFrom: number, bStep: number, to: number) => void,
): void {
  const rank = shape.length
  if (rank === 0) return row(1, 0, 0, 0, 0, 0)
  // The innermost run.
  let d = rank - 1
  while (d > 0 && shape[d] === 1) d--
  let n = shape[d]!
  const aStep = a[d]!
  const bStep = b[d]!
  while (d > 0 && (shape[d - 1] === 1 || (a[d - 1] === aStep * n && b[d - 1] === bStep * n))) n *= shape[--d]!
  if (d === 0) {
    if (n > 0) row(n, 0, aStep, 0, bStep, 0)
    return
  }
  let count = 1
  for (let i = 0; i < d; i++) count *= shape[i]!
  if (count === 0 || n === 0) return
  const index = new Int32Array(d)
  let aFrom = 0
  let bFrom = 0
  for (let r = 0; r < count; r++) {
    row(n, aFrom, aStep, bFrom, bStep, r * n)
    for (let i = d - 1; i >= 0; i--) {
      aFrom += a[i]!
      bFrom += b[i]!
      if (++index[i]! < shape[i]!) break
      aFrom -= a[i]! * shape[i]!
      bFrom -= b[i]! * shape[i]!
      index[i] = 0
    }
  }
}
