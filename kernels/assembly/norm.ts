// Layer norm and root-mean-square norm over the rows of a dense x [rows, n], with weights w [n] and offsets b [n]; everything
// dense, outputs apart from inputs. A row is read from memory once: its later passes find it in the first cache.

import { fma, storePartial, sumLanes, tailMask } from './simd'

function meanOf<T>(n: usize, x: usize): T {
  const end = x + n * sizeof<T>()
  let s0 = v128.splat<T>(0), s1 = s0, s2 = s0, s3 = s0
  let p = x
  for (; p + 64 <= end; p += 64) {
    s0 = v128.add<T>(s0, v128.load(p))
    s1 = v128.add<T>(s1, v128.load(p, 16))
    s2 = v128.add<T>(s2, v128.load(p, 32))
    s3 = v128.add<T>(s3, v128.load(p, 48))
  }
  for (; p + 16 <= end; p += 16) s0 = v128.add<T>(s0, v128.load(p))
  if (p < end) s1 = v128.add<T>(s1, v128.and(v128.load(p), tailMask(end - p)))
  return sumLanes<T>(v128.add<T>(v128.add<T>(s0, s1), v128.add<T>(s2, s3))) / <T>n
}

/** 1/√(mean((x − centre)²) + eps) */
function scaleOf<T>(n: usize, x: usize, centre: T, eps: f64): T {
  const end = x + n * sizeof<T>()
  const m = v128.splat<T>(centre)
  let s0 = v128.splat<T>(0), s1 = s0, s2 = s0, s3 = s0
  let p = x
  for (; p + 64 <= end; p += 64) {
    const d0 = v128.sub<T>(v128.load(p), m), d1 = v128.sub<T>(v128.load(p, 16), m)
    const d2 = v128.sub<T>(v128.load(p, 32), m), d3 = v128.sub<T>(v128.load(p, 48), m)
    s0 = fma<T>(d0, d0, s0)
    s1 = fma<T>(d1, d1, s1)
    s2 = fma<T>(d2, d2, s2)
    s3 = fma<T>(d3, d3, s3)
  }
  for (; p + 16 <= end; p += 16) {
    const d = v128.sub<T>(v128.load(p), m)
    s0 = fma<T>(d, d, s0)
  }
  if (p < end) {
    const d = v128.and(v128.sub<T>(v128.load(p), m), tailMask(end - p))
    s1 = fma<T>(d, d, s1)
  }
  const total = sumLanes<T>(v128.add<T>(v128.add<T>(s0, s1), v128.add<T>(s2, s3)))
  return <T>1 / sqrt<T>(total / <T>n + <T>eps)
}

/** w ⊙ (x − mean)/√(mean((x − mean)²) + eps) + b */
export function layerNorm_f32(rows: usize, n: usize, eps: f64, x: usize, w: usize, b: usize, out: usize): void {
  layerNorm<f32>(rows, n, eps, x, w, b, out)
}
export function layerNorm_f64(rows: usize, n: usize, eps: f64, x: usize, w: usize, b: usize, out: usize): void {
  layerNorm<f64>(rows, n, eps, x, w, b, out)
}

function layerNorm<T>(rows: usize, n: usize, eps: f64, x: usize, w: usize, b: usize, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  for (let r: usize = 0; r < rows; r++) {
    const mean = meanOf<T>(n, x)
    const m = v128.splat<T>(mean)
    const s = v128.splat<T>(scaleOf<T>(n, x, mean, eps))
    for (let i: usize = 0; i < whole; i += 16) {
      const hat = v128.mul<T>(v128.sub<T>(v128.load(x + i), m), s)
      v128.store(out + i, fma<T>(v128.load(w + i), hat, v128.load(b + i)))
    }
    if (whole < bytes) {
      const hat = v128.mul<T>(v128.sub<T>(v128.load(x + whole), m), s)
      storePartial<T>(out + whole, fma<T>(v128.load(w + whole), hat, v128.load(b + whole)), bytes - whole)
    }
    x += bytes
    out += bytes
  }
}

/** w ⊙ x/√(mean(x²) + eps) */
export function rmsNorm_f32(rows: usize, n: usize, eps: f64, x: usize, w: usize, out: usize): void {
  rmsNorm<f32>(rows, n, eps, x, w, out)
}
export function rmsNorm_f64(rows: usize, n: usize, eps: f64, x: usize, w: usize, out: usize): void {
  rmsNorm<f64>(rows, n, eps, x, w, out)
}

