// out = add + scale·φ(A·B + bias) on row-major matrices, φ a function of map.ts or, as number −1, nothing. Memory: A is [m,k] (or [k,m] in memory when transA), B is [k,n]
// (or [n,k]), bias is [n], add and out are [m,n] and apart, all dense; bias and add are absent at address 0. Only columns
// from…to−1 of out are made: threads share them out, in whole tiles. `scratch` is [packed A | packed B | one tile], see
// memory.ts.
//
// Everything comes down to one register tile of 4 rows by 2 vectors (4×8 in f32, 4×4 in f64): 8 accumulators, 2
// vectors of B, one broadcast element of A. The packed form of A is panels of 4 rows, [k][4]; that of B panels of 2
// vectors, [k][2 lanes]. Blocks follow Goto and van de Geijn, *Anatomy of high-performance matrix multiplication*,
// ACM TOMS 34 (2008): a panel of B stays in the first cache, a block of A in the second.

import { map } from './map'
import { blockK, blockM, blockN, panelABytes, panelBBytes } from './memory'
import { fma, lanes, storePartial, sumLanes } from './simd'

/** Rows of a tile. */
const rows: usize = 4

export function matmul<T>(
  transA: bool,
  transB: bool,
  m: usize,
  k: usize,
  n: usize,
  a: usize,
  b: usize,
  bias: usize,
  phi: i32,
  scale: f64,
  add: usize,
  out: usize,
  from: usize,
  to: usize,
  scratch: usize,
): void {
  if (m === 0 || n === 0) return
  if (k > 0 && n > 1 && m > 1) {
    multiply<T>(transA, transB, m, k, n, a, b, bias, phi, scale, add, out, from, to, scratch)
    return
  }
  if (k === 0) {
    memory.fill(out, 0, m * n * sizeof<T>())
  } else if (n === 1) {
    if (transA) combineRows<T>(k, m, b, a, out)
    else dotRows<T>(m, k, a, b, out)
  } else if (transB) {
    dotRows<T>(n, k, b, a, out)
  } else {
    combineRows<T>(k, n, a, b, out)
  }
  if (bias !== 0 || phi >= 0 || add !== 0 || scale !== 1)
    finishRows<T>(m, n, out, n * sizeof<T>(), bias, phi, scale, add)
}

/** `finish` and φ on whole rows of C in place; rows of `add` are as far apart. */
function finishRows<T>(m: usize, n: usize, c: usize, cRow: usize, bias: usize, phi: i32, scale: f64, add: usize): void {
  for (let i: usize = 0; i < m; i++, c += cRow) {
    const addRow = add === 0 ? 0 : add + i * cRow
    if (phi < 0) {
      finish<T>(1, n, c, cRow, bias, scale, addRow, cRow, c, cRow)
      continue
    }
    if (bias !== 0) finish<T>(1, n, c, cRow, bias, 1, 0, cRow, c, cRow)
    map<T>(phi, n, c, c)
    if (add !== 0 || scale !== 1) finish<T>(1, n, c, cRow, 0, scale, addRow, cRow, c, cRow)
  }
}

/** Packs B unless it is small and row-major already, and A when it is read more than once or twice: a tile of packed rows, one load
 *  beside the other, takes 0.85 of the time of four rows apart. */
