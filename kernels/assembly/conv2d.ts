// Convolutions of one image and group as matrix products whose second factor is never formed: element v of its row j lies
// at b + offsets[j] + v·sizeof(T), a tap of the window having one offset whatever the window. That holds once the image has its
// padding around it and, with a horizontal stride s, columns v·s + r of a line lie together for each r (`spread`). Offsets and
// strides are bytes; tables are made by src/wasm/conv2d.ts. `scratch` has room for one tile.

import { packColumns } from './matmul'
import { fma, lanes, storePartial, sumLanes, tailMask } from './simd'

/** Rows of a tile. */
const rows: usize = 4
/** Taps taken at a time, so that what a tile of windows reads stays in the first cache. */
const block: usize = 256

/**
 * Copies lines of `n` elements, dense in memory, into a plane with room around them: element i of line l goes to column
 * i + left of out + l·outLine, the columns of equal remainder by `step` together, `outPart` from one remainder to the next.
 * @part conv2d
 */
export function spread<T>(
  planes: usize,
  lines: usize,
  n: usize,
  x: usize,
  xPlane: usize,
  left: usize,
  step: usize,
  out: usize,
  outPlane: usize,
  outLine: usize,
  outPart: usize,
): void {
  const bytes = n * sizeof<T>()
  for (let p: usize = 0; p < planes; p++) {
    let from = x + p * xPlane
    let to = out + p * outPlane
    for (let l: usize = 0; l < lines; l++) {
      if (step === 1) {
        const start = to + left * sizeof<T>()
        for (let i: usize = 0; i < bytes; i += 16) storePartial<T>(start + i, v128.load(from + i), bytes - i)
      } else if (step === 2) {
        const half = (left >>> 1) * sizeof<T>()
        const odd = (left & 1) === 1
        const first = to + half + (odd ? outPart : 0)
        const second = to + half + (odd ? sizeof<T>() : outPart)
        for (let i: usize = 0, at: usize = 0; i < bytes; i += 32, at += 16) {
          const p = v128.load(from + i)
          const q = v128.load(from + i, 16)
          const rest = bytes - i
          const evens = sizeof<T>() === 4 ? v128.shuffle<f32>(p, q, 0, 2, 4, 6) : v128.shuffle<f64>(p, q, 0, 2)
          const odds = sizeof<T>() === 4 ? v128.shuffle<f32>(p, q, 1, 3, 5, 7) : v128.shuffle<f64>(p, q, 1, 3)
          storePartial<T>(first + at, evens, ((rest + sizeof<T>()) >>> 1) & -sizeof<T>())
          if (rest > sizeof<T>()) storePartial<T>(second + at, odds, (rest >>> 1) & -sizeof<T>())
        }
      } else {
        let part = left % step
        let q = to + part * outPart + (left / step) * sizeof<T>()
        for (let i: usize = 0; i < bytes; i += sizeof<T>()) {
          store<T>(q, load<T>(from + i))
          q += outPart
          if (++part === step) {
            part = 0
            q -= step * outPart - sizeof<T>()
          }
        }
      }
      from += bytes
      to += outLine
    }
  }
}

/** Weights of `m` rows and k taps, at w + i·wRow + offsets[j], as panels [k][4] of 4 rows; rows beyond m are zeros.
 *  @part conv2d */
export function packWeights<T>(m: usize, k: usize, w: usize, wRow: usize, offsets: usize, out: usize): void {
  for (let i: usize = 0; i < m; i += rows) {
    const height = min(rows, m - i)
    for (let j: usize = 0; j < k; j++, out += rows * sizeof<T>()) {
      const from = w + i * wRow + <usize>load<i32>(offsets + (j << 2))
      for (let r: usize = 0; r < rows; r++) store<T>(out + r * sizeof<T>(), r < height ? load<T>(from + r * wRow) : 0)
    }
  }
}

/** Rows of k weights, dense in memory, as the same panels; what a panel has beyond m is of no matter. @part conv2d */
export function packFilters<T>(m: usize, k: usize, w: usize, out: usize): void {
  const row = k * sizeof<T>()
  for (let i: usize = 0; i < m; i += rows) packColumns<T>(min(rows, m - i), k, w + i * row, row, out + i * row, rows)
}

