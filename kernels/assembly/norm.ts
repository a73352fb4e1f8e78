// Layer norm and root-mean-square norm over the rows of a dense x [rows, n], with weights w [n] and offsets b [n]; everything
// dense, outputs apart from inputs. A row is read from memory once: its later passes find it in the first cache. Sums are
// added up in f64, a block at a time; sums over rows are taken in T, of as many rows as come in one call. `scratch` has room for a row.

import { fma, storePartial, sumLanes, tailMask } from './simd'

/** Bytes of a row that are summed in T. */
const part: usize = 16384

/** (x − centre) − rest, or its square, added to s @inline */
function term<T>(squares: bool, d: v128, s: v128): v128 {
  return squares ? fma<T>(d, d, s) : v128.add<T>(s, d)
}

/** @inline */
function deviation<T>(x: v128, m: v128, e: v128): v128 {
  return v128.sub<T>(v128.sub<T>(x, m), e)
}

/** Σ (x − centre − rest), or of its squares @inline */
function sumOf<T>(squares: bool, n: usize, x: usize, centre: T, rest: T): f64 {
  const end = x + n * sizeof<T>()
  const m = v128.splat<T>(centre)
  const e = v128.splat<T>(rest)
  let total: f64 = 0
  let p = x
  do {
    const stop = min(end, p + part)
    let s0 = v128.splat<T>(0)
    let s1 = s0
    let s2 = s0
    let s3 = s0
    for (; p + 64 <= stop; p += 64) {
      s0 = term<T>(squares, deviation<T>(v128.load(p), m, e), s0)
      s1 = term<T>(squares, deviation<T>(v128.load(p, 16), m, e), s1)
      s2 = term<T>(squares, deviation<T>(v128.load(p, 32), m, e), s2)
      s3 = term<T>(squares, deviation<T>(v128.load(p, 48), m, e), s3)
    }
    for (; p + 16 <= stop; p += 16) s0 = term<T>(squares, deviation<T>(v128.load(p), m, e), s0)
    if (p < stop) {
      s1 = term<T>(squares, v128.and(deviation<T>(v128.load(p), m, e), tailMask(stop - p)), s1)
      p = stop
    }
    total += <f64>sumLanes<T>(v128.add<T>(v128.add<T>(s0, s1), v128.add<T>(s2, s3)))
  } while (p < end)
  return total
}

/** mean(x − centre). A mean m has the digits of T alone, of a row far from 0 too few: mean(x − m) is the rest of it. */
function meanOf<T>(n: usize, x: usize, centre: T): T {
  return <T>(sumOf<T>(false, n, x, centre, 0) / <f64>n)
}

/** mean((x − centre − rest)²) + eps */
function varianceOf<T>(n: usize, x: usize, centre: T, rest: T, eps: f64): T {
  return <T>sumOf<T>(true, n, x, centre, rest) / <T>n + <T>eps
}

/** Whether squares overflowed, or may have lost digits by being too small. @inline */
function outside<T>(variance: T): bool {
  const least: T = sizeof<T>() === 4 ? <T>1e-30 : <T>1e-290
  return !(variance >= least && variance < <T>Infinity)
}

/** Copies a row times p, a power of two that brings the larger of its largest number and √eps near 1. */
function rescale<T>(n: usize, x: usize, eps: f64, to: usize): f64 {
  let most = sqrt<f64>(eps)
  for (let i: usize = 0; i < n; i++) most = max(most, abs(<f64>load<T>(x + i * sizeof<T>())))
  let p: f64 = 1
  if (most > 0 && most <= f64.MAX_VALUE) {
    const e = <i32>((reinterpret<u64>(most) >> 52) & 2047) - 1023
    const limit = sizeof<T>() === 4 ? 126 : 1022
    p = reinterpret<f64>((<u64>(1023 + min(limit, max(-limit, -e)))) << 52)
  }
  for (let i: usize = 0; i < n; i++) store<T>(to + i * sizeof<T>(), load<T>(x + i * sizeof<T>()) * <T>p)
  return p
}

/** (√eps·p)² @inline */
function scaled(eps: f64, p: f64): f64 {
  const e = sqrt<f64>(eps) * p
  return e * e
}

/** w ⊙ (x − mean)/√(mean((x − mean)²) + eps) + b */
export function layerNorm<T>(
  rows: usize,
  n: usize,
  eps: f64,
  x: usize,
  w: usize,
  b: usize,
  out: usize,
  scratch: usize,
): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  for (let r: usize = 0; r < rows; r++) {
    let row = x
    let mean = meanOf<T>(n, x, 0)
    let rest = meanOf<T>(n, x, mean)
    let variance = varianceOf<T>(n, x, mean, rest, eps)
    if (outside<T>(variance)) {
      const p = rescale<T>(n, x, eps, scratch)
      row = scratch
      mean = meanOf<T>(n, row, 0)
      rest = meanOf<T>(n, row, mean)
      variance = varianceOf<T>(n, row, mean, rest, scaled(eps, p))
    }
    const m = v128.splat<T>(mean)
    const e = v128.splat<T>(rest)
    const s = v128.splat<T>(<T>1 / sqrt<T>(variance))
    for (let i: usize = 0; i < whole; i += 16) {
      const hat = v128.mul<T>(deviation<T>(v128.load(row + i), m, e), s)
      v128.store(out + i, fma<T>(v128.load(w + i), hat, v128.load(b + i)))
    }
    if (whole < bytes) {
      const hat = v128.mul<T>(deviation<T>(v128.load(row + whole), m, e), s)
      storePartial<T>(out + whole, fma<T>(v128.load(w + whole), hat, v128.load(b + whole)), bytes - whole)
    }
    x += bytes
    out += bytes
  }
}

