// Recurrences on stacks of Taylor coefficients. In memory a stack is dense [orders][n]; `stored` of its orders are there, the others
// are zero. Eight elements at a time are copied to `scratch`, as stacks like those of toeplitz.ts, `padded(orders)` long and zero
// where nothing is known yet. Orders are made in blocks of four, k…k+3 with k = 4m: first what orders below k give, then what the
// four give each other, one vector at a time.
//
// This is the fast path, for numbers that stay finite: zeros that are not stored are multiplied. Where 0·∞ or x_0 beyond `inRange`
// may be wrong, NaN or ±Inf comes out, and src/wasm/series.ts takes the reference. Order 0 of a function is what map.ts makes of
// it: where no other order needs it, it is left out.
//
// Griewank & Walther, Evaluating Derivatives, 2nd ed., ch. 13.

import { SeriesCode } from './codes'
import { exp, expm1Twice, gaussian, log, normalCdf, sech2From, sigmoid, tanhFrom } from './math'
import { pow } from './power'
import { fma, tailMask } from './simd'
import { toeplitz } from './toeplitz'
import { cos, sin } from './trig'
import { load2, store2 } from './wide'

/** Elements 2h and 2h + 1 of coefficient k, h < 4. @inline */
function at(base: usize, k: usize, h: usize): v128 {
  return v128.load(base + (k << 6) + (h << 4))
}
/** @inline */
function put(base: usize, k: usize, h: usize, v: v128): void {
  v128.store(base + (k << 6) + (h << 4), v)
}
/** @inline */
function times(v: v128, s: f64): v128 {
  return f64x2.mul(v, f64x2.splat(s))
}

/** Orders of a whole number of blocks. @inline */
function padded(orders: usize): usize {
  return (orders + 3) & ~3
}

/** Eight elements of a stack, with zeros after its stored orders; order k times k where `weighted`, and order 0 as it is. */
function loadStack<T>(x: usize, stride: usize, stored: usize, orders: usize, weighted: bool, to: usize): void {
  const two: usize = 2 * sizeof<T>()
  for (let k: usize = 0; k < stored; k++, x += stride) {
    const weight = f64x2.splat(weighted && k > 0 ? <f64>k : 1)
    for (let h: usize = 0; h < 4; h++) put(to, k, h, f64x2.mul(load2<T>(x + h * two), weight))
  }
  clear(to, stored, orders)
}

/** Zeros from order k to the end of the last block. By hand: a bulk fill is a call out of the module. */
function clear(y: usize, k: usize, orders: usize): void {
  const zero = f64x2.splat(0)
  const end = y + (padded(orders) << 6)
  for (let p = y + (k << 6); p < end; p += 64) {
    v128.store(p, zero)
    v128.store(p, zero, 16)
    v128.store(p, zero, 32)
    v128.store(p, zero, 48)
  }
}

/** Stores the first `left`, or all eight, of the elements. */
function storeStack<T>(y: usize, orders: usize, out: usize, stride: usize, left: usize): void {
  const two: usize = 2 * sizeof<T>()
  if (left >= 8) {
    for (const end = y + (orders << 6); y < end; y += 64, out += stride) {
      for (let h: usize = 0; h < 4; h++) store2<T>(out + h * two, v128.load(y + (h << 4)), 2)
    }
    return
  }
  for (let k: usize = 0; k < orders; k++, out += stride) {
    for (let h: usize = 0; h < 4 && h << 1 < left; h++) store2<T>(out + h * two, at(y, k, h), left - (h << 1))
  }
}

/** y_{k+r} = Σ_{i<k} w_i x_{k+r−i}; of x, orders from `stored` on are zero. */
function below(y: usize, w: usize, x: usize, k: usize, stored: usize): void {
  const first: usize = k > stored + 2 ? (k - stored - 2) & ~3 : 0
  toeplitz(y + (k << 6), w, x, k, first, k - first)
}

