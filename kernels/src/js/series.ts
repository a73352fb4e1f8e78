import type { SeriesOp, TypedArray } from '../contract.js'
import { erf, normalCdf } from './special.js'

// Recurrences on ordinary Taylor coefficients (mathematics: Griewank & Walther, Evaluating Derivatives, ch. 13). One element
// at a time: its coefficients are gathered into short arrays, in f64, on which the order loops run.

export function cauchy(orders: number, n: number, a: TypedArray, b: TypedArray, out: TypedArray): void {
  if (n === 0) return
  const [p, q] = [a.length / n, b.length / n]
  const sums = new Float64Array(n)
  for (let k = 0; k < orders; k++) {
    sums.fill(0)
    for (let j = Math.max(0, k - q + 1); j <= k && j < p; j++) {
      const u = j * n
      const v = (k - j) * n
      for (let i = 0; i < n; i++) sums[i]! += a[u + i]! * b[v + i]!
    }
    out.set(sums, k * n)
  }
}

export function correlate(orders: number, n: number, c: TypedArray, b: TypedArray, out: TypedArray): void {
  if (n === 0) return
  const [p, q] = [c.length / n, b.length / n]
  const sums = new Float64Array(n)
  for (let j = 0; j < orders; j++) {
    sums.fill(0)
    for (let k = j; k < p && k - j < q; k++) {
      const u = k * n
      const v = (k - j) * n
      for (let i = 0; i < n; i++) sums[i]! += c[u + i]! * b[v + i]!
    }
    out.set(sums, j * n)
  }
}

/** Fills y from x, both of `orders` coefficients, of which x has `stored` that may differ from zero. */
type Recurrence = (x: Float64Array, y: Float64Array, w: Float64Array, orders: number, stored: number) => void

/** Σ_{j=from}^{k} a_j b_{k−j}, terms beyond `stored` of a left out. */
function product(a: Float64Array, b: Float64Array, k: number, from: number, stored: number): number {
  const last = Math.min(k, stored - 1)
  let s = 0
  for (let j = from; j <= last; j++) s += a[j]! * b[k - j]!
  return s
}

/** (1/k) Σ_{j=1}^{k} j x_j w_{k−j}: coefficient k of ∫ w dx. */
function integral(x: Float64Array, w: Float64Array, k: number, stored: number): number {
  const last = Math.min(k, stored - 1)
  let s = 0
  for (let j = 1; j <= last; j++) s += j * x[j]! * w[k - j]!
  return s / k
}

function exp(x: Float64Array, y: Float64Array, orders: number, stored: number): void {
  y[0] = Math.exp(x[0]!)
  for (let k = 1; k < orders; k++) y[k] = integral(x, y, k, stored)
}

const sigmoid = (v: number) => (v >= 0 ? 1 / (1 + Math.exp(-v)) : Math.exp(v) / (1 + Math.exp(v)))

/** y of x from its derivative w = scale·exp(−c x²) in y: erf and the normal distribution function. */
const fromGaussian =
  (value: (v: number) => number, c: number, scale: number): Recurrence =>
  (x, y, w, orders, stored) => {
    const exponent = new Float64Array(orders)
    for (let k = 0; k < orders; k++) exponent[k] = -c * product(x, x, k, 0, stored)
    exp(exponent, w, orders, orders)
    y[0] = value(x[0]!)
    for (let k = 1; k < orders; k++) y[k] = scale * integral(x, w, k, stored)
  }

/** k x_0 y_k = Σ_{j=1}^{k} (j(r+1) − k) x_j y_{k−j} */
const powerOf =
  (r: number, value: (v: number) => number): Recurrence =>
  (x, y, _, orders, stored) => {
    y[0] = value(x[0]!)
    for (let k = 1; k < orders; k++) {
      const last = Math.min(k, stored - 1)
      let s = 0
      for (let j = 1; j <= last; j++) s += (j * (r + 1) - k) * x[j]! * y[k - j]!
      y[k] = s / (k * x[0]!)
    }
  }

const recurrences: Record<SeriesOp, Recurrence> = {
  exp: (x, y, _, orders, stored) => exp(x, y, orders, stored),
  // y′ x = x′
  log(x, y, _, orders, stored) {
    y[0] = Math.log(x[0]!)
    for (let k = 1; k < orders; k++) {
      let s = 0
      for (let j = Math.max(1, k - stored + 1); j < k; j++) s += j * y[j]! * x[k - j]!
      y[k] = (x[k]! - s / k) / x[0]!
    }
  },
  // y′ = (1 − y²) x′
  tanh(x, y, w, orders, stored) {
    y[0] = Math.tanh(x[0]!)
    w[0] = 1 - y[0] * y[0]
    for (let k = 1; k < orders; k++) {
      y[k] = integral(x, w, k, stored)
      w[k] = -product(y, y, k, 0, k + 1)
    }
  },
  // y′ = (y − y²) x′
  sigmoid(x, y, w, orders, stored) {
    y[0] = sigmoid(x[0]!)
    w[0] = y[0] * sigmoid(-x[0]!)
    for (let k = 1; k < orders; k++) {
      y[k] = integral(x, w, k, stored)
      w[k] = y[k]! - product(y, y, k, 0, k + 1)
    }
  },
  // y′ = σ(x) x′
  softplus(x, y, w, orders, stored) {
    const s = new Float64Array(orders)
    recurrences.sigmoid(x, s, w, orders, stored)
    const v = x[0]!
    y[0] = (v > 0 ? v : v <= 0 ? 0 : v) + Math.log1p(Math.exp(-Math.abs(v)))
    for (let k = 1; k < orders; k++) y[k] = integral(x, s, k, stored)
  },
  erf: fromGaussian(erf, 1, 2 / Math.sqrt(Math.PI)),
  normalCdf: fromGaussian(normalCdf, 0.5, 1 / Math.sqrt(2 * Math.PI)),
  reciprocal: powerOf(-1, v => 1 / v),
  sqrt: powerOf(0.5, Math.sqrt),
  rsqrt: powerOf(-0.5, v => 1 / Math.sqrt(v)),
}

