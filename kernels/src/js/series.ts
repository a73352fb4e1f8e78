import type { SeriesOp, TypedArray } from '../contract.js'
import { map, power } from './map.js'
import { erf, gaussian, normalCdf, sech2, sigmoid as sigmoidOf } from './special.js'

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

/** Fills y from x, both of `orders` coefficients; u, v and w are room for as many. Order 0 is written over by `map`. */
type Recurrence = (
  x: Float64Array,
  y: Float64Array,
  w: Float64Array,
  v: Float64Array,
  u: Float64Array,
  orders: number,
) => void

// Coefficients of x beyond order 0 that are exactly zero, stored or not, contribute nothing: 0·∞ and 0/0 would be NaN.

/** a/b, and 0 where a is 0, at poles too. */
const share = (a: number, b: number): number => (a === 0 ? 0 : a / b)

/** Σ_{j=from}^{k} a_j b_{k−j} */
function product(a: Float64Array, b: Float64Array, k: number, from: number): number {
  let s = 0
  for (let j = from; j <= k; j++) if (a[j] !== 0) s += a[j]! * b[k - j]!
  return s
}

/** (1/k) Σ_{j=1}^{k} j x_j w_{k−j}: coefficient k of ∫ w dx. */
function integral(x: Float64Array, w: Float64Array, k: number): number {
  let s = 0
  for (let j = 1; j <= k; j++) if (x[j] !== 0) s += j * x[j]! * w[k - j]!
  return s / k
}

/** y = start·exp(x − x_0) */
function growth(x: Float64Array, y: Float64Array, start: number, orders: number): void {
  y[0] = start
  for (let k = 1; k < orders; k++) y[k] = integral(x, y, k)
}

const exp: Recurrence = (x, y, _w, _v, _u, orders) => {
  const x0 = x[0]!
  if (!(Math.abs(x0) > 700)) return growth(x, y, Math.exp(x0), orders)
  // e^x0 is infinite or subnormal where its multiples need not be: it is multiplied in two halves.
  const half = Math.exp(x0 / 2)
  growth(x, y, 1, orders)
  for (let k = 1; k < orders; k++) if (y[k] !== 0) y[k] = y[k]! * half * half
}

/** y of x from its derivative w = scale·exp(−c x²): erf and the normal distribution function. */
const fromGaussian =
  (value: (v: number) => number, c: number, scale: number): Recurrence =>
  (x, y, w, v, _u, orders) => {
    y[0] = value(x[0]!)
    const start = gaussian(x[0]!, c)
    if (start === 0) return void y.fill(0, 1, orders)
    for (let k = 1; k < orders; k++) v[k] = -c * product(x, x, k, 0)
    growth(v, w, start, orders)
    for (let k = 1; k < orders; k++) y[k] = scale * integral(x, w, k)
  }

/** k x_0 y_k = Σ_{j=1}^{k} (j(r+1) − k) x_j y_{k−j}, from y_0 = start */
function powers(r: number, x: Float64Array, y: Float64Array, start: number, orders: number): void {
  y[0] = start
  for (let k = 1; k < orders; k++) {
    let s = 0
    for (let j = 1; j <= k; j++) if (x[j] !== 0) s += (j * (r + 1) - k) * x[j]! * y[k - j]!
    y[k] = share(s, k * x[0]!)
  }
}

const powerOf =
  (r: number): Recurrence =>
  (x, y, w, v, _u, orders) => {
    const x0 = x[0]!
    const size = Math.abs(x0)
    if ((x0 === 0 || size === Infinity) && r > 0) return powerAtPole(r, x, y, w, orders)
    const e = Math.floor(Math.log2(size))
    if (!(Math.abs(e) * Math.max(1, Math.abs(r)) > EXTREME && size < Infinity && x0 !== 0))
      return powers(r, x, y, x0 ** r, orders)
    // With x_k = 2^(e + kq)·v_k, y_k = 2^(er + kq)·w_k, so that x_0^r may leave the range; q brings the largest |v_k| to about 1.
    let q = -Infinity
    for (let k = 1; k < orders; k++) q = Math.max(q, Math.ceil((Math.log2(Math.abs(x[k]!)) - e) / k))
    if (!Number.isFinite(q)) q = 0
    for (let k = 0; k < orders; k++) v[k] = times2(x[k]!, -e - k * q)
    powers(r, v, w, v[0]! ** r, orders)
    y[0] = x0 ** r
    for (let k = 1; k < orders; k++) y[k] = times2(w[k]!, e * r + k * q)
  }