// The ingredients of the derivative w of y.
const GIVEN = 0
/** w = y */
const ITSELF = 1
/** w = y² and a constant */
const SQUARE = 2

/** y_k = (factor/k) Σ_{j=1}^{k} (j x_j) w_{k−j}: coefficient k of y(0) + factor·∫ w dx. Order 0 of y, and of w, is there.
 *  @inline */
function integrate(kind: i32, y: usize, jx: usize, w: usize, orders: usize, stored: usize, factor: f64): void {
  clear(y, 1, kind > ITSELF ? orders : 4)
  for (let k: usize = 0; k < orders; k += 4) {
    if (k > 0) {
      // Half of Σ y_i y_{k+r−i}, without orders k…k+3 of y, which are zero yet.
      if (kind > ITSELF && k >= 8) toeplitz(w + (k << 6), y, y, k, 0, (k >> 3) << 2)
      below(y, w, jx, k, stored)
    }
    const f0 = k > 0 ? factor / <f64>k : 1
    const f1 = factor / <f64>(k + 1)
    const f2 = factor / <f64>(k + 2)
    const f3 = factor / <f64>(k + 3)
    for (let h: usize = 0; h < 4; h++) {
      const x1 = at(jx, 1, h)
      const x2 = at(jx, 2, h)
      // (y²)_{k+r} without orders k…k+3 of y, and what the first orders of y make of those.
      let s0 = f64x2.splat(0)
      let s1 = s0
      let s2 = s0
      let s3 = s0
      let u0 = at(y, 0, h)
      let u1 = s0
      let u2 = s0
      let u3 = s0
      if (kind > ITSELF && k > 0) {
        u0 = f64x2.add(u0, u0)
        u1 = times(at(y, 1, h), 2)
        u2 = times(at(y, 2, h), 2)
        u3 = times(at(y, 3, h), 2)
        // Products of two orders stand there twice, but for squares: w has half of the tiles, the tile in the middle is a's and b's.
        const a = y + ((k >> 3) << 8)
        const a0 = at(a, 0, h)
        const a1 = at(a, 1, h)
        const a2 = at(a, 2, h)
        const a3 = at(a, 3, h)
        // Block 4 has no tile yet, and is its own b.
        if (k >= 8) {
          s0 = at(w, k, h)
          s1 = at(w, k + 1, h)
          s2 = at(w, k + 2, h)
          s3 = at(w, k + 3, h)
        }
        if (k & 4) {
          s0 = fma<f64>(a1, a3, s0)
          s1 = fma<f64>(a2, a3, s1)
          if (k >= 8) {
            const b0 = at(a, 4, h)
            const b1 = at(a, 5, h)
            const b2 = at(a, 6, h)
            const b3 = at(a, 7, h)
            s0 = fma<f64>(a0, b0, s0)
            s1 = fma<f64>(a1, b0, fma<f64>(a0, b1, s1))
            s2 = fma<f64>(a2, b0, fma<f64>(a1, b1, fma<f64>(a0, b2, s2)))
            s3 = fma<f64>(a3, b0, fma<f64>(a2, b1, fma<f64>(a1, b2, fma<f64>(a0, b3, s3))))
          }
          s0 = fma<f64>(a2, a2, f64x2.add(s0, s0))
          s2 = fma<f64>(a3, a3, f64x2.add(s2, s2))
        } else {
          s1 = fma<f64>(a0, a1, s1)
          s2 = fma<f64>(a0, a2, s2)
          s3 = fma<f64>(a1, a2, fma<f64>(a0, a3, s3))
          s0 = fma<f64>(a0, a0, f64x2.add(s0, s0))
          s2 = fma<f64>(a1, a1, f64x2.add(s2, s2))
        }
        s1 = f64x2.add(s1, s1)
        s3 = f64x2.add(s3, s3)
      }
      const y0 = times(at(y, k, h), f0)
      let w0 = kind === ITSELF ? y0 : at(w, k, h)
      if (kind > ITSELF && k > 0) w0 = fma<f64>(u0, y0, s0)
      const y1 = times(fma<f64>(w0, x1, at(y, k + 1, h)), f1)
      if (k === 0) u1 = y1
      let w1 = kind === ITSELF ? y1 : at(w, k + 1, h)
      if (kind > ITSELF) w1 = fma<f64>(u0, y1, fma<f64>(u1, y0, s1))
      const y2 = times(fma<f64>(w1, x1, fma<f64>(w0, x2, at(y, k + 2, h))), f2)
      if (k === 0) u2 = y2
      let w2 = kind === ITSELF ? y2 : at(w, k + 2, h)
      if (kind > ITSELF) w2 = fma<f64>(u0, y2, fma<f64>(u2, y0, fma<f64>(u1, y1, s2)))
      const y3 = times(fma<f64>(w2, x1, fma<f64>(w1, x2, fma<f64>(w0, at(jx, 3, h), at(y, k + 3, h)))), f3)
      if (k === 0) u3 = y3
      if (kind > ITSELF) {
        put(w, k, h, w0)
        put(w, k + 1, h, w1)
        put(w, k + 2, h, w2)
        put(w, k + 3, h, fma<f64>(u0, y3, fma<f64>(u3, y0, fma<f64>(u1, y2, fma<f64>(u2, y1, s3)))))
      }
      put(y, k, h, y0)
      put(y, k + 1, h, y1)
      put(y, k + 2, h, y2)
      put(y, k + 3, h, y3)
    }
  }
}