function rmsNorm<T>(rows: usize, n: usize, eps: f64, x: usize, w: usize, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  for (let r: usize = 0; r < rows; r++) {
    const s = v128.splat<T>(scaleOf<T>(n, x, 0, eps))
    for (let i: usize = 0; i < whole; i += 16) {
      v128.store(out + i, v128.mul<T>(v128.load(w + i), v128.mul<T>(v128.load(x + i), s)))
    }
    if (whole < bytes) {
      const y = v128.mul<T>(v128.load(w + whole), v128.mul<T>(v128.load(x + whole), s))
      storePartial<T>(out + whole, y, bytes - whole)
    }
    x += bytes
    out += bytes
  }
}

/** With x̂ = (x − mean)·s and g = w ⊙ ȳ: gx = s (g − mean(g) − x̂ mean(g x̂)), gw = Σ ȳ x̂, gb = Σ ȳ over rows. */
export function layerNormGrad_f32(
  rows: usize, n: usize, eps: f64, x: usize, w: usize, gy: usize, gx: usize, gw: usize, gb: usize,
): void {
  gradient<f32>(true, rows, n, eps, x, w, gy, gx, gw, gb)
}
export function layerNormGrad_f64(
  rows: usize, n: usize, eps: f64, x: usize, w: usize, gy: usize, gx: usize, gw: usize, gb: usize,
): void {
  gradient<f64>(true, rows, n, eps, x, w, gy, gx, gw, gb)
}

/** The same with x̂ = x·s: gx = s (g − x̂ mean(g x̂)), gw = Σ ȳ x̂. */
export function rmsNormGrad_f32(rows: usize, n: usize, eps: f64, x: usize, w: usize, gy: usize, gx: usize, gw: usize): void {
  gradient<f32>(false, rows, n, eps, x, w, gy, gx, gw, 0)
}
export function rmsNormGrad_f64(rows: usize, n: usize, eps: f64, x: usize, w: usize, gy: usize, gx: usize, gw: usize): void {
  gradient<f64>(false, rows, n, eps, x, w, gy, gx, gw, 0)
}

function gradient<T>(
  centred: bool, rows: usize, n: usize, eps: f64, x: usize, w: usize, gy: usize, gx: usize, gw: usize, gb: usize,
): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  memory.fill(gw, 0, bytes)
  if (centred) memory.fill(gb, 0, bytes)
  for (let r: usize = 0; r < rows; r++) {
    const mean: T = centred ? meanOf<T>(n, x) : 0
    const m = v128.splat<T>(mean)
    const s = v128.splat<T>(scaleOf<T>(n, x, mean, eps))
    let total = v128.splat<T>(0), dot = total
    for (let i: usize = 0; i < bytes; i += 16) {
      const left = bytes - i
      const hat = v128.mul<T>(v128.sub<T>(v128.load(x + i), m), s)
      const y = v128.load(gy + i)
      let g = v128.mul<T>(y, v128.load(w + i))
      let h = hat
      if (i >= whole) {
        g = v128.and(g, tailMask(left))
        h = v128.and(h, tailMask(left))
      }
      total = v128.add<T>(total, g)
      dot = fma<T>(g, h, dot)
      storePartial<T>(gw + i, fma<T>(y, hat, v128.load(gw + i)), left)
      if (centred) storePartial<T>(gb + i, v128.add<T>(y, v128.load(gb + i)), left)
    }
    const a = v128.splat<T>(centred ? sumLanes<T>(total) / <T>n : 0)
    const b = v128.splat<T>(sumLanes<T>(dot) / <T>n)
    for (let i: usize = 0; i < bytes; i += 16) {
      const hat = v128.mul<T>(v128.sub<T>(v128.load(x + i), m), s)
      const g = v128.mul<T>(v128.load(gy + i), v128.load(w + i))
      const d = v128.sub<T>(v128.sub<T>(g, a), v128.mul<T>(hat, b))
      storePartial<T>(gx + i, v128.mul<T>(s, d), bytes - i)
    }
    x += bytes
    gy += bytes
    gx += bytes
  }
}