function multiply<T>(
  transA: bool,
  transB: bool,
  m: usize,
  k: usize,
  n: usize,
  a: usize,
  b: usize,
  bias: usize,
  phi: i32,
  scale: f64,
  add: usize,
  out: usize,
  from: usize,
  to: usize,
  scratch: usize,
): void {
  const size: usize = sizeof<T>()
  const width: usize = 2 * lanes<T>()
  const packedA = scratch
  const packedB = scratch + panelABytes
  const tileScratch = packedB + panelBBytes
  const packA = n > (transA ? 32 : 16)
  const packB = transB || n > 64 || m > 1024
  // With φ only the bias is added in the tile, the rest when rows are whole and still near.
  const scaleOfTile = phi < 0 ? scale : 1
  const addOfTile: usize = phi < 0 ? add : 0
  const plain = bias === 0 && addOfTile === 0 && scaleOfTile === 1
  // Strides in bytes of one step along the rows and along k, as A lies in memory.
  const aRow: usize = transA ? size : k * size
  const aStep: usize = transA ? m * size : size
  const bRow: usize = transB ? size : n * size
  const bColumn: usize = transB ? k * size : size
  const outRow = n * size

  for (let j0 = from; j0 < to; j0 += blockN) {
    const nb = min(blockN, to - j0)
    for (let p0: usize = 0; p0 < k; p0 += blockK) {
      const kb = min(blockK, k - p0)
      const last = !plain && p0 + kb === k
      const bBlock = b + p0 * bRow + j0 * bColumn
      if (packB) {
        for (let j: usize = 0; j < nb; j += width) {
          const source = bBlock + j * bColumn
          const panel = packedB + j * kb * size
          if (transB) packColumns<T>(min(width, nb - j), kb, source, bColumn, panel, width)
          else packRows<T>(kb, source, bRow, panel, width)
        }
      }
      for (let i0: usize = 0; i0 < m; i0 += blockM) {
        const mb = min(blockM, m - i0)
        const aBlock = a + i0 * aRow + p0 * aStep
        if (packA) {
          for (let i: usize = 0; i < mb; i += rows) {
            const source = aBlock + i * aRow
            const panel = packedA + i * kb * size
            if (transA) packRows<T>(kb, source, aStep, panel, rows)
            else packColumns<T>(min(rows, mb - i), kb, source, aRow, panel, rows)
          }
        }
        for (let j: usize = 0; j < nb; j += width) {
          const bTile = packB ? packedB + j * kb * size : bBlock + j * bColumn
          const bStep: usize = packB ? width * size : bRow
          const columns = min(width, nb - j)
          const biasTile = bias === 0 ? 0 : bias + (j0 + j) * size
          for (let i: usize = 0; i < mb; i += rows) {
            const height = min(rows, mb - i)
            const at = (i0 + i) * outRow + (j0 + j) * size
            const target = out + at
            const whole = height === rows && columns === width
            const c = whole ? target : tileScratch
            const cRow: usize = whole ? outRow : width * size
            if (!whole && p0 > 0) copyTile<T>(height, columns, target, outRow, c, cRow)
            const addTile = addOfTile === 0 ? 0 : addOfTile + at
            const finished = last && whole
            if (packA) {
              tile<T>(
                kb,
                packedA + i * kb * size,
                rows * size,
                bTile,
                bStep,
                c,
                cRow,
                p0 > 0,
                finished,
                biasTile,
                scaleOfTile,
                addTile,
              )
            } else if (transA) {
              tile<T>(
                kb,
                aBlock + i * aRow,
                aStep,
                bTile,
                bStep,
                c,
                cRow,
                p0 > 0,
                finished,
                biasTile,
                scaleOfTile,
                addTile,
              )
            } else {
              tileOfRows<T>(
                kb,
                aBlock + i * aRow,
                aRow,
                height,
                bTile,
                bStep,
                c,
                cRow,
                p0 > 0,
                finished,
                biasTile,
                scaleOfTile,
                addTile,
              )
            }
            if (whole) continue
            if (last) finish<T>(height, columns, c, cRow, biasTile, scaleOfTile, addTile, outRow, target, outRow)
            else copyTile<T>(height, columns, c, cRow, target, outRow)
          }
        }
        if (phi >= 0 && p0 + kb === k) {
          const at = i0 * outRow + j0 * size
          finishRows<T>(mb, nb, out + at, outRow, 0, phi, scale, add === 0 ? 0 : add + at)
        }
      }
    }
  }
}