/** y = a/x: x_0 y_k = a_k − Σ_{i<k} y_i x_{k−i}. Of x, `stored` orders may differ from zero. */
function quotient(y: usize, a: usize, x: usize, orders: usize, stored: usize): void {
  clear(y, 0, 4)
  for (let k: usize = 0; k < orders; k += 4) {
    if (k > 0) below(y, y, x, k, stored)
    for (let h: usize = 0; h < 4; h++) {
      const x0 = at(x, 0, h)
      const x1 = at(x, 1, h)
      const x2 = at(x, 2, h)
      const x3 = at(x, 3, h)
      const y0 = f64x2.div(f64x2.sub(at(a, k, h), at(y, k, h)), x0)
      const y1 = f64x2.div(f64x2.sub(at(a, k + 1, h), fma<f64>(y0, x1, at(y, k + 1, h))), x0)
      const y2 = f64x2.div(f64x2.sub(at(a, k + 2, h), fma<f64>(y1, x1, fma<f64>(y0, x2, at(y, k + 2, h)))), x0)
      const s3 = fma<f64>(y2, x1, fma<f64>(y1, x2, fma<f64>(y0, x3, at(y, k + 3, h))))
      put(y, k, h, y0)
      put(y, k + 1, h, y1)
      put(y, k + 2, h, y2)
      put(y, k + 3, h, f64x2.div(f64x2.sub(at(a, k + 3, h), s3), x0))
    }
  }
}

