// Recurrences on stacks of Taylor coefficients. A stack is dense [orders][n]; `stored` of its orders are in memory, the
// others are zero. Two elements at a time: their coefficients are copied to `scratch`, [orders] vectors of f64x2 for each of
// x (times j), y and w, on which the order loops run. Rules are numbered as in src/wasm/series.ts.
//
// Griewank & Walther, Evaluating Derivatives, 2nd ed., ch. 13.

import { erf, exp, log, normalCdf, sigmoid, softplus, tanh } from './math'
import { load2, store2 } from './wide'

// @ts-ignore: decorator
@inline
function at(base: usize, k: usize): v128 {
  return v128.load(base + (k << 4))
}
// @ts-ignore: decorator
@inline
function put(base: usize, k: usize, v: v128): void {
  v128.store(base + (k << 4), v)
}

/** Σ_{j=from}^{to} a_j b_{k−j}, in two accumulators */
// @ts-ignore: decorator
@inline
function product(a: usize, b: usize, k: usize, from: usize, to: usize): v128 {
  let s = f64x2.splat(0)
  let t = s
  let p = a + (from << 4)
  let q = b + ((k - from) << 4)
  const end = a + ((to + 1) << 4)
  for (; p + 16 < end; p += 32, q -= 32) {
    s = f64x2.add(s, f64x2.mul(v128.load(p), v128.load(q)))
    t = f64x2.add(t, f64x2.mul(v128.load(p, 16), v128.load(q - 16)))
  }
  if (p < end) s = f64x2.add(s, f64x2.mul(v128.load(p), v128.load(q)))
  return f64x2.add(s, t)
}

/** (1/k) Σ_{j=1}^{k} (j x_j) w_{k−j}: coefficient k of ∫ w dx, from the stack of j x_j */
// @ts-ignore: decorator
@inline
function integral(jx: usize, w: usize, k: usize, stored: usize): v128 {
  return f64x2.div(product(jx, w, k, 1, min(k, stored - 1)), f64x2.splat(<f64>k))
}

export function series_f32(op: i32, r: f64, orders: usize, stored: usize, n: usize, x: usize, out: usize, scratch: usize): void {
  series<f32>(op, r, orders, stored, n, x, out, scratch)
}
export function series_f64(op: i32, r: f64, orders: usize, stored: usize, n: usize, x: usize, out: usize, scratch: usize): void {
  series<f64>(op, r, orders, stored, n, x, out, scratch)
}

function series<T>(op: i32, r: f64, orders: usize, stored: usize, n: usize, x: usize, out: usize, scratch: usize): void {
  const stride = n * sizeof<T>()
  const jx = scratch
  const y = jx + (orders << 4)
  const w = y + (orders << 4)
  const v = w + (orders << 4)
  for (let i: usize = 0; i < n; i += 2) {
    const x0 = load2<T>(x)
    for (let k: usize = 1; k < stored; k++) put(jx, k, f64x2.mul(load2<T>(x + k * stride), f64x2.splat(<f64>k)))
    switch (op) {
      case 0: exponential(x0, jx, y, orders, stored); break
      case 1: logarithm(x0, jx, y, w, orders, stored); break
      case 2: tangent(x0, jx, y, w, orders, stored); break
      case 3: logistic(x0, jx, y, w, orders, stored); break
      case 4: plus(x0, jx, y, w, v, orders, stored); break
      case 5: fromGaussian(erf(x0), 1, 1.1283791670955126, x0, jx, y, w, v, orders, stored); break
      case 6: fromGaussian(normalCdf(x0), 0.5, 0.3989422804014327, x0, jx, y, w, v, orders, stored); break
      case 7: power(f64x2.div(f64x2.splat(1), x0), -1, x0, jx, y, orders, stored); break
      case 8: power(f64x2.sqrt(x0), 0.5, x0, jx, y, orders, stored); break
      case 9: power(f64x2.div(f64x2.splat(1), f64x2.sqrt(x0)), -0.5, x0, jx, y, orders, stored); break
      // Any other power: order 0 of out is there already.
      case 10: power(load2<T>(out), r, x0, jx, y, orders, stored); break
    }
    for (let k: usize = 0; k < orders; k++) store2<T>(out + k * stride, at(y, k), n - i)
    x += 2 * sizeof<T>()
    out += 2 * sizeof<T>()
  }
}