/** out = add + scale·(c + bias) on `height` rows. */
function finish<T>(
  height: usize,
  columns: usize,
  c: usize,
  cRow: usize,
  bias: usize,
  scale: f64,
  add: usize,
  addRow: usize,
  out: usize,
  outRow: usize,
): void {
  const bytes = columns * sizeof<T>()
  const whole = bytes & ~15
  const s = v128.splat<T>(<T>scale)
  const zero = v128.splat<T>(0)
  for (let i: usize = 0; i < height; i++) {
    let j: usize = 0
    for (; j < whole; j += 16) {
      const x = bias === 0 ? v128.load(c + j) : v128.add<T>(v128.load(c + j), v128.load(bias + j))
      const y = v128.mul<T>(x, s)
      v128.store(out + j, add === 0 ? y : v128.add<T>(v128.load(add + j), y))
    }
    if (j < bytes) {
      const x = v128.add<T>(v128.load(c + j), bias === 0 ? zero : v128.load(bias + j))
      const y = v128.mul<T>(x, s)
      storePartial<T>(out + j, add === 0 ? y : v128.add<T>(v128.load(add + j), y), bytes - j)
    }
    c += cRow
    out += outRow
    if (add !== 0) add += addRow
  }
}

/**
 * C (+)= A·B for one tile: A as [k][4] with `aStep` bytes from one k to the next, B as [k][2 vectors] with `bStep`. Where it is
 * `finished`, C = add + scale·(C + bias), with rows of `add` as far apart as C's.
 */
function tile<T>(
  k: usize,
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  cRow: usize,
  accumulate: bool,
  finished: bool,
  bias: usize,
  scale: f64,
  add: usize,
): void {
  let c00 = v128.splat<T>(0)
  let c01 = c00
  let c10 = c00
  let c11 = c00
  let c20 = c00
  let c21 = c00
  let c30 = c00
  let c31 = c00
  const end = b + k * bStep
  do {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    const a0 = v128.load_splat<T>(a)
    c00 = fma<T>(a0, b0, c00)
    c01 = fma<T>(a0, b1, c01)
    const a1 = v128.load_splat<T>(a, sizeof<T>())
    c10 = fma<T>(a1, b0, c10)
    c11 = fma<T>(a1, b1, c11)
    const a2 = v128.load_splat<T>(a, 2 * sizeof<T>())
    c20 = fma<T>(a2, b0, c20)
    c21 = fma<T>(a2, b1, c21)
    const a3 = v128.load_splat<T>(a, 3 * sizeof<T>())
    c30 = fma<T>(a3, b0, c30)
    c31 = fma<T>(a3, b1, c31)
    a += aStep
    b += bStep
  } while (b !== end)
  storeTile<T>(c, cRow, c00, c01, c10, c11, c20, c21, c30, c31, accumulate, finished, bias, scale, add)
}

/** The same with A row-major, `aRow` bytes from row to row. Rows beyond `height` repeat the first. */
function tileOfRows<T>(
  k: usize,
  a0: usize,
  aRow: usize,
  height: usize,
  b: usize,
  bStep: usize,
  c: usize,
  cRow: usize,
  accumulate: bool,
  finished: bool,
  bias: usize,
  scale: f64,
  add: usize,
): void {
  let c00 = v128.splat<T>(0)
  let c01 = c00
  let c10 = c00
  let c11 = c00
  let c20 = c00
  let c21 = c00
  let c30 = c00
  let c31 = c00
  let a1 = height > 1 ? a0 + aRow : a0
  let a2 = height > 2 ? a0 + 2 * aRow : a0
  let a3 = height > 3 ? a0 + 3 * aRow : a0
  const end = a0 + k * sizeof<T>()
  do {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    const x0 = v128.load_splat<T>(a0)
    c00 = fma<T>(x0, b0, c00)
    c01 = fma<T>(x0, b1, c01)
    const x1 = v128.load_splat<T>(a1)
    c10 = fma<T>(x1, b0, c10)
    c11 = fma<T>(x1, b1, c11)
    const x2 = v128.load_splat<T>(a2)
    c20 = fma<T>(x2, b0, c20)
    c21 = fma<T>(x2, b1, c21)
    const x3 = v128.load_splat<T>(a3)
    c30 = fma<T>(x3, b0, c30)
    c31 = fma<T>(x3, b1, c31)
    a0 += sizeof<T>()
    a1 += sizeof<T>()
    a2 += sizeof<T>()
    a3 += sizeof<T>()
    b += bStep
  } while (a0 !== end)
  storeTile<T>(c, cRow, c00, c01, c10, c11, c20, c21, c30, c31, accumulate, finished, bias, scale, add)
}