/** k x_0 y_k = Σ_{j=1}^{k} (j(r+1) − k) x_j y_{k−j} = (r+1) Σ (j x_j) y_{k−j} − k Σ x_j y_{k−j}, the second sum in v. y_0 is there. */
function power(r: f64, y: usize, jx: usize, x: usize, v: usize, orders: usize, stored: usize): void {
  clear(y, 1, orders)
  clear(v, 0, 4)
  for (let k: usize = 0; k < orders; k += 4) {
    if (k > 0) {
      below(y, y, jx, k, stored)
      below(v, y, x, k, stored)
    }
    for (let h: usize = 0; h < 4; h++) {
      const x0 = at(x, 0, h)
      const x1 = at(x, 1, h)
      const x2 = at(x, 2, h)
      const x3 = at(x, 3, h)
      let y0 = at(y, k, h)
      if (k > 0) y0 = f64x2.div(powerSum(r, k, y0, at(v, k, h)), times(x0, <f64>k))
      const s1 = powerSum(r, k + 1, at(y, k + 1, h), at(v, k + 1, h))
      const y1 = f64x2.div(fma<f64>(y0, weighted(r, k + 1, 1, x1), s1), times(x0, <f64>(k + 1)))
      let s2 = powerSum(r, k + 2, at(y, k + 2, h), at(v, k + 2, h))
      s2 = fma<f64>(y1, weighted(r, k + 2, 1, x1), fma<f64>(y0, weighted(r, k + 2, 2, x2), s2))
      const y2 = f64x2.div(s2, times(x0, <f64>(k + 2)))
      let s3 = powerSum(r, k + 3, at(y, k + 3, h), at(v, k + 3, h))
      s3 = fma<f64>(y1, weighted(r, k + 3, 2, x2), fma<f64>(y0, weighted(r, k + 3, 3, x3), s3))
      s3 = fma<f64>(y2, weighted(r, k + 3, 1, x1), s3)
      put(y, k, h, y0)
      put(y, k + 1, h, y1)
      put(y, k + 2, h, y2)
      put(y, k + 3, h, f64x2.div(s3, times(x0, <f64>(k + 3))))
    }
  }
}
/** @inline */
function powerSum(r: f64, k: usize, ofJx: v128, ofX: v128): v128 {
  return f64x2.sub(times(ofJx, r + 1), times(ofX, <f64>k))
}
/** (j(r+1) − k) x_j @inline */
function weighted(r: f64, k: usize, j: usize, x: v128): v128 {
  return times(x, <f64>j * (r + 1) - <f64>k)
}