/** Beyond this exponent of 2 of x_0 or x_0^r, products with them may leave f64 where their quotients come back. */
const EXTREME = 300

/** a·2^e, in steps that stay in range */
function times2(a: number, e: number): number {
  if (a === 0 || e === 0) return a
  const step = Math.max(-1000, Math.min(1000, e))
  return step === e ? a * 2 ** e : times2(a * 2 ** step, e - step)
}

/** r > 0 where x_0 is 0 or infinite: integrals of x^(r−1)′s multiples, from the first negative exponent (or 0) on, if that is
 *  less than `orders` below r. */
function powerAtPole(r: number, x: Float64Array, y: Float64Array, w: Float64Array, orders: number): void {
  const steps = Math.min(Math.ceil(r), orders)
  powers(r - steps, x, y, x[0]! ** (r - steps), orders)
  for (let i = steps - 1; i >= 0; i--) {
    w.set(y)
    y[0] = x[0]! ** (r - i)
    for (let k = 1; k < orders; k++) y[k] = (r - i) * integral(x, w, k)
  }
}

/** x·g(x), where g is 0 or 1 to the last bit beyond ±39 (or `limit`): there 0·∞ is 0. */
const gatedBy =
  (gate: Recurrence, limit: number): Recurrence =>
  (x, y, w, v, u, orders) => {
    const x0 = x[0]!
    if (Math.abs(x0) > limit) {
      for (let k = 1; k < orders; k++) y[k] = x0 > 0 ? x[k]! : 0
      return
    }
    gate(x, u, w, v, y, orders)
    for (let k = 1; k < orders; k++) y[k] = product(x, u, k, 0)
  }

const recurrences: Record<SeriesOp, Recurrence> = {
  exp,
  expm1: exp,
  // y′ x = x′
  log(x, y, _w, _v, _u, orders) {
    y[0] = Math.log(x[0]!)
    for (let k = 1; k < orders; k++) {
      let s = 0
      for (let j = 1; j < k; j++) if (x[k - j] !== 0) s += j * y[j]! * x[k - j]!
      y[k] = share(x[k]! - s / k, x[0]!)
    }
  },
  log1p(x, y, w, v, u, orders) {
    x[0]! += 1
    recurrences.log(x, y, w, v, u, orders)
  },
  // y′ = (1 − y²) x′
  tanh(x, y, w, _v, _u, orders) {
    y[0] = Math.tanh(x[0]!)
    w[0] = sech2(x[0]!)
    for (let k = 1; k < orders; k++) {
      y[k] = integral(x, w, k)
      w[k] = -product(y, y, k, 0)
    }
  },
  // y − ½ = tanh(x/2)/2: its derivative is (¼ − (y − ½)²) x′, where y − y² would cancel near 0.
  sigmoid(x, y, w, _v, _u, orders) {
    y[0] = Math.tanh(x[0]! / 2) / 2
    w[0] = sigmoidOf(x[0]!) * sigmoidOf(-x[0]!)
    for (let k = 1; k < orders; k++) {
      y[k] = integral(x, w, k)
      w[k] = -product(y, y, k, 0)
    }
    y[0] = sigmoidOf(x[0]!)
  },
  // y′ = σ(x) x′
  softplus(x, y, w, v, u, orders) {
    recurrences.sigmoid(x, v, w, y, u, orders)
    for (let k = 1; k < orders; k++) y[k] = integral(x, v, k)
  },
  erf: fromGaussian(erf, 1, 2 / Math.sqrt(Math.PI)),
  normalCdf: fromGaussian(normalCdf, 0.5, 1 / Math.sqrt(2 * Math.PI)),
  gelu: gatedBy((x, g, w, v, u, orders) => recurrences.normalCdf(x, g, w, v, u, orders), 39),
  silu: gatedBy((x, g, w, v, u, orders) => recurrences.sigmoid(x, g, w, v, u, orders), 800),
  // σ(2√(2/π)(x + 0.044715 x³))
  geluTanh: gatedBy((x, g, w, v, u, orders) => {
    for (let k = 0; k < orders; k++) w[k] = product(x, x, k, 0)
    for (let k = 0; k < orders; k++) u[k] = product(x, w, k, 0)
    for (let k = 0; k < orders; k++) v[k] = 2 * Math.sqrt(2 / Math.PI) * (x[k]! + 0.044715 * u[k]!)
    recurrences.sigmoid(v, g, w, u, u, orders)
  }, 39),
  reciprocal: powerOf(-1),
  sqrt: powerOf(0.5),
  rsqrt: powerOf(-0.5),
}