/** The last of a tile: its sums, on top of those of C where they `accumulate`, or what `finished` makes of them, go to C.
 *  @inline */
function storeTile<T>(
  c: usize,
  cRow: usize,
  c00: v128,
  c01: v128,
  c10: v128,
  c11: v128,
  c20: v128,
  c21: v128,
  c30: v128,
  c31: v128,
  accumulate: bool,
  finished: bool,
  bias: usize,
  scale: f64,
  add: usize,
): void {
  const c1 = c + cRow
  const c2 = c1 + cRow
  const c3 = c2 + cRow
  // Blocks of k are summed on their own and then added, so that roundings add up over a block, not over all of k.
  if (accumulate) {
    c00 = v128.add<T>(v128.load(c), c00)
    c01 = v128.add<T>(v128.load(c, 16), c01)
    c10 = v128.add<T>(v128.load(c1), c10)
    c11 = v128.add<T>(v128.load(c1, 16), c11)
    c20 = v128.add<T>(v128.load(c2), c20)
    c21 = v128.add<T>(v128.load(c2, 16), c21)
    c30 = v128.add<T>(v128.load(c3), c30)
    c31 = v128.add<T>(v128.load(c3, 16), c31)
  }
  if (finished) {
    if (bias !== 0) {
      const b0 = v128.load(bias)
      const b1 = v128.load(bias, 16)
      c00 = v128.add<T>(c00, b0)
      c01 = v128.add<T>(c01, b1)
      c10 = v128.add<T>(c10, b0)
      c11 = v128.add<T>(c11, b1)
      c20 = v128.add<T>(c20, b0)
      c21 = v128.add<T>(c21, b1)
      c30 = v128.add<T>(c30, b0)
      c31 = v128.add<T>(c31, b1)
    }
    const s = v128.splat<T>(<T>scale)
    c00 = v128.mul<T>(c00, s)
    c01 = v128.mul<T>(c01, s)
    c10 = v128.mul<T>(c10, s)
    c11 = v128.mul<T>(c11, s)
    c20 = v128.mul<T>(c20, s)
    c21 = v128.mul<T>(c21, s)
    c30 = v128.mul<T>(c30, s)
    c31 = v128.mul<T>(c31, s)
    if (add !== 0) {
      const add1 = add + cRow
      const add2 = add1 + cRow
      const add3 = add2 + cRow
      c00 = v128.add<T>(v128.load(add), c00)
      c01 = v128.add<T>(v128.load(add, 16), c01)
      c10 = v128.add<T>(v128.load(add1), c10)
      c11 = v128.add<T>(v128.load(add1, 16), c11)
      c20 = v128.add<T>(v128.load(add2), c20)
      c21 = v128.add<T>(v128.load(add2, 16), c21)
      c30 = v128.add<T>(v128.load(add3), c30)
      c31 = v128.add<T>(v128.load(add3, 16), c31)
    }
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  v128.store(c1, c10)
  v128.store(c1, c11, 16)
  v128.store(c2, c20)
  v128.store(c2, c21, 16)
  v128.store(c3, c30)
  v128.store(c3, c31, 16)
}

function copyTile<T>(height: usize, columns: usize, from: usize, fromRow: usize, to: usize, toRow: usize): void {
  for (let i: usize = 0; i < height; i++) {
    for (let j: usize = 0; j < columns * sizeof<T>(); j += sizeof<T>()) store<T>(to + j, load<T>(from + j))
    from += fromRow
    to += toRow
  }
}

/** panel[p][0…width) = the first `width` elements at source + p·stride. */
function packRows<T>(k: usize, source: usize, stride: usize, panel: usize, width: usize): void {
  const bytes: usize = width * sizeof<T>()
  for (const end = panel + k * bytes; panel < end; panel += bytes) {
    v128.store(panel, v128.load(source))
    if (bytes === 32) v128.store(panel, v128.load(source, 16), 16)
    source += stride
  }
}

/** panel[p][c] = element p at source + c·stride, c < width. Columns beyond `columns` repeat the first. */
export function packColumns<T>(
  columns: usize,
  k: usize,
  source: usize,
  stride: usize,
  panel: usize,
  width: usize,
): void {
  const step: usize = width * sizeof<T>()
  for (let c: usize = 0; c < width; c += lanes<T>()) {
    const s0 = source + (c < columns ? c * stride : 0)
    const s1 = source + (c + 1 < columns ? (c + 1) * stride : 0)
    if (sizeof<T>() === 4) {
      const s2 = source + (c + 2 < columns ? (c + 2) * stride : 0)
      const s3 = source + (c + 3 < columns ? (c + 3) * stride : 0)
      packFour(k, s0, s1, s2, s3, panel + c * sizeof<T>(), step)
    } else {
      packTwo(k, s0, s1, panel + c * sizeof<T>(), step)
    }
  }
}

function packFour(k: usize, s0: usize, s1: usize, s2: usize, s3: usize, panel: usize, step: usize): void {
  let p: usize = 0
  const bytes = k * 4
  for (const whole = bytes & ~15; p < whole; p += 16) {
    const r0 = v128.load(s0 + p)
    const r1 = v128.load(s1 + p)
    const r2 = v128.load(s2 + p)
    const r3 = v128.load(s3 + p)
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5)
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7)
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5)
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7)
    v128.store(panel, v128.shuffle<f64>(low01, low23, 0, 2))
    v128.store(panel + step, v128.shuffle<f64>(low01, low23, 1, 3))
    v128.store(panel + 2 * step, v128.shuffle<f64>(high01, high23, 0, 2))
    v128.store(panel + 3 * step, v128.shuffle<f64>(high01, high23, 1, 3))
    panel += 4 * step
  }
  for (; p < bytes; p += 4) {
    store<f32>(panel, load<f32>(s0 + p))
    store<f32>(panel, load<f32>(s1 + p), 4)
    store<f32>(panel, load<f32>(s2 + p), 8)
    store<f32>(panel, load<f32>(s3 + p), 12)
    panel += step
  }
}