/** Runs a recurrence on every element. */
function eachElement(recurrence: Recurrence, orders: number, n: number, x: TypedArray, out: TypedArray): void {
  if (n === 0) return
  const stored = Math.min(orders, x.length / n)
  const [a, y, w] = [new Float64Array(orders), new Float64Array(orders), new Float64Array(orders)]
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < stored; k++) a[k] = x[k * n + i]!
    recurrence(a, y, w, orders, stored)
    for (let k = 0; k < orders; k++) out[k * n + i] = y[k]!
  }
}

export const series = (op: SeriesOp, orders: number, n: number, x: TypedArray, out: TypedArray): void =>
  eachElement(recurrences[op], orders, n, x, out)

export const seriesPower = (r: number, orders: number, n: number, x: TypedArray, out: TypedArray): void =>
  eachElement(
    powerOf(r, v => v ** r),
    orders,
    n,
    x,
    out,
  )

// s′ = c x′, c′ = −s x′
export function seriesSinCos(orders: number, n: number, x: TypedArray, sin: TypedArray, cos: TypedArray): void {
  if (n === 0) return
  const stored = Math.min(orders, x.length / n)
  const [a, s, c] = [new Float64Array(orders), new Float64Array(orders), new Float64Array(orders)]
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < stored; k++) a[k] = x[k * n + i]!
    s[0] = Math.sin(a[0]!)
    c[0] = Math.cos(a[0]!)
    for (let k = 1; k < orders; k++) {
      s[k] = integral(a, c, k, stored)
      c[k] = -integral(a, s, k, stored)
    }
    for (let k = 0; k < orders; k++) {
      sin[k * n + i] = s[k]!
      cos[k * n + i] = c[k]!
    }
  }
}

// q_k = (a_k − Σ_{j=1}^{k} b_j q_{k−j})/b_0
export function seriesDiv(orders: number, n: number, a: TypedArray, b: TypedArray, out: TypedArray): void {
  if (n === 0) return
  const [p, stored] = [a.length / n, Math.min(orders, b.length / n)]
  const [d, q] = [new Float64Array(orders), new Float64Array(orders)]
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < stored; k++) d[k] = b[k * n + i]!
    for (let k = 0; k < orders; k++) {
      q[k] = ((k < p ? a[k * n + i]! : 0) - product(d, q, k, 1, stored)) / d[0]!
      out[k * n + i] = q[k]!
    }
  }
}

// k y_{i,k} = Σ_{j=1}^{k} (j x_{i,j} − M_j) y_{i,k−j}, M_j = Σ_i Σ_{p=1}^{j} p x_{i,p} y_{i,j−p}
export function seriesSoftmax(orders: number, rows: number, n: number, x: TypedArray, out: TypedArray): void {
  const size = rows * n
  if (size === 0) return
  const stored = Math.min(orders, x.length / size)
  const y = new Float64Array(orders * n)
  const jx = new Float64Array(orders * n)
  const m = new Float64Array(orders)
  for (let r = 0; r < rows; r++) {
    const row = r * n
    let largest = -Infinity
    for (let i = 0; i < n; i++) {
      const v = x[row + i]!
      if (v > largest || v !== v) largest = v
    }
    let total = 0
    for (let i = 0; i < n; i++) total += y[i] = Math.exp(x[row + i]! - largest)
    for (let i = 0; i < n; i++) y[i]! /= total
    for (let k = 1; k < stored; k++) for (let i = 0; i < n; i++) jx[k * n + i] = k * x[k * size + row + i]!
    for (let k = 1; k < orders; k++) {
      const to = k * n
      y.fill(0, to, to + n)
      for (let j = 1; j <= k && j < stored; j++) {
        for (let i = 0; i < n; i++) y[to + i]! += jx[j * n + i]! * y[(k - j) * n + i]!
      }
      // What stands there now sums to M_k; the terms with M follow.
      let mk = 0
      for (let i = 0; i < n; i++) mk += y[to + i]!
      m[k] = mk
      for (let j = 1; j <= k; j++) for (let i = 0; i < n; i++) y[to + i]! -= m[j]! * y[(k - j) * n + i]!
      for (let i = 0; i < n; i++) y[to + i]! /= k
    }
    for (let k = 0; k < orders; k++) for (let i = 0; i < n; i++) out[k * size + row + i] = y[k * n + i]!
  }
}
