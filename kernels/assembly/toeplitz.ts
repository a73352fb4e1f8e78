// Sums of products of Taylor coefficients. A stack is [orders][8] in f64, eight elements side by side: order k lies k·64 bytes
// after order 0, and its elements are four vectors of f64x2.

import { fma } from './simd'

/**
 * sum_r = Σ_{i<terms} a_{first+i} b_{k+r−first−i}, r < 4, `terms` even: four orders at once, two terms in a step, in which 5 loads
 * of b and 2 of a serve 8 multiply-adds. Two sets of sums take turns, so that none waits for another; the exit between them makes
 * the compiler start over with its registers. With terms ≤ k − first no index of b is below 1.
 */
export function toeplitz(sum: usize, a: usize, b: usize, k: usize, first: usize, terms: usize): void {
  const from = a + (first << 6)
  const back = b + ((k - first - 1) << 6)
  for (let h: usize = 0; h < 64; h += 16) {
    let p = from + h
    let q = back + h
    const end = p + (terms << 6)
    let s0 = f64x2.splat(0)
    let s1 = s0
    let s2 = s0
    let s3 = s0
    let t0 = s0
    let t1 = s0
    let t2 = s0
    let t3 = s0
    while (p !== end) {
      let a0 = v128.load(p)
      let a1 = v128.load(p, 64)
      let b0 = v128.load(q)
      let b1 = v128.load(q, 64)
      let b2 = v128.load(q, 128)
      let b3 = v128.load(q, 192)
      let b4 = v128.load(q, 256)
      s0 = fma<f64>(a0, b1, fma<f64>(a1, b0, s0))
      s1 = fma<f64>(a0, b2, fma<f64>(a1, b1, s1))
      s2 = fma<f64>(a0, b3, fma<f64>(a1, b2, s2))
      s3 = fma<f64>(a0, b4, fma<f64>(a1, b3, s3))
      p += 128
      q -= 128
      if (p === end) break
      a0 = v128.load(p)
      a1 = v128.load(p, 64)
      b0 = v128.load(q)
      b1 = v128.load(q, 64)
      b2 = v128.load(q, 128)
      b3 = v128.load(q, 192)
      b4 = v128.load(q, 256)
      t0 = fma<f64>(a0, b1, fma<f64>(a1, b0, t0))
      t1 = fma<f64>(a0, b2, fma<f64>(a1, b1, t1))
      t2 = fma<f64>(a0, b3, fma<f64>(a1, b2, t2))
      t3 = fma<f64>(a0, b4, fma<f64>(a1, b3, t3))
      p += 128
      q -= 128
    }
    const c = sum + h
    v128.store(c, f64x2.add(s0, t0))
    v128.store(c, f64x2.add(s1, t1), 64)
    v128.store(c, f64x2.add(s2, t2), 128)
    v128.store(c, f64x2.add(s3, t3), 192)
  }
}
