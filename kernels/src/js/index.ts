// biome-ignore-all lint: temporary
import type { Backend, Kernels, TypedArray, Shape, Strides } from '../contract.js'
const size = (s: Shape) => s.reduce((a, b) => a * b, 1)
function each(shape: Shape, strides: Strides[], f: (i: number, at: number[]) => void) {
  const n = size(shape)
  for (let i = 0; i < n; i++) {
    let r = i
    const at = strides.map(() => 0)
    for (let d = shape.length - 1; d >= 0; d--) { const q = r % shape[d]!; r = Math.floor(r / shape[d]!); strides.forEach((s, j) => { at[j]! += q * s[d]! }) }
    f(i, at)
  }
}
function erf(x: number): number {
  if (x < 0) return -erf(-x)
  if (x > 6) return 1
  if (x < 2.5) { let s = x, t = x; for (let k = 1; k < 80; k++) { t *= -x * x / k; s += t / (2 * k + 1) } return s * 2 / Math.sqrt(Math.PI) }
  return 1 - erfcBig(x)
}
function erfcBig(x: number): number { let f = 0; for (let k = 120; k >= 1; k--) f = k / 2 / (x + f); return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + f) }
const cdf = (x: number) => { const u = -x / Math.SQRT2; return 0.5 * (u > 2 ? erfcBig(u) : 1 - erf(u)) }
const sg = (x: number) => 1 / (1 + Math.exp(-x))
const maps: Record<string, (x: number) => number> = { abs: Math.abs, cos: Math.cos, erf, exp: Math.exp, expm1: Math.expm1, gelu: x => x * cdf(x), geluTanh: x => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))), log: Math.log, log1p: Math.log1p, neg: x => -x, normalCdf: cdf, reciprocal: x => 1 / x, relu: x => Math.max(0, x), rsqrt: x => 1 / Math.sqrt(x), sigmoid: sg, sign: Math.sign, silu: x => x * sg(x), sin: Math.sin, softplus: x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), sqrt: Math.sqrt, square: x => x * x, step: x => (x > 0 ? 1 : 0), tanh: Math.tanh }
const zips: Record<string, (a: number, b: number) => number> = { add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b, div: (a, b) => a / b, pow: Math.pow, maximum: Math.max, minimum: Math.min, equal: (a, b) => +(a === b), notEqual: (a, b) => +(a !== b), less: (a, b) => +(a < b), lessEqual: (a, b) => +(a <= b), greater: (a, b) => +(a > b), greaterEqual: (a, b) => +(a >= b) }
const cauchyAt = (k: number, n: number, i: number, a: ArrayLike<number>, b: ArrayLike<number>) => { let s = 0; const p = a.length / n, q = b.length / n; for (let j = Math.max(0, k - q + 1); j <= k && j < p; j++) s += a[j * n + i]! * b[(k - j) * n + i]!; return s }
type T = TypedArray
function conv(g: any, f: (x: number, w: number, y: number) => void) {
  const ig = g.inChannels / g.groups, og = g.outChannels / g.groups
  for (let b = 0; b < g.batch; b++) for (let o = 0; o < g.outChannels; o++) for (let u = 0; u < g.outH; u++) for (let v = 0; v < g.outW; v++) for (let c = 0; c < ig; c++) for (let p = 0; p < g.kernelH; p++) for (let q = 0; q < g.kernelW; q++) {
    const y = u * g.strideH - g.padH + p * g.dilationH, x = v * g.strideW - g.padW + q * g.dilationW
    if (y < 0 || x < 0 || y >= g.height || x >= g.width) continue
    const ch = Math.floor(o / og) * ig + c
    f(((b * g.inChannels + ch) * g.height + y) * g.width + x, ((o * ig + c) * g.kernelH + p) * g.kernelW + q, ((b * g.outChannels + o) * g.outH + u) * g.outW + v)
  }
}
function pool(g: any, f: (o: number, ins: number[]) => void) {
  for (let pl = 0; pl < g.planes; pl++) for (let u = 0; u < g.outH; u++) for (let v = 0; v < g.outW; v++) {
    const ins: number[] = []
    for (let p = 0; p < g.kernelH; p++) for (let q = 0; q < g.kernelW; q++) { const y = u * g.strideH - g.padH + p, x = v * g.strideW - g.padW + q; if (y >= 0 && x >= 0 && y < g.height && x < g.width) ins.push((pl * g.height + y) * g.width + x) }
    f((pl * g.outH + u) * g.outW + v, ins)
  }
}
export const jsKernels: Kernels<T> = {
  fill(v, o) { o.fill(v) },
  cast(x, o) { for (let i = 0; i < x.length; i++) o[i] = x[i]! },
  copy(shape, x, xo, xs, o, oo, os) { each(shape, [xs, os], (_, [p, q]) => { o[oo + q!] = x[xo + p!]! }) },
  map(op, x, o) { const f = maps[op]!; for (let i = 0; i < o.length; i++) o[i] = f(x[i]!) },
  affine(x, s, t, o) { for (let i = 0; i < o.length; i++) o[i] = s * x[i]! + t },
  power(x, r, o) { for (let i = 0; i < o.length; i++) o[i] = x[i]! ** r },
  zip(op, shape, a, as, b, bs, o) { const f = zips[op]!; const r = new Float64Array(o.length); each(shape, [as, bs], (i, [p, q]) => { r[i] = f(a[p!]!, b[q!]!) }); o.set(r) },
  where(shape, c, cs, a, as, b, bs, o) { each(shape, [cs, as, bs], (i, [r, p, q]) => { o[i] = c[r!]! !== 0 ? a[p!]! : b[q!]! }) },
  reduce(op, shape, axes, x, o) {
    const os: number[] = []; let st = 1
    for (let d = shape.length - 1; d >= 0; d--) { if (axes.includes(d)) os[d] = 0; else { os[d] = st; st *= shape[d]! } }
    const acc = new Float64Array(o.length).fill(op === 'max' ? -Infinity : op === 'min' ? Infinity : 0)
    each(shape, [os], (i, [q]) => { const v = x[i]!; acc[q!] = op === 'sum' ? acc[q!]! + v : op === 'sumSquares' ? acc[q!]! + v * v : op === 'max' ? Math.max(acc[q!]!, v) : Math.min(acc[q!]!, v) })
    o.set(acc)
  },
  argmax(outer, n, inner, x, o) { for (let a = 0; a < outer; a++) for (let c = 0; c < inner; c++) { let b = 0; for (let i = 1; i < n; i++) if (x[(a * n + i) * inner + c]! > x[(a * n + b) * inner + c]!) b = i; o[a * inner + c] = b } },
  matmul(batch, m, k, n, a, as, ta, b, bs, tb, o) {
    each(batch, [as, bs], (l, [p, q]) => { for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) { let s = 0; for (let r = 0; r < k; r++) s += a[p! + (ta ? r * m + i : i * k + r)]! * b[q! + (tb ? j * k + r : r * n + j)]!; o[(l * m + i) * n + j] = s } })
  },
  conv2d(g, x, w, o) { const r = new Float64Array(o.length); conv(g, (i, j, k) => { r[k]! += x[i]! * w[j]! }); o.set(r) },
  conv2dInputGrad(g, gy, w, gx) { const r = new Float64Array(gx.length); conv(g, (i, j, k) => { r[i]! += gy[k]! * w[j]! }); gx.set(r) },
  conv2dWeightGrad(g, x, gy, gw) { const r = new Float64Array(gw.length); conv(g, (i, j, k) => { r[j]! += x[i]! * gy[k]! }); gw.set(r) },
  maxPool2dIndices(g, x, o) { pool(g, (i, ins) => { let b = ins[0]!; for (const k of ins) if (x[k]! > x[b]!) b = k; o[i] = b }) },
  avgPool2d(g, x, o) { pool(g, (i, ins) => { let s = 0; for (const k of ins) s += x[k]!; o[i] = s / (g.kernelH * g.kernelW) }) },
  avgPool2dGrad(g, gy, gx) { const r = new Float64Array(gx.length); pool(g, (i, ins) => { for (const k of ins) r[k]! += gy[i]! / (g.kernelH * g.kernelW) }); gx.set(r) },
  softmax(rows, n, x, o) { for (let r = 0; r < rows; r++) { let m = -Infinity, s = 0; for (let i = 0; i < n; i++) m = Math.max(m, x[r * n + i]!); for (let i = 0; i < n; i++) s += Math.exp(x[r * n + i]! - m); for (let i = 0; i < n; i++) o[r * n + i] = Math.exp(x[r * n + i]! - m) / s } },
  logSoftmax(rows, n, x, o) { for (let r = 0; r < rows; r++) { let m = -Infinity, s = 0; for (let i = 0; i < n; i++) m = Math.max(m, x[r * n + i]!); for (let i = 0; i < n; i++) s += Math.exp(x[r * n + i]! - m); for (let i = 0; i < n; i++) o[r * n + i] = x[r * n + i]! - m - Math.log(s) } },
  softmaxGrad(lead, rows, n, y, gy, gx) { for (let r = 0; r < lead * rows; r++) { const yr = (r % rows) * n; let s = 0; for (let i = 0; i < n; i++) s += gy[r * n + i]! * y[yr + i]!; for (let i = 0; i < n; i++) gx[r * n + i] = y[yr + i]! * (gy[r * n + i]! - s) } },
  logSoftmaxGrad(lead, rows, n, y, gy, gx) { for (let r = 0; r < lead * rows; r++) { const yr = (r % rows) * n; let s = 0; for (let i = 0; i < n; i++) s += gy[r * n + i]!; for (let i = 0; i < n; i++) gx[r * n + i] = gy[r * n + i]! - Math.exp(y[yr + i]!) * s } },
  layerNorm(rows, n, eps, x, w, b, o) { for (let r = 0; r < rows; r++) { let m = 0, v = 0; for (let i = 0; i < n; i++) m += x[r * n + i]! / n; for (let i = 0; i < n; i++) v += (x[r * n + i]! - m) ** 2 / n; const s = 1 / Math.sqrt(v + eps); for (let i = 0; i < n; i++) o[r * n + i] = w[i]! * (x[r * n + i]! - m) * s + b[i]! } },
  layerNormGrad(rows, n, eps, x, w, gy, gx, gw, gb) {
    gw.fill(0); gb.fill(0)
    for (let r = 0; r < rows; r++) { let m = 0, v = 0; for (let i = 0; i < n; i++) m += x[r * n + i]! / n; for (let i = 0; i < n; i++) v += (x[r * n + i]! - m) ** 2 / n; const s = 1 / Math.sqrt(v + eps); let a = 0, c = 0; for (let i = 0; i < n; i++) { const h = (x[r * n + i]! - m) * s, g = gy[r * n + i]! * w[i]!; a += g / n; c += g * h / n; gw[i]! += gy[r * n + i]! * h; gb[i]! += gy[r * n + i]! } for (let i = 0; i < n; i++) { const h = (x[r * n + i]! - m) * s; gx[r * n + i] = s * (gy[r * n + i]! * w[i]! - a - h * c) } }
  },
  rmsNorm(rows, n, eps, x, w, o) { for (let r = 0; r < rows; r++) { let v = 0; for (let i = 0; i < n; i++) v += x[r * n + i]! ** 2 / n; const s = 1 / Math.sqrt(v + eps); for (let i = 0; i < n; i++) o[r * n + i] = w[i]! * x[r * n + i]! * s } },
  rmsNormGrad(rows, n, eps, x, w, gy, gx, gw) { gw.fill(0); for (let r = 0; r < rows; r++) { let v = 0; for (let i = 0; i < n; i++) v += x[r * n + i]! ** 2 / n; const s = 1 / Math.sqrt(v + eps); let c = 0; for (let i = 0; i < n; i++) { const h = x[r * n + i]! * s; c += gy[r * n + i]! * w[i]! * h / n; gw[i]! += gy[r * n + i]! * h } for (let i = 0; i < n; i++) gx[r * n + i] = s * (gy[r * n + i]! * w[i]! - x[r * n + i]! * s * c) } },
  gather(outer, axis, inner, idx, x, o) { const c = idx.length; for (let a = 0; a < outer; a++) for (let i = 0; i < c; i++) for (let k = 0; k < inner; k++) o[(a * c + i) * inner + k] = x[(a * axis + idx[i]!) * inner + k]! },
  scatterAdd(outer, axis, inner, idx, y, o) { o.fill(0); const c = idx.length; for (let a = 0; a < outer; a++) for (let i = 0; i < c; i++) for (let k = 0; k < inner; k++) o[(a * axis + idx[i]!) * inner + k]! += y[(a * c + i) * inner + k]! },
  random(kind, seed, offset, o) {
    const u = (i: number) => { let h = (seed * 2654435761 + i * 40503 + 12345) >>> 0; h ^= h >>> 15; h = Math.imul(h, 2246822519) >>> 0; h ^= h >>> 13; h = Math.imul(h, 3266489917) >>> 0; h ^= h >>> 16; return (h >>> 0) / 2 ** 32 }
    for (let i = 0; i < o.length; i++) o[i] = kind === 'uniform' ? u(offset + i) : kind === 'bits' ? (u(offset + i) * 2 ** 32) | 0 : Math.sqrt(-2 * Math.log(1 - u(2 * (offset + i)))) * Math.cos(2 * Math.PI * u(2 * (offset + i) + 1))
  },
  cauchy(orders, n, a, b, o) { for (let k = 0; k < orders; k++) for (let i = 0; i < n; i++) o[k * n + i] = cauchyAt(k, n, i, a, b) },
  correlate(orders, n, c, b, o) { const P = c.length / n, q = b.length / n; for (let j = 0; j < orders; j++) for (let i = 0; i < n; i++) { let s = 0; for (let k = j; k < P && k - j < q; k++) s += c[k * n + i]! * b[(k - j) * n + i]!; o[j * n + i] = s } },
  series(op, orders, n, x, o) {
    const P = x.length / n
    for (let i = 0; i < n; i++) {
      const a = new Float64Array(orders); for (let k = 0; k < orders && k < P; k++) a[k] = x[k * n + i]!
      const y = new Float64Array(orders), w = new Float64Array(orders)
      const rec = (y0: number, wk: (k: number) => number) => { y[0] = y0; w[0] = wk(0); for (let k = 1; k < orders; k++) { let s = 0; for (let j = 1; j <= k; j++) s += j * a[j]! * w[k - j]!; y[k] = s / k; w[k] = wk(k) } }
      const cau = (p: Float64Array, q: Float64Array, k: number) => { let s = 0; for (let j = 0; j <= k; j++) s += p[j]! * q[k - j]!; return s }
      const expOf = (e: Float64Array) => { const r = new Float64Array(orders); r[0] = Math.exp(e[0]!); for (let k = 1; k < orders; k++) { let s = 0; for (let j = 1; j <= k; j++) s += j * e[j]! * r[k - j]!; r[k] = s / k } return r }
      const pow = (r: number) => { y[0] = a[0]! ** r; for (let k = 1; k < orders; k++) { let s = 0; for (let j = 1; j <= k; j++) s += (j * (r + 1) - k) * a[j]! * y[k - j]!; y[k] = s / (k * a[0]!) } }
      if (op === 'exp') y.set(expOf(a))
      else if (op === 'log') { y[0] = Math.log(a[0]!); for (let k = 1; k < orders; k++) { let s = 0; for (let j = 1; j < k; j++) s += j * y[j]! * a[k - j]!; y[k] = (a[k]! - s / k) / a[0]! } }
      else if (op === 'tanh') rec(Math.tanh(a[0]!), k => (k === 0 ? 1 : 0) - cau(y, y, k))
      else if (op === 'sigmoid') rec(sg(a[0]!), k => y[k]! - cau(y, y, k))
      else if (op === 'softplus') { const s = new Float64Array(orders); jsKernels.series('sigmoid', orders, 1, a, s); rec(maps.softplus!(a[0]!), k => s[k]!) }
      else if (op === 'erf' || op === 'normalCdf') { const e = new Float64Array(orders); for (let k = 0; k < orders; k++) e[k] = -cau(a, a, k) * (op === 'erf' ? 1 : 0.5); const g = expOf(e); rec(op === 'erf' ? erf(a[0]!) : cdf(a[0]!), k => g[k]! * (op === 'erf' ? 2 / Math.sqrt(Math.PI) : 1 / Math.sqrt(2 * Math.PI))) }
      else pow(op === 'reciprocal' ? -1 : op === 'sqrt' ? 0.5 : -0.5)
      for (let k = 0; k < orders; k++) o[k * n + i] = y[k]!
    }
  },
  seriesPower(r, orders, n, x, o) { const P = x.length / n; for (let i = 0; i < n; i++) { o[i] = x[i]! ** r; for (let k = 1; k < orders; k++) { let s = 0; for (let j = 1; j <= k && j < P; j++) s += (j * (r + 1) - k) * x[j * n + i]! * o[(k - j) * n + i]!; o[k * n + i] = s / (k * x[i]!) } } },
  seriesSinCos(orders, n, x, s, c) { const P = x.length / n; for (let i = 0; i < n; i++) { s[i] = Math.sin(x[i]!); c[i] = Math.cos(x[i]!); for (let k = 1; k < orders; k++) { let p = 0, q = 0; for (let j = 1; j <= k && j < P; j++) { p += j * x[j * n + i]! * c[(k - j) * n + i]!; q -= j * x[j * n + i]! * s[(k - j) * n + i]! } s[k * n + i] = p / k; c[k * n + i] = q / k } } },
  seriesDiv(orders, n, a, b, o) { const P = a.length / n, Q = b.length / n; for (let i = 0; i < n; i++) for (let k = 0; k < orders; k++) { let s = k < P ? a[k * n + i]! : 0; for (let j = 1; j <= k && j < Q; j++) s -= b[j * n + i]! * o[(k - j) * n + i]!; o[k * n + i] = s / b[i]! } },
  seriesSoftmax(orders, rows, n, x, o) {
    const R = rows * n, P = x.length / R
    jsKernels.softmax(rows, n, x.subarray(0, R), o.subarray(0, R))
    for (let r = 0; r < rows; r++) { const M = [0]; for (let k = 1; k < orders; k++) { let m = 0; for (let i = 0; i < n; i++) for (let p = 1; p <= k && p < P; p++) m += p * x[p * R + r * n + i]! * o[(k - p) * R + r * n + i]!; M[k] = m; for (let i = 0; i < n; i++) { let s = 0; for (let j = 1; j <= k; j++) s += ((j < P ? j * x[j * R + r * n + i]! : 0) - M[j]!) * o[(k - j) * R + r * n + i]!; o[k * R + r * n + i] = s / k } } }
  },
}
const ctor = { f32: Float32Array, f64: Float64Array, i32: Int32Array }
const backend: Backend<T> = {
  name: 'js', kernels: jsKernels, supports: () => true, alloc: (d, n) => new ctor[d](n), retain() {}, release() {}, watch() {}, unwatch() {},
  view: (b, o, n) => b.subarray(o, o + n) as T, write: (b, d) => { b.set(d) }, read: b => Promise.resolve(b.slice() as T), readSync: b => b.slice() as T, memory: () => ({ bytes: 0, buffers: 0, reserved: 0 }), fallbacks: () => new Map(),
}
export const js = (): Backend => backend as unknown as Backend