/** `count` elements from x on, of orders that are n apart. Scratch is four stacks. */
export function series<T>(
  op: i32,
  r: f64,
  orders: usize,
  stored: usize,
  n: usize,
  count: usize,
  x: usize,
  out: usize,
  scratch: usize,
): void {
  const stride = n * sizeof<T>()
  const second: usize = 2 * sizeof<T>()
  const bytes = padded(orders) << 6
  const jx = scratch
  const y = jx + bytes
  const w = y + bytes
  const v = w + bytes
  for (let i: usize = 0; i < count; i += 8) {
    let result = y
    loadStack<T>(x, stride, stored, orders, true, jx)
    switch (op) {
      case SeriesCode.exp:
        exponential(jx, y, orders, stored)
        break
      case SeriesCode.log: {
        loadStack<T>(x, stride, stored, orders, false, v)
        logarithm(jx, y, w, v, orders, stored)
        break
      }
      case SeriesCode.tanh: {
        for (let h: usize = 0; h < 4; h++) {
          const x0 = at(jx, 0, h)
          const e = expm1Twice(x0)
          put(y, 0, h, tanhFrom(x0, e))
          put(w, 0, h, f64x2.neg(sech2From(x0, e)))
        }
        tangent(jx, y, w, orders, stored)
        break
      }
      case SeriesCode.sigmoid:
        logistic(jx, y, w, orders, stored)
        break
      case SeriesCode.softplus:
        plus(jx, y, w, v, orders, stored)
        break
      case SeriesCode.erf:
        fromGaussian(true, jx, y, w, v, orders, stored)
        break
      case SeriesCode.normalCdf:
        fromGaussian(false, jx, y, w, v, orders, stored)
        break
      case SeriesCode.reciprocal: {
        loadStack<T>(x, stride, stored, orders, false, v)
        clear(w, 0, orders)
        for (let h: usize = 0; h < 4; h++) put(w, 0, h, f64x2.splat(1))
        quotient(y, w, v, orders, stored)
        break
      }
      case SeriesCode.expm1:
        exponential(jx, y, orders, stored)
        break
      case SeriesCode.log1p: {
        loadStack<T>(x, stride, stored, orders, false, v)
        for (let h: usize = 0; h < 4; h++) put(v, 0, h, f64x2.add(f64x2.splat(1), at(v, 0, h)))
        for (let h: usize = 0; h < 4; h++) put(jx, 0, h, at(v, 0, h))
        logarithm(jx, y, w, v, orders, stored)
        break
      }
      case SeriesCode.gelu: {
        fromGaussian(false, jx, y, w, v, orders, stored)
        for (let h: usize = 0; h < 4; h++) put(y, 0, h, normalCdf(at(jx, 0, h)))
        result = w
        break
      }
      case SeriesCode.silu: {
        logistic(jx, y, w, orders, stored)
        result = w
        break
      }
      case SeriesCode.geluTanh: {
        // σ(2√(2/π)(x + 0.044715 x³)), with x² in w and x³ in y
        loadStack<T>(x, stride, stored, orders, false, v)
        multiply(w, v, v, orders, stored, stored)
        multiply(y, v, w, orders, stored, orders)
        for (let k: usize = 0; k < orders; k++) {
          const weight: f64 = k > 0 ? <f64>k : 1
          for (let h: usize = 0; h < 4; h++) {
            put(jx, k, h, times(f64x2.add(at(v, k, h), times(at(y, k, h), 0.044715)), 1.5957691216057308 * weight))
          }
        }
        clear(jx, orders, orders)
        logistic(jx, y, w, orders, orders)
        result = w
        break
      }
      default: {
        loadStack<T>(x, stride, stored, orders, false, w)
        for (let h: usize = 0; h < 4; h++) {
          const x0 = at(w, 0, h)
          let y0 = op === SeriesCode.power ? pow<f64>(x0, f64x2.splat(r)) : f64x2.sqrt(x0)
          if (op === SeriesCode.rsqrt) y0 = f64x2.div(f64x2.splat(1), y0)
          put(y, 0, h, inRange(x0, inRange(y0, y0)))
        }
        power(op === SeriesCode.sqrt ? 0.5 : op === SeriesCode.rsqrt ? -0.5 : r, y, jx, w, v, orders, stored)
      }
    }
    // x·g(x), the gate g in y
    if (result === w) {
      loadStack<T>(x, stride, stored, orders, false, v)
      multiply(w, v, y, orders, stored, orders)
    }
    storeStack<T>(result, orders, out, stride, count - i)
    x += 4 * second
    out += 4 * second
  }
}

/** v, or NaN where |x| is not between 2^−300 and 2^300: products may leave f64 where their quotients come back.
 *  @inline */
function inRange(x: v128, v: v128): v128 {
  const a = f64x2.abs(x)
  return v128.or(
    v,
    v128.or(f64x2.lt(a, f64x2.splat(4.909093465297727e-91)), f64x2.gt(a, f64x2.splat(2.037035976334486e90))),
  )
}

// y′ = y x′
function exponential(jx: usize, y: usize, orders: usize, stored: usize): void {
  for (let h: usize = 0; h < 4; h++) {
    const x0 = at(jx, 0, h)
    const a = f64x2.abs(x0)
    // e^x0 is infinite or subnormal where its multiples need not be. Farther out they are infinite or zero as well.
    const edge = v128.and(f64x2.gt(a, f64x2.splat(700)), f64x2.lt(a, f64x2.splat(1500)))
    put(y, 0, h, v128.or(exp(x0), edge))
  }
  integrate(ITSELF, y, jx, y, orders, stored, 1)
}

/** y = ∫ w dx times factor, from y_0 and a w that is known. */
function integral(y: usize, jx: usize, w: usize, orders: usize, stored: usize, factor: f64): void {
  integrate(GIVEN, y, jx, w, orders, stored, factor)
}

// y′ = −(y² − c²) x′, with c² − y_0² in −w_0
function tangent(jx: usize, y: usize, w: usize, orders: usize, stored: usize): void {
  integrate(SQUARE, y, jx, w, orders, stored, -1)
}