/** Runs a recurrence on every element. */
function eachElement(recurrence: Recurrence, orders: number, n: number, x: TypedArray, out: TypedArray): void {
  const stored = Math.min(orders, x.length / n)
  const a = new Float64Array(orders)
  const [y, w, v, u] = [0, 1, 2, 3].map(() => new Float64Array(orders)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < stored; k++) a[k] = x[k * n + i]!
    recurrence(a, y, w, v, u, orders)
    for (let k = 0; k < orders; k++) out[k * n + i] = y[k]!
  }
}

export function series(op: SeriesOp, orders: number, n: number, x: TypedArray, out: TypedArray): void {
  if (n === 0 || orders === 0) return
  eachElement(recurrences[op], orders, n, x, out)
  map(op, x.subarray(0, n), out.subarray(0, n))
}

export function seriesPower(r: number, orders: number, n: number, x: TypedArray, out: TypedArray): void {
  if (n === 0 || orders === 0) return
  eachElement(powerOf(r), orders, n, x, out)
  power(x.subarray(0, n), r, out.subarray(0, n))
}

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
      s[k] = integral(a, c, k)
      c[k] = -integral(a, s, k)
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
      const rest = (k < p ? a[k * n + i]! : 0) - product(d, q, k, 1)
      q[k] = k === 0 ? rest / d[0]! : share(rest, d[0]!)
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
    let at = 0
    for (let i = 0; i < n; i++) {
      const v = x[row + i]!
      if (v > largest || v !== v) {
        largest = v
        at = i
      }
    }
    let total = 0
    for (let i = 0; i < n; i++) total += y[i] = Math.exp(x[row + i]! - largest)
    for (let i = 0; i < n; i++) y[i]! /= total
    // Relative to the largest element: where its y is 1, the changes of the others are the whole derivative.
    for (let k = 1; k < stored; k++) {
      const shift = x[k * size + row + at]!
      for (let i = 0; i < n; i++) jx[k * n + i] = k * (x[k * size + row + i]! - shift)
    }
    for (let k = 1; k < orders; k++) {
      const to = k * n
      y.fill(0, to, to + n)
      for (let j = 1; j <= k && j < stored; j++) {
        for (let i = 0; i < n; i++) y[to + i]! += jx[j * n + i]! * y[(k - j) * n + i]!
      }
      // The entries of y now sum to M_k; the terms with M follow.
      let mk = 0
      for (let i = 0; i < n; i++) mk += y[to + i]!
      m[k] = mk
      for (let j = 1; j <= k; j++) for (let i = 0; i < n; i++) y[to + i]! -= m[j]! * y[(k - j) * n + i]!
      for (let i = 0; i < n; i++) y[to + i]! /= k
    }
    for (let k = 0; k < orders; k++) for (let i = 0; i < n; i++) out[k * size + row + i] = y[k * n + i]!
  }
}
