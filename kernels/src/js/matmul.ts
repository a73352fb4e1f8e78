import type { MapOp, Shape, Strides, TypedArray } from '../contract.js'
import { map } from './map.js'

/** Rows and columns of a tile of C that is held in registers. */
const TILE = 4
/** Below this many multiplications packing costs more than it saves. */
const SMALL = 2048

let aPanels = new Float64Array(0)
let bPanels = new Float64Array(0)

export function matmul(
  batch: Shape,
  m: number,
  k: number,
  n: number,
  a: TypedArray,
  aStrides: Strides,
  transA: boolean,
  b: TypedArray,
  bStrides: Strides,
  transB: boolean,
  out: TypedArray,
): void {
  const product = m * k * n <= SMALL ? small : tiled
  const A: Operand = { data: a, from: 0, line: transA ? 1 : k, step: transA ? m : 1 }
  const B: Operand = { data: b, from: 0, line: transB ? k : 1, step: transB ? 1 : n }
  let count = 1
  for (const length of batch) count *= length
  const index = batch.map(() => 0)
  for (let i = 0; i < count; i++) {
    product(m, k, n, A, B, out, i * m * n)
    for (let d = batch.length - 1; d >= 0; d--) {
      A.from += aStrides[d]!
      B.from += bStrides[d]!
      if (++index[d]! < batch[d]!) break
      A.from -= aStrides[d]! * batch[d]!
      B.from -= bStrides[d]! * batch[d]!
      index[d] = 0
    }
  }
}

/** Rows of A or columns of B: `line` numbers from one to the next, `step` numbers from one k to the next. */
interface Operand {
  readonly data: TypedArray
  from: number
  readonly line: number
  readonly step: number
}

/** Rows of A by columns of B, to `c` from `r` on. */
type Product = (m: number, k: number, n: number, a: Operand, b: Operand, c: TypedArray, r: number) => void

/** One inner product an element. */
const small: Product = (m, k, n, { data: a, from: p, line: aLine, step: aStep }, right, c, r) => {
  const { data: b, from: q, line: bLine, step: bStep } = right
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let s = 0
      let u = p + i * aLine
      let v = q + j * bLine
      for (let l = 0; l < k; l++, u += aStep, v += bStep) s += a[u]! * b[v]!
      c[r + i * n + j] = s
    }
  }
}

/** A in panels of 4 rows and B in panels of 4 columns, both k-major and in f64, so that transposes cost nothing more and
 *  the inner loop reads consecutive numbers. */
const tiled: Product = (m, k, n, a, b, c, r) => {
  const rows = Math.ceil(m / TILE)
  const columns = Math.ceil(n / TILE)
  if (aPanels.length < rows * TILE * k) aPanels = new Float64Array(rows * TILE * k)
  if (bPanels.length < columns * TILE * k) bPanels = new Float64Array(columns * TILE * k)
  pack(aPanels, a, m, k)
  pack(bPanels, b, n, k)
  for (let j = 0; j < columns; j++) {
    for (let i = 0; i < rows; i++) {
      tile(
        aPanels,
        i * TILE * k,
        bPanels,
        j * TILE * k,
        k,
        c,
        r + i * TILE * n + j * TILE,
        n,
        Math.min(TILE, m - i * TILE),
        Math.min(TILE, n - j * TILE),
      )
    }
  }
}

/** Panels of 4 lines: panel[l·4 + t] is element l of line t; missing lines are zeros. */
function pack(panels: Float64Array, { data: x, from, line, step }: Operand, lines: number, k: number): void {
  const whole = lines - (lines % TILE)
  let to = 0
  for (let i = 0; i < whole; i += TILE) {
    let u = from + i * line
    for (let l = 0; l < k; l++, u += step, to += TILE) {
      panels[to] = x[u]!
      panels[to + 1] = x[u + line]!
      panels[to + 2] = x[u + 2 * line]!
      panels[to + 3] = x[u + 3 * line]!
    }
  }
  if (whole === lines) return
  for (let l = 0; l < k; l++, to += TILE) {
    for (let t = 0; t < TILE; t++) panels[to + t] = whole + t < lines ? x[from + (whole + t) * line + l * step]! : 0
  }
}

/** A 4×4 tile of C in sixteen accumulators, of which `height` × `width` are stored. */
function tile(
  a: Float64Array,
  p: number,
  b: Float64Array,
  q: number,
  k: number,
  c: TypedArray,
  r: number,
  n: number,
  height: number,
  width: number,
): void {
  let c00 = 0,
    c01 = 0,
    c02 = 0,
    c03 = 0
  let c10 = 0,
    c11 = 0,
    c12 = 0,
    c13 = 0
  let c20 = 0,
    c21 = 0,
    c22 = 0,
    c23 = 0
  let c30 = 0,
    c31 = 0,
    c32 = 0,
    c33 = 0
  for (let l = 0; l < k; l++, p += TILE, q += TILE) {
    const b0 = b[q]!
    const b1 = b[q + 1]!
    const b2 = b[q + 2]!
    const b3 = b[q + 3]!
    const a0 = a[p]!
    c00 += a0 * b0
    c01 += a0 * b1
    c02 += a0 * b2
    c03 += a0 * b3
    const a1 = a[p + 1]!
    c10 += a1 * b0
    c11 += a1 * b1
    c12 += a1 * b2
    c13 += a1 * b3
    const a2 = a[p + 2]!
    c20 += a2 * b0
    c21 += a2 * b1
    c22 += a2 * b2
    c23 += a2 * b3
    const a3 = a[p + 3]!
    c30 += a3 * b0
    c31 += a3 * b1
    c32 += a3 * b2
    c33 += a3 * b3
  }
  if (height === TILE && width === TILE) {
    c[r] = c00
    c[r + 1] = c01
    c[r + 2] = c02
    c[r + 3] = c03
    c[r + n] = c10
    c[r + n + 1] = c11
    c[r + n + 2] = c12
    c[r + n + 3] = c13
    c[r + 2 * n] = c20
    c[r + 2 * n + 1] = c21
    c[r + 2 * n + 2] = c22
    c[r + 2 * n + 3] = c23
    c[r + 3 * n] = c30
    c[r + 3 * n + 1] = c31
    c[r + 3 * n + 2] = c32
    c[r + 3 * n + 3] = c33
    return
  }
  const all = [c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33]
  for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) c[r + i * n + j] = all[i * TILE + j]!
}

/** out = add + scale·φ(A·B + bias), rounded once. */
export function linear(
  m: number,
  k: number,
  n: number,
  a: TypedArray,
  transA: boolean,
  b: TypedArray,
  transB: boolean,
  bias: TypedArray | null,
  phi: MapOp | null,
  scale: number,
  add: TypedArray | null,
  out: TypedArray,
): void {
  const wide = out instanceof Float64Array ? out : new Float64Array(out.length)
  matmul([], m, k, n, a, [], transA, b, [], transB, wide)
  if (bias !== null) for (let i = 0, at = 0; i < m; i++) for (let j = 0; j < n; j++, at++) wide[at]! += bias[j]!
  if (phi !== null) map(phi, wide, wide)
  for (let at = 0; at < m * n; at++) {
    const value = scale * wide[at]!
    out[at] = add === null ? value : add[at]! + value
  }
}
