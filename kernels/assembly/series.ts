// Recurrences on stacks of Taylor coefficients. A stack is dense [orders][n]; `stored` of its orders are in memory, the
// others are zero. Eight elements at a time: their coefficients are copied to `scratch`, [orders][4] vectors of f64x2 for each of
// x (times j), y, w and v, on which the order loops run. `count` elements from x on are done, of orders that are n apart. Rules are numbered as in src/wasm/series.ts.
//
// Griewank & Walther, Evaluating Derivatives, 2nd ed., ch. 13.

import { erf, exp, log, normalCdf, sigmoid, softplus, tanh } from './math'
import { fma } from './simd'
import { cos, sin } from './trig'
import { load2, store2 } from './wide'

/** Elements 2h and 2h + 1 of coefficient k, h < 4. */
// @ts-ignore: decorator
@inline
function at(base: usize, k: usize, h: usize): v128 {
  return v128.load(base + (k << 6) + (h << 4))
}
// @ts-ignore: decorator
@inline
function put(base: usize, k: usize, h: usize, v: v128): void {
  v128.store(base + (k << 6) + (h << 4), v)
}

/** sum = Σ_{j=from}^{to} a_j b_{k−j}: four sums that do not wait for each other */
function convolve(sum: usize, a: usize, b: usize, k: usize, from: usize, to: usize): void {
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0
  let q = b + ((k - from) << 6)
  const end = a + ((to + 1) << 6)
  for (let p = a + (from << 6); p < end; p += 64, q -= 64) {
    s0 = fma<f64>(v128.load(p), v128.load(q), s0)
    s1 = fma<f64>(v128.load(p, 16), v128.load(q, 16), s1)
    s2 = fma<f64>(v128.load(p, 32), v128.load(q, 32), s2)
    s3 = fma<f64>(v128.load(p, 48), v128.load(q, 48), s3)
  }
  v128.store(sum, s0)
  v128.store(sum, s1, 16)
  v128.store(sum, s2, 32)
  v128.store(sum, s3, 48)
}

/** All four vectors of coefficient k, times s. */
// @ts-ignore: decorator
@inline
function scale(y: usize, k: usize, s: f64): void {
  const v = f64x2.splat(s)
  put(y, k, 0, f64x2.mul(at(y, k, 0), v))
  put(y, k, 1, f64x2.mul(at(y, k, 1), v))
  put(y, k, 2, f64x2.mul(at(y, k, 2), v))
  put(y, k, 3, f64x2.mul(at(y, k, 3), v))
}

/** y_k = (factor/k) Σ_{j=1}^{k} (j x_j) w_{k−j}: coefficient k of factor·∫ w dx, from the stack of j x_j */
// @ts-ignore: decorator
@inline
function integrate(y: usize, jx: usize, w: usize, k: usize, stored: usize, factor: f64): void {
  convolve(y + (k << 6), jx, w, k, 1, min(k, stored - 1))
  scale(y, k, factor / <f64>k)
}

/** sum = coefficient k of y²: every product but the middle one twice. */
// @ts-ignore: decorator
@inline
function square(sum: usize, y: usize, k: usize): void {
  convolve(sum, y, y, k, 0, (k - 1) >> 1)
  for (let h: usize = 0; h < 4; h++) {
    let s = v128.load(sum + (h << 4))
    s = f64x2.add(s, s)
    if (!(k & 1)) s = fma<f64>(at(y, k >> 1, h), at(y, k >> 1, h), s)
    v128.store(sum + (h << 4), s)
  }
}

/** Eight elements of a stack, order k times k and order 0 as it is. */
// @ts-ignore: decorator
@inline
function loadStack<T>(x: usize, stride: usize, stored: usize, jx: usize): void {
  const two: usize = 2 * sizeof<T>()
  for (let k: usize = 0; k < stored; k++, x += stride) {
    const times = f64x2.splat(k == 0 ? 1 : <f64>k)
    for (let h: usize = 0; h < 4; h++) put(jx, k, h, f64x2.mul(load2<T>(x + h * two), times))
  }
}

/** Stores the first `left`, or all eight, of the elements. */
// @ts-ignore: decorator
@inline
function storeStack<T>(y: usize, orders: usize, out: usize, stride: usize, left: usize): void {
  const two: usize = 2 * sizeof<T>()
  for (let k: usize = 0; k < orders; k++, out += stride) {
    for (let h: usize = 0; h < 4 && (h << 1) < left; h++) store2<T>(out + h * two, at(y, k, h), left - (h << 1))
  }
}

export function series_f32(
  op: i32, r: f64, orders: usize, stored: usize, n: usize, count: usize, x: usize, out: usize, scratch: usize,
): void {
  series<f32>(op, r, orders, stored, n, count, x, out, scratch)
}
export function series_f64(
  op: i32, r: f64, orders: usize, stored: usize, n: usize, count: usize, x: usize, out: usize, scratch: usize,
): void {
  series<f64>(op, r, orders, stored, n, count, x, out, scratch)
}