// y′ = x′/x: coefficients j y_j are made in w.
function logarithm(jx: usize, y: usize, w: usize, x: usize, orders: usize, stored: usize): void {
  for (let h: usize = 0; h < 4; h++) {
    put(y, 0, h, log(at(x, 0, h)))
    put(jx, 0, h, f64x2.splat(0))
  }
  quotient(w, jx, x, orders, stored)
  for (let k: usize = 1; k < orders; k++) {
    for (let h: usize = 0; h < 4; h++) put(y, k, h, f64x2.div(at(w, k, h), f64x2.splat(<f64>k)))
  }
}

// y − ½ = tanh(x/2)/2: its derivative is −((y − ½)² − ¼) x′, where y² − y would cancel near 0.
function logistic(jx: usize, y: usize, w: usize, orders: usize, stored: usize): void {
  for (let h: usize = 0; h < 4; h++) {
    const half = times(at(jx, 0, h), 0.5)
    const e = expm1Twice(half)
    put(y, 0, h, times(tanhFrom(half, e), 0.5))
    put(w, 0, h, times(sech2From(half, e), -0.25))
  }
  tangent(jx, y, w, orders, stored)
  for (let h: usize = 0; h < 4; h++) put(y, 0, h, sigmoid(at(jx, 0, h)))
}

// y′ = σ(x) x′
function plus(jx: usize, y: usize, w: usize, v: usize, orders: usize, stored: usize): void {
  logistic(jx, v, w, orders, stored)
  clear(y, 0, 4)
  integral(y, jx, v, orders, stored, 1)
}

// erf: y′ = 2/√π·exp(−x²) x′; Φ: y′ = 1/√(2π)·exp(−x²/2) x′. With e = −c x², e goes to v, and then j e_j; exp(e) to w.
function fromGaussian(isErf: bool, jx: usize, y: usize, w: usize, v: usize, orders: usize, stored: usize): void {
  const c: f64 = isErf ? 1 : 0.5
  // (x²)_k = (2/k) Σ_{j=1}^{k} (j x_j) x_{k−j}, with x in w until exp(e) is made.
  clear(w, stored, orders)
  for (let h: usize = 0; h < 4; h++) {
    const x0 = at(jx, 0, h)
    put(w, 0, h, x0)
    put(v, 0, h, times(f64x2.mul(x0, x0), -c))
    for (let k: usize = 1; k < stored; k++) put(w, k, h, f64x2.div(at(jx, k, h), f64x2.splat(<f64>k)))
  }
  integral(v, jx, w, orders, stored, -2 * c)
  for (let k: usize = 2; k < orders; k++) {
    for (let h: usize = 0; h < 4; h++) put(v, k, h, times(at(v, k, h), <f64>k))
  }
  // The square of x0 is not rounded.
  for (let h: usize = 0; h < 4; h++) put(w, 0, h, gaussian(at(jx, 0, h), c))
  integrate(ITSELF, w, v, w, orders, orders, 1)
  clear(y, 0, 4)
  integral(y, jx, w, orders, stored, isErf ? 1.1283791670955126 : 0.3989422804014327)
}