function exponential(x0: v128, jx: usize, y: usize, orders: usize, stored: usize): void {
  put(y, 0, exp(x0))
  for (let k: usize = 1; k < orders; k++) put(y, k, integral(jx, y, k, stored))
}

// y′ x = x′, with w = j y_j: k x_0 y_k = k x_k − Σ_{j=1}^{k−1} (j y_j) x_{k−j}
function logarithm(x0: v128, jx: usize, y: usize, w: usize, orders: usize, stored: usize): void {
  put(y, 0, log(x0))
  for (let k: usize = 1; k < orders; k++) {
    let s = k < stored ? at(jx, k) : f64x2.splat(0)
    for (let m: usize = 1; m < k && m < stored; m++) {
      const xm = f64x2.div(at(jx, m), f64x2.splat(<f64>m))
      s = f64x2.sub(s, f64x2.mul(at(w, k - m), xm))
    }
    const wk = f64x2.div(s, x0)
    put(w, k, wk)
    put(y, k, f64x2.div(wk, f64x2.splat(<f64>k)))
  }
}

// y′ = (1 − y²) x′
function tangent(x0: v128, jx: usize, y: usize, w: usize, orders: usize, stored: usize): void {
  const y0 = tanh(x0)
  put(y, 0, y0)
  put(w, 0, f64x2.sub(f64x2.splat(1), f64x2.mul(y0, y0)))
  for (let k: usize = 1; k < orders; k++) {
    put(y, k, integral(jx, w, k, stored))
    put(w, k, f64x2.neg(square(y, k)))
  }
}

/** Coefficient k of y²: every product but the middle one twice. */
// @ts-ignore: decorator
@inline
function square(y: usize, k: usize): v128 {
  const half = (k - 1) >> 1
  const s = product(y, y, k, 0, half)
  const twice = f64x2.add(s, s)
  return k & 1 ? twice : f64x2.add(twice, f64x2.mul(at(y, k >> 1), at(y, k >> 1)))
}

// y′ = (y − y²) x′
function logistic(x0: v128, jx: usize, y: usize, w: usize, orders: usize, stored: usize): void {
  const y0 = sigmoid(x0)
  put(y, 0, y0)
  put(w, 0, f64x2.mul(y0, sigmoid(f64x2.neg(x0))))
  for (let k: usize = 1; k < orders; k++) {
    put(y, k, integral(jx, w, k, stored))
    put(w, k, f64x2.sub(at(y, k), square(y, k)))
  }
}

// y′ = σ(x) x′
function plus(x0: v128, jx: usize, y: usize, w: usize, v: usize, orders: usize, stored: usize): void {
  logistic(x0, jx, v, w, orders, stored)
  put(y, 0, softplus(x0))
  for (let k: usize = 1; k < orders; k++) put(y, k, integral(jx, v, k, stored))
}

// y′ = scale·exp(−c x²) x′: with e = −c x², first j e_j into v, then its exponential into w
function fromGaussian(
  y0: v128, c: f64, scale: f64, x0: v128, jx: usize, y: usize, w: usize, v: usize, orders: usize, stored: usize,
): void {
  // k (x²)_k = 2 Σ_{j=1}^{k} (j x_j) x_{k−j}; x_{k−j} is in y until y is made.
  put(y, 0, x0)
  for (let k: usize = 1; k < stored; k++) put(y, k, f64x2.div(at(jx, k), f64x2.splat(<f64>k)))
  for (let k: usize = stored; k < orders; k++) put(y, k, f64x2.splat(0))
  for (let k: usize = 1; k < orders; k++) {
    put(v, k, f64x2.mul(product(jx, y, k, 1, min(k, stored - 1)), f64x2.splat(-2 * c)))
  }
  exponential(f64x2.mul(f64x2.mul(x0, x0), f64x2.splat(-c)), v, w, orders, orders)
  put(y, 0, y0)
  for (let k: usize = 1; k < orders; k++) put(y, k, f64x2.mul(integral(jx, w, k, stored), f64x2.splat(scale)))
}