/**
 * C = A·B for `lines` lines of n columns: A packed [m/4][k][4], line u of B at b + u·bLine; C at c + i·cRow + u·cLine + v·cStep
 * for row i and column v.
 * @part conv2d
 */
export function convolve<T>(
  m: usize,
  k: usize,
  a: usize,
  offsets: usize,
  b: usize,
  bLine: usize,
  lines: usize,
  n: usize,
  c: usize,
  cRow: usize,
  cLine: usize,
  cStep: usize,
  scratch: usize,
): void {
  const size: usize = sizeof<T>()
  const width: usize = 2 * lanes<T>()
  const panel = k * rows * size
  for (let p0: usize = 0; p0 < k; p0 += block) {
    const kb = min(block, k - p0)
    const taps = offsets + (p0 << 2)
    for (let u: usize = 0; u < lines; u++) {
      const line = b + u * bLine
      for (let v: usize = 0; v < n; v += width) {
        const columns = min(width, n - v)
        const dense = columns === width && cStep === size
        let aPanel = a + p0 * rows * size
        let target = c + u * cLine + v * cStep
        for (let i: usize = 0; i < m; i += rows) {
          const height = min(rows, m - i)
          if (dense && height === rows) {
            tile<T>(kb, aPanel, line + v * size, taps, target, cRow, p0 > 0)
          } else {
            if (p0 > 0) collect<T>(height, columns, target, cRow, cStep, scratch, width * size)
            tile<T>(kb, aPanel, line + v * size, taps, scratch, width * size, p0 > 0)
            scatter<T>(height, columns, scratch, width * size, target, cRow, cStep)
          }
          aPanel += panel
          target += rows * cRow
        }
      }
    }
  }
}

function tile<T>(k: usize, a: usize, b: usize, offsets: usize, c: usize, cRow: usize, accumulate: bool): void {
  let c00 = v128.splat<T>(0)
  let c01 = c00
  let c10 = c00
  let c11 = c00
  let c20 = c00
  let c21 = c00
  let c30 = c00
  let c31 = c00
  const end = offsets + (k << 2)
  do {
    const p = b + <usize>load<i32>(offsets)
    const b0 = v128.load(p)
    const b1 = v128.load(p, 16)
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
    a += rows * sizeof<T>()
    offsets += 4
  } while (offsets !== end)
  const c1 = c + cRow
  const c2 = c1 + cRow
  const c3 = c2 + cRow
  // A block of taps is summed on their own and then added, so that roundings add up over a block, not over all taps.
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
  v128.store(c, c00)
  v128.store(c, c01, 16)
  v128.store(c1, c10)
  v128.store(c1, c11, 16)
  v128.store(c2, c20)
  v128.store(c2, c21, 16)
  v128.store(c3, c30)
  v128.store(c3, c31, 16)
}

/**
 * Rows of C one by one, of few taps or for few rows: w is [count][k], and row i reads the planes at b + (i / m)·bGroup, B of its
 * group. Lines of C are dense, and rows `cRow` apart.
 * @part conv2d
 */
export function convolveRows<T>(
  count: usize,
  m: usize,
  k: usize,
  w: usize,
  offsets: usize,
  b: usize,
  bGroup: usize,
  bLine: usize,
  lines: usize,
  n: usize,
  c: usize,
  cRow: usize,
): void {
  const bytes = n * sizeof<T>()
  for (let i: usize = 0; i < count; i++) {
    const planes = b + (i / m) * bGroup
    for (let u: usize = 0; u < lines; u++) {
      // A last vector may reach into the lines below, which are computed after this one.
      const whole = min((bytes + 15) & ~15, ((lines - u) * bytes) & ~15)
      for (let p0: usize = 0; p0 < k; p0 += block) {
        const kb = min(block, k - p0)
        const a = w + p0 * sizeof<T>()
        const taps = offsets + (p0 << 2)
        const line = planes + u * bLine
        const target = c + u * bytes
        let v: usize = 0
        for (; v + 64 <= whole; v += 64) strip4<T>(kb, a, line + v, taps, target + v, p0 > 0)
        if (v + 32 <= whole) {
          strip2<T>(kb, a, line + v, taps, target + v, p0 > 0)
          v += 32
        }
        for (; v < bytes; v += 16) {
          strip1<T>(kb, a, line + v, taps, target + v, v + 16 <= whole ? 16 : bytes - v, p0 > 0)
        }
      }
    }
    w += k * sizeof<T>()
    c += cRow
  }
}