function packTwo(k: usize, s0: usize, s1: usize, panel: usize, step: usize): void {
  let p: usize = 0
  const bytes = k * 8
  for (const whole = bytes & ~15; p < whole; p += 16) {
    const r0 = v128.load(s0 + p)
    const r1 = v128.load(s1 + p)
    v128.store(panel, v128.shuffle<f64>(r0, r1, 0, 2))
    v128.store(panel + step, v128.shuffle<f64>(r0, r1, 1, 3))
    panel += 2 * step
  }
  if (p < bytes) {
    store<f64>(panel, load<f64>(s0 + p))
    store<f64>(panel, load<f64>(s1 + p), 8)
  }
}

/** Bytes of a block of k in `dotRows`; terms of one in `combineRows`. */
const run: usize = 4096
const terms: usize = 256

/** out[i] = Σ_p a[i,p] x[p], blocks added up in f64 */
function dotRows<T>(m: usize, k: usize, a: usize, x: usize, out: usize): void {
  const row = k * sizeof<T>()
  const whole = row & ~15
  for (let i: usize = 0; i < m; i += rows) {
    const height = min(rows, m - i)
    const a0 = a
    const a1 = height > 1 ? a0 + row : a0
    const a2 = height > 2 ? a0 + 2 * row : a0
    const a3 = height > 3 ? a0 + 3 * row : a0
    let t0: f64 = 0
    let t1: f64 = 0
    let t2: f64 = 0
    let t3: f64 = 0
    let p: usize = 0
    while (p < whole) {
      const end = min(whole, p + run)
      let s0 = v128.splat<T>(0)
      let s1 = s0
      let s2 = s0
      let s3 = s0
      for (; p < end; p += 16) {
        const v = v128.load(x + p)
        s0 = fma<T>(v128.load(a0 + p), v, s0)
        s1 = fma<T>(v128.load(a1 + p), v, s1)
        s2 = fma<T>(v128.load(a2 + p), v, s2)
        s3 = fma<T>(v128.load(a3 + p), v, s3)
      }
      t0 += <f64>sumLanes<T>(s0)
      t1 += <f64>sumLanes<T>(s1)
      t2 += <f64>sumLanes<T>(s2)
      t3 += <f64>sumLanes<T>(s3)
    }
    for (; p < row; p += sizeof<T>()) {
      const v = <f64>load<T>(x + p)
      t0 += <f64>load<T>(a0 + p) * v
      t1 += <f64>load<T>(a1 + p) * v
      t2 += <f64>load<T>(a2 + p) * v
      t3 += <f64>load<T>(a3 + p) * v
    }
    store<T>(out, <T>t0)
    if (height > 1) store<T>(out, <T>t1, sizeof<T>())
    if (height > 2) store<T>(out, <T>t2, 2 * sizeof<T>())
    if (height > 3) store<T>(out, <T>t3, 3 * sizeof<T>())
    a += rows * row
    out += rows * sizeof<T>()
  }
}