// k x_0 y_k = Σ_{j=1}^{k} (j(r+1) − k) x_j y_{k−j} = (r+1) Σ (j x_j) y_{k−j} − k Σ x_j y_{k−j}
function power(y0: v128, r: f64, x0: v128, jx: usize, y: usize, orders: usize, stored: usize): void {
  put(y, 0, y0)
  for (let k: usize = 1; k < orders; k++) {
    let s = f64x2.splat(0)
    for (let j: usize = 1; j <= k && j < stored; j++) {
      const weight = (r + 1) - <f64>k / <f64>j
      s = f64x2.add(s, f64x2.mul(f64x2.mul(at(jx, j), f64x2.splat(weight)), at(y, k - j)))
    }
    put(y, k, f64x2.div(s, f64x2.mul(x0, f64x2.splat(<f64>k))))
  }
}

/** out_k = Σ_j a_j b_{k−j}; a and b store p and q orders. */
export function cauchy_f32(orders: usize, p: usize, q: usize, n: usize, a: usize, b: usize, out: usize): void {
  cauchy<f32>(orders, p, q, n, a, b, out)
}
export function cauchy_f64(orders: usize, p: usize, q: usize, n: usize, a: usize, b: usize, out: usize): void {
  cauchy<f64>(orders, p, q, n, a, b, out)
}

function cauchy<T>(orders: usize, p: usize, q: usize, n: usize, a: usize, b: usize, out: usize): void {
  const stride = n * sizeof<T>()
  for (let i: usize = 0; i < n; i += 2) {
    for (let k: usize = 0; k < orders; k++) {
      const from: usize = k + 1 > q ? k + 1 - q : 0
      let s = f64x2.splat(0)
      for (let j = from; j <= k && j < p; j++) {
        s = f64x2.add(s, f64x2.mul(load2<T>(a + j * stride), load2<T>(b + (k - j) * stride)))
      }
      store2<T>(out + k * stride, s, n - i)
    }
    a += 2 * sizeof<T>()
    b += 2 * sizeof<T>()
    out += 2 * sizeof<T>()
  }
}

/** out_j = Σ_{k ≥ j} c_k b_{k−j}; c and b store p and q orders. */
export function correlate_f32(orders: usize, p: usize, q: usize, n: usize, c: usize, b: usize, out: usize): void {
  correlate<f32>(orders, p, q, n, c, b, out)
}
export function correlate_f64(orders: usize, p: usize, q: usize, n: usize, c: usize, b: usize, out: usize): void {
  correlate<f64>(orders, p, q, n, c, b, out)
}

function correlate<T>(orders: usize, p: usize, q: usize, n: usize, c: usize, b: usize, out: usize): void {
  const stride = n * sizeof<T>()
  for (let i: usize = 0; i < n; i += 2) {
    for (let j: usize = 0; j < orders; j++) {
      let s = f64x2.splat(0)
      for (let k = j; k < p && k - j < q; k++) {
        s = f64x2.add(s, f64x2.mul(load2<T>(c + k * stride), load2<T>(b + (k - j) * stride)))
      }
      store2<T>(out + j * stride, s, n - i)
    }
    c += 2 * sizeof<T>()
    b += 2 * sizeof<T>()
    out += 2 * sizeof<T>()
  }
}

/** out = a / b: out_k = (a_k − Σ_{j=1}^{k} b_j out_{k−j}) / b_0, computed in `scratch`. */
export function seriesDiv_f32(orders: usize, p: usize, q: usize, n: usize, a: usize, b: usize, out: usize, scratch: usize): void {
  divide<f32>(orders, p, q, n, a, b, out, scratch)
}
export function seriesDiv_f64(orders: usize, p: usize, q: usize, n: usize, a: usize, b: usize, out: usize, scratch: usize): void {
  divide<f64>(orders, p, q, n, a, b, out, scratch)
}

function divide<T>(orders: usize, p: usize, q: usize, n: usize, a: usize, b: usize, out: usize, scratch: usize): void {
  const stride = n * sizeof<T>()
  for (let i: usize = 0; i < n; i += 2) {
    const b0 = load2<T>(b)
    for (let k: usize = 0; k < orders; k++) {
      let s = k < p ? load2<T>(a + k * stride) : f64x2.splat(0)
      for (let j: usize = 1; j <= k && j < q; j++) {
        s = f64x2.sub(s, f64x2.mul(load2<T>(b + j * stride), at(scratch, k - j)))
      }
      const quotient = f64x2.div(s, b0)
      put(scratch, k, quotient)
      store2<T>(out + k * stride, quotient, n - i)
    }
    a += 2 * sizeof<T>()
    b += 2 * sizeof<T>()
    out += 2 * sizeof<T>()
  }
}