/** 4 vectors of a row. */
function strip4<T>(k: usize, a: usize, b: usize, offsets: usize, c: usize, accumulate: bool): void {
  let c0 = v128.splat<T>(0)
  let c1 = c0
  let c2 = c0
  let c3 = c0
  const end = offsets + (k << 2)
  do {
    const p = b + <usize>load<i32>(offsets)
    const x = v128.load_splat<T>(a)
    c0 = fma<T>(x, v128.load(p), c0)
    c1 = fma<T>(x, v128.load(p, 16), c1)
    c2 = fma<T>(x, v128.load(p, 32), c2)
    c3 = fma<T>(x, v128.load(p, 48), c3)
    a += sizeof<T>()
    offsets += 4
  } while (offsets !== end)
  if (accumulate) {
    c0 = v128.add<T>(v128.load(c), c0)
    c1 = v128.add<T>(v128.load(c, 16), c1)
    c2 = v128.add<T>(v128.load(c, 32), c2)
    c3 = v128.add<T>(v128.load(c, 48), c3)
  }
  v128.store(c, c0)
  v128.store(c, c1, 16)
  v128.store(c, c2, 32)
  v128.store(c, c3, 48)
}

/** 2 vectors of a row. */
function strip2<T>(k: usize, a: usize, b: usize, offsets: usize, c: usize, accumulate: bool): void {
  let c0 = v128.splat<T>(0)
  let c1 = c0
  const end = offsets + (k << 2)
  do {
    const p = b + <usize>load<i32>(offsets)
    const x = v128.load_splat<T>(a)
    c0 = fma<T>(x, v128.load(p), c0)
    c1 = fma<T>(x, v128.load(p, 16), c1)
    a += sizeof<T>()
    offsets += 4
  } while (offsets !== end)
  if (accumulate) {
    c0 = v128.add<T>(v128.load(c), c0)
    c1 = v128.add<T>(v128.load(c, 16), c1)
  }
  v128.store(c, c0)
  v128.store(c, c1, 16)
}

/** The last vector of a row, all of which is stored where there is room for it, or its first `bytes`. */
function strip1<T>(k: usize, a: usize, b: usize, offsets: usize, c: usize, bytes: usize, accumulate: bool): void {
  let sum = v128.splat<T>(0)
  const end = offsets + (k << 2)
  do {
    sum = fma<T>(v128.load_splat<T>(a), v128.load(b + <usize>load<i32>(offsets)), sum)
    a += sizeof<T>()
    offsets += 4
  } while (offsets !== end)
  storePartial<T>(c, accumulate ? v128.add<T>(v128.load(c), sum) : sum, bytes)
}

function scatter<T>(
  height: usize,
  columns: usize,
  from: usize,
  fromRow: usize,
  to: usize,
  toRow: usize,
  toStep: usize,
): void {
  for (let i: usize = 0; i < height; i++, from += fromRow, to += toRow) {
    for (let j: usize = 0, q = to; j < columns; j++, q += toStep) store<T>(q, load<T>(from + j * sizeof<T>()))
  }
}

function collect<T>(
  height: usize,
  columns: usize,
  from: usize,
  fromRow: usize,
  fromStep: usize,
  to: usize,
  toRow: usize,
): void {
  for (let i: usize = 0; i < height; i++, from += fromRow, to += toRow) {
    for (let j: usize = 0, p = from; j < columns; j++, p += fromStep) store<T>(to + j * sizeof<T>(), load<T>(p))
  }
}

/** gw[i, j] += Σ over images, lines and columns of ȳ row i times B row j: gw is [m, k], `row` bytes apart, ȳ at gy + i·gyRow + …,
 *  lines dense. In scratch: where the vectors of all lines lie in a row of ȳ and in one of B, and then what is left of lines.
 *  @part conv2dWeightGrad */