/** w ⊙ x/√(mean(x²) + eps) */
export function rmsNorm<T>(rows: usize, n: usize, eps: f64, x: usize, w: usize, out: usize, scratch: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  for (let r: usize = 0; r < rows; r++) {
    let row = x
    let variance = varianceOf<T>(n, x, 0, 0, eps)
    if (outside<T>(variance)) {
      const p = rescale<T>(n, x, eps, scratch)
      row = scratch
      variance = varianceOf<T>(n, row, 0, 0, scaled(eps, p))
    }
    const s = v128.splat<T>(<T>1 / sqrt<T>(variance))
    for (let i: usize = 0; i < whole; i += 16) {
      v128.store(out + i, v128.mul<T>(v128.load(w + i), v128.mul<T>(v128.load(row + i), s)))
    }
    if (whole < bytes) {
      const y = v128.mul<T>(v128.load(w + whole), v128.mul<T>(v128.load(row + whole), s))
      storePartial<T>(out + whole, y, bytes - whole)
    }
    x += bytes
    out += bytes
  }
}

/** With x̂ = (x − mean)·s and g = w ⊙ ȳ: gx = s (g − mean(g) − x̂ mean(g x̂)), gw = Σ ȳ x̂, gb = Σ ȳ over rows. */
export function layerNormGrad<T>(
  rows: usize,
  n: usize,
  eps: f64,
  x: usize,
  w: usize,
  gy: usize,
  gx: usize,
  gw: usize,
  gb: usize,
  scratch: usize,
): void {
  gradient<T>(true, rows, n, eps, x, w, gy, gx, gw, gb, scratch)
}

/** The same with x̂ = x·s: gx = s (g − x̂ mean(g x̂)), gw = Σ ȳ x̂. */
export function rmsNormGrad<T>(
  rows: usize,
  n: usize,
  eps: f64,
  x: usize,
  w: usize,
  gy: usize,
  gx: usize,
  gw: usize,
  scratch: usize,
): void {
  gradient<T>(false, rows, n, eps, x, w, gy, gx, gw, 0, scratch)
}

function gradient<T>(
  centred: bool,
  rows: usize,
  n: usize,
  eps: f64,
  x: usize,
  w: usize,
  gy: usize,
  gx: usize,
  gw: usize,
  gb: usize,
  scratch: usize,
): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  memory.fill(gw, 0, bytes)
  if (centred) memory.fill(gb, 0, bytes)
  for (let r: usize = 0; r < rows; r++) {
    let row = x
    let p: f64 = 1
    let mean: T = centred ? meanOf<T>(n, x, 0) : 0
    let rest: T = centred ? meanOf<T>(n, x, mean) : 0
    let variance = varianceOf<T>(n, x, mean, rest, eps)
    if (outside<T>(variance)) {
      p = rescale<T>(n, x, eps, scratch)
      row = scratch
      if (centred) {
        mean = meanOf<T>(n, row, 0)
        rest = meanOf<T>(n, row, mean)
      }
      variance = varianceOf<T>(n, row, mean, rest, scaled(eps, p))
    }
    const m = v128.splat<T>(mean)
    const e = v128.splat<T>(rest)
    const s = v128.splat<T>(<T>1 / sqrt<T>(variance))
    let total: f64 = 0
    let dot: f64 = 0
    for (let i: usize = 0; i < bytes; ) {
      const end = min(bytes, i + part)
      let gSum = v128.splat<T>(0)
      let hSum = gSum
      for (; i < end; i += 16) {
        const left = bytes - i
        const hat = v128.mul<T>(deviation<T>(v128.load(row + i), m, e), s)
        const y = v128.load(gy + i)
        let g = v128.mul<T>(y, v128.load(w + i))
        let h = hat
        if (i >= whole) {
          g = v128.and(g, tailMask(left))
          h = v128.and(h, tailMask(left))
        }
        gSum = v128.add<T>(gSum, g)
        hSum = fma<T>(g, h, hSum)
        storePartial<T>(gw + i, fma<T>(y, hat, v128.load(gw + i)), left)
        if (centred) storePartial<T>(gb + i, v128.add<T>(y, v128.load(gb + i)), left)
      }
      total += <f64>sumLanes<T>(gSum)
      dot += <f64>sumLanes<T>(hSum)
    }
    const a = v128.splat<T>(centred ? <T>(total / <f64>n) : 0)
    const b = v128.splat<T>(<T>(dot / <f64>n))
    for (let i: usize = 0; i < bytes; i += 16) {
      const hat = v128.mul<T>(deviation<T>(v128.load(row + i), m, e), s)
      const g = v128.mul<T>(v128.load(gy + i), v128.load(w + i))
      const d = v128.sub<T>(v128.sub<T>(g, a), v128.mul<T>(hat, b))
      storePartial<T>(gx + i, v128.mul<T>(s, d), bytes - i)
    }
    // The gradient is by x, not by x·p.
    if (p !== 1) for (let i: usize = 0; i < bytes; i += sizeof<T>()) store<T>(gx + i, load<T>(gx + i) * <T>p)
    x += bytes
    gy += bytes
    gx += bytes
  }
}
