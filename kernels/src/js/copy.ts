import type { Shape, Strides, TypedArray } from '../contract.js'
import { eachRow } from './rows.js'

export function fill(value: number, out: TypedArray): void {
  out.fill(value)
}

export function cast(x: TypedArray, out: TypedArray): void {
  out.set(x)
}

/** Side of the square tiles in which transposes are copied, so that both sides stay in cache. */
const TILE = 16

export function copy(
  shape: Shape,
  x: TypedArray,
  xOffset: number,
  xStrides: Strides,
  out: TypedArray,
  outOffset: number,
  outStrides: Strides,
): void {
  const rank = shape.length
  if (
    rank >= 2 &&
    outStrides[rank - 1] === 1 &&
    xStrides[rank - 2] === 1 &&
    shape[rank - 2]! > 1 &&
    shape[rank - 1]! > 1
  ) {
    return copyTransposed(shape, x, xOffset, xStrides, out, outOffset, outStrides)
  }
  eachRow(shape, xStrides, outStrides, (n, from, step, to, toStep) => {
    const p = xOffset + from
    const q = outOffset + to
    if (step === 1 && toStep === 1) {
      if (n < 32) for (let i = 0; i < n; i++) out[q + i] = x[p + i]!
      else out.set(x.subarray(p, p + n), q)
    } else if (step === 0 && toStep === 1) out.fill(x[p]!, q, q + n)
    else for (let i = 0; i < n; i++) out[q + i * toStep] = x[p + i * step]!
  })
}

/** The last two axes exchange their roles: copied tile by tile. */
function copyTransposed(
  shape: Shape,
  x: TypedArray,
  xOffset: number,
  xStrides: Strides,
  out: TypedArray,
  outOffset: number,
  outStrides: Strides,
): void {
  const rank = shape.length
  const [rows, columns] = [shape[rank - 2]!, shape[rank - 1]!]
  const xStep = xStrides[rank - 1]!
  const outStep = outStrides[rank - 2]!
  // One run of length 1 for every pair of planes.
  const outer = [...shape.slice(0, -2), 1]
  eachRow(outer, [...xStrides.slice(0, -2), 0], [...outStrides.slice(0, -2), 0], (n, from, planeStep, to, toStep) => {
    for (let plane = 0; plane < n; plane++) {
      const p = xOffset + from + plane * planeStep
      const q = outOffset + to + plane * toStep
      for (let r0 = 0; r0 < rows; r0 += TILE) {
        const r1 = Math.min(rows, r0 + TILE)
        for (let c0 = 0; c0 < columns; c0 += TILE) {
          const c1 = Math.min(columns, c0 + TILE)
          for (let r = r0; r < r1; r++) {
            const base = q + r * outStep
            for (let c = c0; c < c1; c++) out[base + c] = x[p + r + c * xStep]!
          }
        }
      }
    }
  })
}

/** x read with broadcasting strides as a contiguous array of `shape`: itself when it is one. */
export function broadcastCopy(shape: Shape, x: TypedArray, strides: Strides): TypedArray {
  let n = 1
  const contiguous = new Array<number>(shape.length)
  let same = true
  for (let i = shape.length - 1; i >= 0; i--) {
    contiguous[i] = n
    if (shape[i] !== 1 && strides[i] !== n) same = false
    n *= shape[i]!
  }
  if (same && x.length === n) return x
  const out = new (x.constructor as Float64ArrayConstructor)(n) as TypedArray
  copy(shape, x, 0, strides, out, 0, contiguous)
  return out
}