export function weightGrad<T>(
  m: usize,
  k: usize,
  images: usize,
  lines: usize,
  n: usize,
  gy: usize,
  gyImage: usize,
  gyRow: usize,
  gyLine: usize,
  b: usize,
  bImage: usize,
  bLine: usize,
  offsets: usize,
  gw: usize,
  row: usize,
  scratch: usize,
): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const vectors = places(images, lines, 0, whole, gyImage, gyLine, bImage, bLine, scratch)
  const end = places(images, lines, whole, bytes, gyImage, gyLine, bImage, bLine, vectors)
  const mask = tailMask(bytes - whole)
  for (let i: usize = 0; i < m; i += rows) {
    const height = min(rows, m - i)
    for (let j: usize = 0; j < k; j += 2) {
      const b0 = b + <usize>load<i32>(offsets + (j << 2))
      const two = j + 1 < k
      const b1 = two ? b + <usize>load<i32>(offsets + (j << 2), 4) : b0
      const at = gw + j * sizeof<T>()
      if (scratch < vectors) dots<T>(false, height, two, gy, gyRow, b0, b1, scratch, vectors, mask, at, row)
      if (vectors < end) dots<T>(true, height, two, gy, gyRow, b0, b1, vectors, end, mask, at, row)
    }
    gy += rows * gyRow
    gw += rows * row
  }
}

/** Writes the offsets, in ȳ and in B, of bytes `from` to `to` of every line, 16 at a time. Returns where they end. */
function places(
  images: usize,
  lines: usize,
  from: usize,
  to: usize,
  gyImage: usize,
  gyLine: usize,
  bImage: usize,
  bLine: usize,
  out: usize,
): usize {
  for (let image: usize = 0; image < images; image++) {
    for (let u: usize = 0; u < lines; u++) {
      const s = image * gyImage + u * gyLine
      const t = image * bImage + u * bLine
      for (let v = from; v < to; v += 16, out += 8) {
        store<i32>(out, <i32>(s + v))
        store<i32>(out, <i32>(t + v), 4)
      }
    }
  }
  return out
}

/** Four rows of ȳ with two rows of B; rows beyond `height` repeat the first. One loop, whatever the lines: accumulators would be
 *  spilt at the edges of nested ones. @inline */
function dots<T>(
  masked: bool,
  height: usize,
  two: bool,
  gy: usize,
  gyRow: usize,
  b0: usize,
  b1: usize,
  from: usize,
  to: usize,
  mask: v128,
  gw: usize,
  row: usize,
): void {
  let c00 = v128.splat<T>(0)
  let c01 = c00
  let c10 = c00
  let c11 = c00
  let c20 = c00
  let c21 = c00
  let c30 = c00
  let c31 = c00
  const g1 = height > 1 ? gy + gyRow : gy
  const g2 = height > 2 ? gy + 2 * gyRow : gy
  const g3 = height > 3 ? gy + 3 * gyRow : gy
  do {
    const s = <usize>load<i32>(from)
    const t = <usize>load<i32>(from, 4)
    const p = masked ? v128.and(v128.load(b0 + t), mask) : v128.load(b0 + t)
    const q = masked ? v128.and(v128.load(b1 + t), mask) : v128.load(b1 + t)
    const y0 = masked ? v128.and(v128.load(gy + s), mask) : v128.load(gy + s)
    c00 = fma<T>(y0, p, c00)
    c01 = fma<T>(y0, q, c01)
    const y1 = masked ? v128.and(v128.load(g1 + s), mask) : v128.load(g1 + s)
    c10 = fma<T>(y1, p, c10)
    c11 = fma<T>(y1, q, c11)
    const y2 = masked ? v128.and(v128.load(g2 + s), mask) : v128.load(g2 + s)
    c20 = fma<T>(y2, p, c20)
    c21 = fma<T>(y2, q, c21)
    const y3 = masked ? v128.and(v128.load(g3 + s), mask) : v128.load(g3 + s)
    c30 = fma<T>(y3, p, c30)
    c31 = fma<T>(y3, q, c31)
    from += 8
  } while (from !== to)
  add2<T>(gw, c00, c01, two)
  if (height > 1) add2<T>(gw + row, c10, c11, two)
  if (height > 2) add2<T>(gw + 2 * row, c20, c21, two)
  if (height > 3) add2<T>(gw + 3 * row, c30, c31, two)
}

/** @inline */
function add2<T>(address: usize, u: v128, v: v128, two: bool): void {
  store<T>(address, load<T>(address) + sumLanes<T>(u))
  if (two) store<T>(address, load<T>(address, sizeof<T>()) + sumLanes<T>(v), sizeof<T>())
}