function series<T>(
  op: i32, r: f64, orders: usize, stored: usize, n: usize, count: usize, x: usize, out: usize, scratch: usize,
): void {
  const stride = n * sizeof<T>()
  const second: usize = 2 * sizeof<T>()
  const jx = scratch
  const y = jx + (orders << 6)
  const w = y + (orders << 6)
  const v = w + (orders << 6)
  for (let i: usize = 0; i < count; i += 8) {
    loadStack<T>(x, stride, stored, jx)
    switch (op) {
      case 0: exponential(jx, y, orders, stored); break
      case 1: logarithm(jx, y, w, orders, stored); break
      case 2: tangent(jx, y, w, orders, stored); break
      case 3: logistic(jx, y, w, orders, stored); break
      case 4: plus(jx, y, w, v, orders, stored); break
      case 5: fromGaussian(true, jx, y, w, v, orders, stored); break
      case 6: fromGaussian(false, jx, y, w, v, orders, stored); break
      default: {
        for (let h: usize = 0; h < 4; h++) {
          const x0 = at(jx, 0, h)
          let y0 = f64x2.sqrt(x0)
          if (op == 7) y0 = f64x2.div(f64x2.splat(1), x0)
          if (op == 9) y0 = f64x2.div(f64x2.splat(1), y0)
          // Any other power: order 0 of out is there already.
          if (op == 10) y0 = load2<T>(out + h * second)
          put(y, 0, h, y0)
        }
        power(op == 7 ? -1 : op == 8 ? 0.5 : op == 9 ? -0.5 : r, jx, y, orders, stored)
      }
    }
    storeStack<T>(y, orders, out, stride, count - i)
    x += 4 * second
    out += 4 * second
  }
}

/** sin and cos of a series: s′ = c x′, c′ = −s x′. */
export function seriesSinCos_f32(orders: usize, stored: usize, n: usize, x: usize, sine: usize, cosine: usize, scratch: usize): void {
  sinCos<f32>(orders, stored, n, x, sine, cosine, scratch)
}
export function seriesSinCos_f64(orders: usize, stored: usize, n: usize, x: usize, sine: usize, cosine: usize, scratch: usize): void {
  sinCos<f64>(orders, stored, n, x, sine, cosine, scratch)
}

function sinCos<T>(orders: usize, stored: usize, n: usize, x: usize, sine: usize, cosine: usize, scratch: usize): void {
  const stride = n * sizeof<T>()
  const jx = scratch
  const s = jx + (orders << 6)
  const c = s + (orders << 6)
  for (let i: usize = 0; i < n; i += 8) {
    loadStack<T>(x, stride, stored, jx)
    for (let h: usize = 0; h < 4; h++) {
      put(s, 0, h, sin(at(jx, 0, h)))
      put(c, 0, h, cos(at(jx, 0, h)))
    }
    for (let k: usize = 1; k < orders; k++) {
      integrate(s, jx, c, k, stored, 1)
      integrate(c, jx, s, k, stored, -1)
    }
    storeStack<T>(s, orders, sine, stride, n - i)
    storeStack<T>(c, orders, cosine, stride, n - i)
    x += 8 * sizeof<T>()
    sine += 8 * sizeof<T>()
    cosine += 8 * sizeof<T>()
  }
}

/** From x_0 in jx */
function exponential(jx: usize, y: usize, orders: usize, stored: usize): void {
  for (let h: usize = 0; h < 4; h++) put(y, 0, h, exp(at(jx, 0, h)))
  for (let k: usize = 1; k < orders; k++) integrate(y, jx, y, k, stored, 1)
}

// y′ x = x′, with w = j y_j: k x_0 y_k = k x_k − Σ_{j=1}^{k−1} (j y_j) x_{k−j}
function logarithm(jx: usize, y: usize, w: usize, orders: usize, stored: usize): void {
  for (let h: usize = 0; h < 4; h++) {
    const x0 = at(jx, 0, h)
    put(y, 0, h, log(x0))
    for (let k: usize = 1; k < orders; k++) {
      let s = k < stored ? at(jx, k, h) : f64x2.splat(0)
      for (let m: usize = 1; m < k && m < stored; m++) {
        const xm = f64x2.div(at(jx, m, h), f64x2.splat(<f64>m))
        s = f64x2.sub(s, f64x2.mul(at(w, k - m, h), xm))
      }
      const wk = f64x2.div(s, x0)
      put(w, k, h, wk)
      put(y, k, h, f64x2.div(wk, f64x2.splat(<f64>k)))
    }
  }
}

// y′ = (1 − y²) x′
function tangent(jx: usize, y: usize, w: usize, orders: usize, stored: usize): void {
  for (let h: usize = 0; h < 4; h++) {
    const y0 = tanh(at(jx, 0, h))
    put(y, 0, h, y0)
    put(w, 0, h, f64x2.sub(f64x2.splat(1), f64x2.mul(y0, y0)))
  }
  for (let k: usize = 1; k < orders; k++) {
    integrate(y, jx, w, k, stored, 1)
    if (k + 1 == orders) return
    square(w + (k << 6), y, k)
    scale(w, k, -1)
  }
}

