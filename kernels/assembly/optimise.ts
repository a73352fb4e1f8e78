// Elementwise steps of training: gradients of functions from their values, and the updates of SGD and AdamW. Buffers are
// dense; outputs are apart from inputs, but that gx may be ȳ.

import { exp as exp2 } from './math'
import { exp as exp4 } from './math32'
import { fma, storePartial } from './simd'

/** gx = ȳ·φ′, φ′ from v, which is φ(x) or x, for `lead` cotangents. Functions are numbered as in src/wasm/optimise.ts. */
export function mapGrad_f32(op: i32, lead: usize, n: usize, v: usize, gy: usize, gx: usize): void {
  mapGrad<f32>(op, lead, n, v, gy, gx)
}
export function mapGrad_f64(op: i32, lead: usize, n: usize, v: usize, gy: usize, gx: usize): void {
  mapGrad<f64>(op, lead, n, v, gy, gx)
}

function mapGrad<T>(op: i32, lead: usize, n: usize, v: usize, gy: usize, gx: usize): void {
  for (let l: usize = 0; l < lead; l++) {
    switch (op) {
      case 0: row<T>(0, n, v, gy, gx); break
      case 1: row<T>(1, n, v, gy, gx); break
      case 2: row<T>(2, n, v, gy, gx); break
      case 3: row<T>(3, n, v, gy, gx); break
    }
    gy += n * sizeof<T>()
    gx += n * sizeof<T>()
  }
}

// @ts-ignore: decorator
@inline
function row<T>(op: i32, n: usize, v: usize, gy: usize, gx: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  for (let i: usize = 0; i < whole; i += 16) v128.store(gx + i, value<T>(op, v128.load(v + i), v128.load(gy + i)))
  if (whole < bytes) storePartial<T>(gx + whole, value<T>(op, v128.load(v + whole), v128.load(gy + whole)), bytes - whole)
}

// @ts-ignore: decorator
@inline
function value<T>(op: i32, v: v128, g: v128): v128 {
  const one = v128.splat<T>(1)
  if (op == 0) return v128.mul<T>(g, v)
  if (op == 1) return v128.mul<T>(g, v128.and(v128.gt<T>(v, v128.splat<T>(0)), one))
  // σ(x)σ(−x) = e/(1 + e)², e = exp(−|x|), and 1/cosh² x the same of 2x, four times.
  const a = v128.or(v, v128.splat<T>(-0.0))
  const e = op == 2 ? decay<T>(a) : decay<T>(v128.add<T>(a, a))
  const d = v128.add<T>(one, e)
  const slope = v128.div<T>(e, v128.mul<T>(d, d))
  return v128.mul<T>(g, op == 2 ? slope : v128.mul<T>(slope, v128.splat<T>(4)))
}
// @ts-ignore: decorator
@inline
function decay<T>(x: v128): v128 {
  return sizeof<T>() == 4 ? exp4(x) : exp2(x)
}

export function sgd_f32(
  n: usize, rate: f64, momentum: f64, nesterov: bool, decay: f64, p: usize, g: usize, v: usize, pOut: usize, vOut: usize,
): void {
  sgd<f32>(n, rate, momentum, nesterov, decay, p, g, v, pOut, vOut)
}
export function sgd_f64(
  n: usize, rate: f64, momentum: f64, nesterov: bool, decay: f64, p: usize, g: usize, v: usize, pOut: usize, vOut: usize,
): void {
  sgd<f64>(n, rate, momentum, nesterov, decay, p, g, v, pOut, vOut)
}

function sgd<T>(
  n: usize, rate: f64, momentum: f64, nesterov: bool, decay: f64, p: usize, g: usize, v: usize, pOut: usize, vOut: usize,
): void {
  const bytes = n * sizeof<T>()
  const minus = v128.splat<T>(<T>-rate), mu = v128.splat<T>(<T>momentum), wd = v128.splat<T>(<T>decay)
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(p + i)
    const gradient = fma<T>(x, wd, v128.load(g + i))
    const velocity = fma<T>(v128.load(v + i), mu, gradient)
    const direction = nesterov ? fma<T>(velocity, mu, gradient) : velocity
    storePartial<T>(vOut + i, velocity, bytes - i)
    storePartial<T>(pOut + i, fma<T>(direction, minus, x), bytes - i)
  }
}

export function adamw_f32(
  n: usize, beta1: f64, beta2: f64, eps: f64, rate: f64, correction: f64, shrink: f64,
  p: usize, g: usize, m: usize, v: usize, pOut: usize, mOut: usize, vOut: usize,
): void {
  adamw<f32>(n, beta1, beta2, eps, rate, correction, shrink, p, g, m, v, pOut, mOut, vOut)
}
export function adamw_f64(
  n: usize, beta1: f64, beta2: f64, eps: f64, rate: f64, correction: f64, shrink: f64,
  p: usize, g: usize, m: usize, v: usize, pOut: usize, mOut: usize, vOut: usize,
): void {
  adamw<f64>(n, beta1, beta2, eps, rate, correction, shrink, p, g, m, v, pOut, mOut, vOut)
}

function adamw<T>(
  n: usize, beta1: f64, beta2: f64, eps: f64, rate: f64, correction: f64, shrink: f64,
  p: usize, g: usize, m: usize, v: usize, pOut: usize, mOut: usize, vOut: usize,
): void {
  const bytes = n * sizeof<T>()
  const b1 = v128.splat<T>(<T>beta1), a1 = v128.splat<T>(<T>(1 - beta1))
  const b2 = v128.splat<T>(<T>beta2), a2 = v128.splat<T>(<T>(1 - beta2))
  const e = v128.splat<T>(<T>eps), r = v128.splat<T>(<T>rate), c = v128.splat<T>(<T>correction), s = v128.splat<T>(<T>shrink)
  for (let i: usize = 0; i < bytes; i += 16) {
    const gradient = v128.load(g + i)
    const mean = fma<T>(v128.load(m + i), b1, v128.mul<T>(gradient, a1))
    // In this order a square overflows only where its share does.
    const square = fma<T>(v128.load(v + i), b2, v128.mul<T>(v128.mul<T>(gradient, a2), gradient))
    const deviation = fma<T>(v128.sqrt<T>(square), c, e)
    const update = v128.div<T>(v128.mul<T>(r, mean), deviation)
    storePartial<T>(mOut + i, mean, bytes - i)
    storePartial<T>(vOut + i, square, bytes - i)
    storePartial<T>(pOut + i, v128.sub<T>(v128.mul<T>(v128.load(p + i), s), update), bytes - i)
  }
}