/** out[j] = Σ_p x[p] b[p,j], a block of p at a time */
function combineRows<T>(k: usize, n: usize, x: usize, b: usize, out: usize): void {
  for (let p: usize = 0; p < k; p += terms) {
    combine<T>(min(terms, k - p), n, x + p * sizeof<T>(), b + p * n * sizeof<T>(), out, p > 0)
  }
}

/** In both builds: scripts/build-wasm.mjs wants them to have the same functions. @inline */
function combine<T>(k: usize, n: usize, x: usize, b: usize, out: usize, accumulate: bool): void {
  const row = n * sizeof<T>()
  const end = x + k * sizeof<T>()
  let j: usize = 0
  for (; j + 64 <= row; j += 64) {
    let s0 = v128.splat<T>(0)
    let s1 = s0
    let s2 = s0
    let s3 = s0
    let source = b + j
    for (let p = x; p < end; p += sizeof<T>()) {
      const v = v128.load_splat<T>(p)
      s0 = fma<T>(v, v128.load(source), s0)
      s1 = fma<T>(v, v128.load(source, 16), s1)
      s2 = fma<T>(v, v128.load(source, 32), s2)
      s3 = fma<T>(v, v128.load(source, 48), s3)
      source += row
    }
    if (accumulate) {
      s0 = v128.add<T>(v128.load(out + j), s0)
      s1 = v128.add<T>(v128.load(out + j, 16), s1)
      s2 = v128.add<T>(v128.load(out + j, 32), s2)
      s3 = v128.add<T>(v128.load(out + j, 48), s3)
    }
    v128.store(out + j, s0)
    v128.store(out + j, s1, 16)
    v128.store(out + j, s2, 32)
    v128.store(out + j, s3, 48)
  }
  for (; j < row; j += 16) {
    let sum = v128.splat<T>(0)
    let source = b + j
    for (let p = x; p < end; p += sizeof<T>()) {
      sum = fma<T>(v128.load_splat<T>(p), v128.load(source), sum)
      source += row
    }
    storePartial<T>(out + j, accumulate ? v128.add<T>(v128.load(out + j), sum) : sum, row - j)
  }
}