// y′ = (y − y²) x′
function logistic(jx: usize, y: usize, w: usize, orders: usize, stored: usize): void {
  for (let h: usize = 0; h < 4; h++) {
    const x0 = at(jx, 0, h)
    const y0 = sigmoid(x0)
    put(y, 0, h, y0)
    put(w, 0, h, f64x2.mul(y0, sigmoid(f64x2.neg(x0))))
  }
  for (let k: usize = 1; k < orders; k++) {
    integrate(y, jx, w, k, stored, 1)
    square(w + (k << 6), y, k)
    for (let h: usize = 0; h < 4; h++) put(w, k, h, f64x2.sub(at(y, k, h), at(w, k, h)))
  }
}

// y′ = σ(x) x′
function plus(jx: usize, y: usize, w: usize, v: usize, orders: usize, stored: usize): void {
  logistic(jx, v, w, orders, stored)
  for (let h: usize = 0; h < 4; h++) put(y, 0, h, softplus(at(jx, 0, h)))
  for (let k: usize = 1; k < orders; k++) integrate(y, jx, v, k, stored, 1)
}

// erf: y′ = 2/√π·exp(−x²) x′; Φ: y′ = 1/√(2π)·exp(−x²/2) x′. With e = −c x², j e_j goes to v and exp(e) to w.
function fromGaussian(isErf: bool, jx: usize, y: usize, w: usize, v: usize, orders: usize, stored: usize): void {
  const c: f64 = isErf ? 1 : 0.5
  // k (x²)_k = 2 Σ_{j=1}^{k} (j x_j) x_{k−j}; x_{k−j} is in y until y is made.
  for (let h: usize = 0; h < 4; h++) {
    const x0 = at(jx, 0, h)
    put(y, 0, h, x0)
    put(v, 0, h, f64x2.mul(f64x2.mul(x0, x0), f64x2.splat(-c)))
    for (let k: usize = 1; k < stored; k++) put(y, k, h, f64x2.div(at(jx, k, h), f64x2.splat(<f64>k)))
    for (let k: usize = stored; k < orders; k++) put(y, k, h, f64x2.splat(0))
  }
  for (let k: usize = 1; k < orders; k++) {
    convolve(v + (k << 6), jx, y, k, 1, min(k, stored - 1))
    scale(v, k, -2 * c)
  }
  exponential(v, w, orders, orders)
  for (let h: usize = 0; h < 4; h++) {
    const x0 = at(jx, 0, h)
    put(y, 0, h, isErf ? erf(x0) : normalCdf(x0))
  }
  for (let k: usize = 1; k < orders; k++) integrate(y, jx, w, k, stored, isErf ? 1.1283791670955126 : 0.3989422804014327)
}

// k x_0 y_k = Σ_{j=1}^{k} (j(r+1) − k) x_j y_{k−j} = (r+1) Σ (j x_j) y_{k−j} − k Σ x_j y_{k−j}
function power(r: f64, jx: usize, y: usize, orders: usize, stored: usize): void {
  for (let k: usize = 1; k < orders; k++) {
    let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0
    for (let j: usize = 1; j <= k && j < stored; j++) {
      const weight = f64x2.splat((r + 1) - <f64>k / <f64>j)
      s0 = fma<f64>(f64x2.mul(at(jx, j, 0), weight), at(y, k - j, 0), s0)
      s1 = fma<f64>(f64x2.mul(at(jx, j, 1), weight), at(y, k - j, 1), s1)
      s2 = fma<f64>(f64x2.mul(at(jx, j, 2), weight), at(y, k - j, 2), s2)
      s3 = fma<f64>(f64x2.mul(at(jx, j, 3), weight), at(y, k - j, 3), s3)
    }
    const order = f64x2.splat(<f64>k)
    put(y, k, 0, f64x2.div(s0, f64x2.mul(at(jx, 0, 0), order)))
    put(y, k, 1, f64x2.div(s1, f64x2.mul(at(jx, 0, 1), order)))
    put(y, k, 2, f64x2.div(s2, f64x2.mul(at(jx, 0, 2), order)))
    put(y, k, 3, f64x2.div(s3, f64x2.mul(at(jx, 0, 3), order)))
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
        s = f64x2.sub(s, f64x2.mul(load2<T>(b + j * stride), v128.load(scratch + ((k - j) << 4))))
      }
      const quotient = f64x2.div(s, b0)
      v128.store(scratch + (k << 4), quotient)
      store2<T>(out + k * stride, quotient, n - i)
    }
    a += 2 * sizeof<T>()
    b += 2 * sizeof<T>()
    out += 2 * sizeof<T>()
  }
}