/** sin and cos of a series: s′ = c x′, c′ = −s x′. Scratch is three stacks. */
export function seriesSinCos<T>(
  orders: usize,
  stored: usize,
  n: usize,
  x: usize,
  sine: usize,
  cosine: usize,
  scratch: usize,
): void {
  const stride = n * sizeof<T>()
  const bytes = padded(orders) << 6
  const jx = scratch
  const s = jx + bytes
  const c = s + bytes
  for (let i: usize = 0; i < n; i += 8) {
    loadStack<T>(x, stride, stored, orders, true, jx)
    clear(s, 0, orders)
    clear(c, 0, orders)
    for (let h: usize = 0; h < 4; h++) {
      put(s, 0, h, sin(at(jx, 0, h)))
      put(c, 0, h, cos(at(jx, 0, h)))
    }
    for (let k: usize = 0; k < orders; k += 4) {
      if (k > 0) {
        below(s, c, jx, k, stored)
        below(c, s, jx, k, stored)
      }
      for (let h: usize = 0; h < 4; h++) {
        const x1 = at(jx, 1, h)
        const x2 = at(jx, 2, h)
        const x3 = at(jx, 3, h)
        const f0 = k > 0 ? 1 / <f64>k : 1
        const f1 = 1 / <f64>(k + 1)
        const f2 = 1 / <f64>(k + 2)
        const f3 = 1 / <f64>(k + 3)
        const s0 = times(at(s, k, h), f0)
        const c0 = times(at(c, k, h), k > 0 ? -f0 : 1)
        const s1 = times(fma<f64>(c0, x1, at(s, k + 1, h)), f1)
        const c1 = times(fma<f64>(s0, x1, at(c, k + 1, h)), -f1)
        const s2 = times(fma<f64>(c1, x1, fma<f64>(c0, x2, at(s, k + 2, h))), f2)
        const c2 = times(fma<f64>(s1, x1, fma<f64>(s0, x2, at(c, k + 2, h))), -f2)
        put(s, k + 3, h, times(fma<f64>(c2, x1, fma<f64>(c1, x2, fma<f64>(c0, x3, at(s, k + 3, h)))), f3))
        put(c, k + 3, h, times(fma<f64>(s2, x1, fma<f64>(s1, x2, fma<f64>(s0, x3, at(c, k + 3, h)))), -f3))
        put(s, k, h, s0)
        put(s, k + 1, h, s1)
        put(s, k + 2, h, s2)
        put(c, k, h, c0)
        put(c, k + 1, h, c1)
        put(c, k + 2, h, c2)
      }
    }
    storeStack<T>(s, orders, sine, stride, n - i)
    storeStack<T>(c, orders, cosine, stride, n - i)
    x += 8 * sizeof<T>()
    sine += 8 * sizeof<T>()
    cosine += 8 * sizeof<T>()
  }
}

/** out = a·b, out_k = Σ_j a_j b_{k−j}; a and b store p and q orders. Scratch is three stacks. */
export function cauchy<T>(
  orders: usize,
  p: usize,
  q: usize,
  n: usize,
  a: usize,
  b: usize,
  out: usize,
  scratch: usize,
): void {
  ofTwo<T>(false, orders, p, q, n, a, b, out, scratch)
}

/** The quotient or the product of two stacks. */
function ofTwo<T>(
  quotients: bool,
  orders: usize,
  p: usize,
  q: usize,
  n: usize,
  a: usize,
  b: usize,
  out: usize,
  scratch: usize,
): void {
  const stride = n * sizeof<T>()
  const bytes = padded(orders) << 6
  const left = scratch
  const right = left + bytes
  const y = right + bytes
  for (let i: usize = 0; i < n; i += 8) {
    loadStack<T>(a, stride, min(p, orders), orders, false, left)
    loadStack<T>(b, stride, min(q, orders), orders, false, right)
    if (quotients) quotient(y, left, right, orders, q)
    else multiply(y, left, right, orders, p, q)
    storeStack<T>(y, orders, out, stride, n - i)
    a += 8 * sizeof<T>()
    b += 8 * sizeof<T>()
    out += 8 * sizeof<T>()
  }
}

/** y = a·b. Of a and b, p and q orders are stored. */
function multiply(y: usize, a: usize, b: usize, orders: usize, p: usize, q: usize): void {
  clear(y, 0, 4)
  let unordered = f64x2.splat(0)
  for (let k: usize = 0; k < orders; k += 4) {
    if (k > 0) below(y, a, b, k, q)
    for (let h: usize = 0; h < 4; h++) {
      const a0 = at(a, k, h)
      const a1 = at(a, k + 1, h)
      const a2 = at(a, k + 2, h)
      const a3 = at(a, k + 3, h)
      const b0 = at(b, 0, h)
      const b1 = at(b, 1, h)
      const b2 = at(b, 2, h)
      const b3 = at(b, 3, h)
      const y0 = fma<f64>(a0, b0, at(y, k, h))
      const y1 = fma<f64>(a1, b0, fma<f64>(a0, b1, at(y, k + 1, h)))
      const y2 = fma<f64>(a2, b0, fma<f64>(a1, b1, fma<f64>(a0, b2, at(y, k + 2, h))))
      const y3 = fma<f64>(a3, b0, fma<f64>(a2, b1, fma<f64>(a1, b2, fma<f64>(a0, b3, at(y, k + 3, h)))))
      put(y, k, h, y0)
      put(y, k + 1, h, y1)
      put(y, k + 2, h, y2)
      put(y, k + 3, h, y3)
      unordered = f64x2.add(unordered, f64x2.add(f64x2.add(y0, y1), f64x2.add(y2, y3)))
    }
  }
  // A zero that is not stored may have met NaN or ±Inf, which only stored ones may.
  if (v128.any_true(f64x2.ne(unordered, unordered))) {
    for (let k: usize = 0; k < orders; k++) {
      for (let h: usize = 0; h < 4; h++) {
        let s = f64x2.splat(0)
        for (let j: usize = k < q ? 0 : k + 1 - q; j <= k && j < p; j++) s = fma<f64>(at(a, j, h), at(b, k - j, h), s)
        put(y, k, h, s)
      }
    }
  }
}

/**
 * out_j = Σ_{k ≥ j} c_k b_{k−j}; c and b store p and q orders. It is a product, with the orders of c and of the result in reverse:
 * out_{p−1−m} = Σ_i c_{p−1−i} b_{m−i}. Scratch is three stacks of p orders.
 */
export function correlate<T>(
  orders: usize,
  p: usize,
  q: usize,
  n: usize,
  c: usize,
  b: usize,
  out: usize,
  scratch: usize,
): void {
  const stride = n * sizeof<T>()
  const bytes = padded(p) << 6
  const left = scratch
  const right = left + bytes
  const y = right + bytes
  const made = min(orders, p)
  for (let i: usize = 0; i < n; i += 8) {
    // Strides may go backwards: addresses are computed modulo 2^32.
    loadStack<T>(c + (p - 1) * stride, 0 - stride, p, p, false, left)
    loadStack<T>(b, stride, min(q, p), p, false, right)
    multiply(y, left, right, p, p, q)
    storeStack<T>(y + ((p - made) << 6), made, out + (made - 1) * stride, 0 - stride, n - i)
    for (let j = made; j < orders; j++) {
      for (let e: usize = 0; e < min(8, n - i); e++) store<T>(out + j * stride + e * sizeof<T>(), 0)
    }
    c += 8 * sizeof<T>()
    b += 8 * sizeof<T>()
    out += 8 * sizeof<T>()
  }
}

/** out = a/b; a and b store p and q orders. Scratch is three stacks. */
export function seriesDiv<T>(
  orders: usize,
  p: usize,
  q: usize,
  n: usize,
  a: usize,
  b: usize,
  out: usize,
  scratch: usize,
): void {
  ofTwo<T>(true, orders, p, q, n, a, b, out, scratch)
}

/** Whether all of n numbers are finite. @part series */
export function finite<T>(n: usize, x: usize): bool {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  // v − v is NaN for NaN and ±Inf.
  let strange = v128.splat<T>(0)
  for (let i: usize = 0; i < whole; i += 16) {
    const d = v128.sub<T>(v128.load(x + i), v128.load(x + i))
    strange = v128.or(strange, v128.ne<T>(d, d))
  }
  if (whole < bytes) {
    const v = v128.and(v128.load(x + whole), tailMask(bytes - whole))
    const d = v128.sub<T>(v, v)
    strange = v128.or(strange, v128.ne<T>(d, d))
  }
  return !v128.any_true(strange)
}
