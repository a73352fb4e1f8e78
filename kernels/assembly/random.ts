// Numbers of a random stream, Philox4x32-10 (Salmon, Moraes, Dror & Shaw, 2011), to the bit those of src/js/random.ts: after
// the blocks only operations that IEEE 754 fixes, in the order given there, and so no fused multiplication. Four blocks at a
// time, kept in `scratch` as [word][block]; behind them is room for what a group makes beyond the ends of out.

import { RandomCode } from './codes'

const M0: u32 = 0xd2511f53
const M1: u32 = 0xcd9e8d57
const W0: u32 = 0x9e3779b9
const W1: u32 = 0xbb67ae85

/** Four blocks from b on, of the key (k0, k1), to `to`. */
function philox(b: u64, k0: u32, k1: u32, to: usize): void {
  const low = i64x2.add(i64x2.splat(b), i64x2(0, 1))
  const high = i64x2.add(i64x2.splat(b), i64x2(2, 3))
  let c0 = v128.shuffle<i32>(low, high, 0, 2, 4, 6)
  let c1 = v128.shuffle<i32>(low, high, 1, 3, 5, 7)
  let c2 = i32x4.splat(0)
  let c3 = c2
  let x = i32x4.splat(k0)
  let y = i32x4.splat(k1)
  const m0 = i32x4.splat(M0)
  const m1 = i32x4.splat(M1)
  const w0 = i32x4.splat(W0)
  const w1 = i32x4.splat(W1)
  for (let round: i32 = 0; round < 10; round++) {
    const p = i64x2.extmul_low_i32x4_u(m0, c0)
    const q = i64x2.extmul_high_i32x4_u(m0, c0)
    const r = i64x2.extmul_low_i32x4_u(m1, c2)
    const s = i64x2.extmul_high_i32x4_u(m1, c2)
    c0 = v128.xor(v128.xor(v128.shuffle<i32>(r, s, 1, 3, 5, 7), c1), x)
    c1 = v128.shuffle<i32>(r, s, 0, 2, 4, 6)
    c2 = v128.xor(v128.xor(v128.shuffle<i32>(p, q, 1, 3, 5, 7), c3), y)
    c3 = v128.shuffle<i32>(p, q, 0, 2, 4, 6)
    x = i32x4.add(x, w0)
    y = i32x4.add(y, w1)
  }
  v128.store(to, c0)
  v128.store(to, c1, 16)
  v128.store(to, c2, 32)
  v128.store(to, c3, 48)
}

/** Numbers that four blocks make. @inline */
function group<T>(kind: i32): usize {
  return kind === RandomCode.normal ? 4 : 64 / sizeof<T>()
}

/** Numbers offset … offset + n − 1 of the stream of `seed`. */
export function random<T>(kind: i32, seed: f64, offset: f64, n: usize, out: usize, scratch: usize): void {
  if (isInteger<T>()) numbers<T>(RandomCode.bits, <u64>seed, <u64>offset, n, out, scratch)
  else if (kind === RandomCode.normal) numbers<T>(RandomCode.normal, <u64>seed, <u64>offset, n, out, scratch)
  else numbers<T>(RandomCode.uniform, <u64>seed, <u64>offset, n, out, scratch)
}

/** @inline */
function numbers<T>(kind: i32, seed: u64, offset: u64, n: usize, out: usize, scratch: usize): void {
  const size: usize = sizeof<T>()
  const each: u64 = <u64>(group<T>(kind) / 4)
  const k0 = <u32>seed
  const k1 = <u32>(seed >> 32)
  const spare = scratch + 64
  let b = offset / each
  const skip = <usize>(offset - b * each)
  // Of the first group, the numbers before the offset are left out.
  let done: usize = 0
  if (skip > 0 && n > 0) {
    philox(b, k0, k1, scratch)
    make<T>(kind, scratch, spare)
    done = min(n, group<T>(kind) - skip)
    memory.copy(out, spare + skip * size, done * size)
    b += 4
  }
  for (; done + group<T>(kind) <= n; done += group<T>(kind), b += 4) {
    philox(b, k0, k1, scratch)
    make<T>(kind, scratch, out + done * size)
  }
  if (done < n) {
    philox(b, k0, k1, scratch)
    make<T>(kind, scratch, spare)
    memory.copy(out + done * size, spare, (n - done) * size)
  }
}

/** The numbers of four blocks. @inline */
function make<T>(kind: i32, blocks: usize, out: usize): void {
  const w0 = v128.load(blocks)
  const w1 = v128.load(blocks, 16)
  const w2 = v128.load(blocks, 32)
  const w3 = v128.load(blocks, 48)
  if (kind !== RandomCode.normal && sizeof<T>() === 4) {
    const low01 = v128.shuffle<i32>(w0, w1, 0, 4, 1, 5)
    const high01 = v128.shuffle<i32>(w0, w1, 2, 6, 3, 7)
    const low23 = v128.shuffle<i32>(w2, w3, 0, 4, 1, 5)
    const high23 = v128.shuffle<i32>(w2, w3, 2, 6, 3, 7)
    v128.store(out, word<T>(v128.shuffle<i64>(low01, low23, 0, 2)))
    v128.store(out, word<T>(v128.shuffle<i64>(low01, low23, 1, 3)), 16)
    v128.store(out, word<T>(v128.shuffle<i64>(high01, high23, 0, 2)), 32)
    v128.store(out, word<T>(v128.shuffle<i64>(high01, high23, 1, 3)), 48)
    return
  }
  const u = unit(w0, w1)
  const v = unit(w2, w3)
  const uHigh = unit(upper(w0), upper(w1))
  const vHigh = unit(upper(w2), upper(w3))
  if (kind === RandomCode.uniform) {
    v128.store(out, v128.shuffle<i64>(u, v, 0, 2))
    v128.store(out, v128.shuffle<i64>(u, v, 1, 3), 16)
    v128.store(out, v128.shuffle<i64>(uHigh, vHigh, 0, 2), 32)
    v128.store(out, v128.shuffle<i64>(uHigh, vHigh, 1, 3), 48)
    return
  }
  const x = normal(u, v)
  const y = normal(uHigh, vHigh)
  if (sizeof<T>() === 4) {
    v128.store64_lane(out, f32x4.demote_f64x2_zero(x), 0)
    v128.store64_lane(out, f32x4.demote_f64x2_zero(y), 0, 8)
  } else {
    v128.store(out, x)
    v128.store(out, y, 16)
  }
}

/** @inline */
function upper(v: v128): v128 {
  return v128.shuffle<i64>(v, v, 1, 0)
}

/** A word as it is, or its upper 24 bits in [0, 1). @inline */
function word<T>(w: v128): v128 {
  if (isInteger<T>()) return w
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(w, 8)), f32x4.splat(5.9604644775390625e-8))
}

/** 53 bits of two words, in [0, 1), for the first two blocks. @inline */
function unit(a: v128, b: v128): v128 {
  const high = f64x2.mul(f64x2.convert_low_i32x4_u(a), f64x2.splat(2097152))
  const all = f64x2.add(high, f64x2.convert_low_i32x4_u(i32x4.shr_u(b, 11)))
  return f64x2.mul(all, f64x2.splat(1.1102230246251565e-16))
}

/** √(−2 log(1 − u))·cos(2πv) */
function normal(u: v128, v: v128): v128 {
  const radius = f64x2.sqrt(f64x2.mul(f64x2.splat(-2), log(f64x2.sub(f64x2.splat(1), u))))
  return f64x2.mul(radius, cosTurn(v))
}

/** log x for 2⁻⁵³ ≤ x ≤ 1: x = 2^e m, √½ ≤ m < √2, log m = 2 artanh s with s = (m − 1)/(m + 1). @inline */
function log(x: v128): v128 {
  const field = i64x2.shr_u(x, 52)
  const m0 = v128.or(v128.and(x, i64x2.splat(0xfffffffffffff)), i64x2.splat(0x3ff0000000000000))
  const e0 = f64x2.sub(f64x2.convert_low_i32x4_s(v128.shuffle<i32>(field, field, 0, 2, 0, 2)), f64x2.splat(1023))
  const large = f64x2.gt(m0, f64x2.splat(1.4142135623730951))
  const m = v128.bitselect(f64x2.mul(m0, f64x2.splat(0.5)), m0, large)
  const e = f64x2.add(e0, v128.and(large, f64x2.splat(1)))
  const s = f64x2.div(f64x2.sub(m, f64x2.splat(1)), f64x2.add(m, f64x2.splat(1)))
  const z = f64x2.mul(s, s)
  let p = f64x2.splat(1.0 / 23)
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1.0 / 21))
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1.0 / 19))
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1.0 / 17))
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1.0 / 15))
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1.0 / 13))
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1.0 / 11))
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1.0 / 9))
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1.0 / 7))
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1.0 / 5))
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1.0 / 3))
  p = f64x2.add(f64x2.mul(p, z), f64x2.splat(1))
  return f64x2.add(f64x2.mul(e, f64x2.splat(0.6931471805599453)), f64x2.mul(f64x2.mul(f64x2.splat(2), s), p))
}

/** (1 + sum)·(−z/(k(k − 1))) @inline */
function taylor(sum: v128, minusZ: v128, k: f64): v128 {
  return f64x2.mul(f64x2.add(f64x2.splat(1), sum), f64x2.div(minusZ, f64x2.splat(k * (k - 1))))
}

/** cos(2πv) for 0 ≤ v < 1: the nearest quarter turn and Taylor's series of the rest, at most π/4. @inline */
function cosTurn(v: v128): v128 {
  const quarter = f64x2.floor(f64x2.add(f64x2.mul(v, f64x2.splat(4)), f64x2.splat(0.5)))
  const t = f64x2.mul(f64x2.splat(6.283185307179586), f64x2.sub(v, f64x2.mul(quarter, f64x2.splat(0.25))))
  const minusZ = f64x2.neg(f64x2.mul(t, t))
  let cos = f64x2.splat(0)
  let sin = cos
  for (let k: f64 = 18; k >= 2; k -= 2) {
    cos = taylor(cos, minusZ, k)
    sin = taylor(sin, minusZ, k + 1)
  }
  // Odd quarters take the sine; the quarters 1 and 2 change the sign.
  const odd = v128.or(f64x2.eq(quarter, f64x2.splat(1)), f64x2.eq(quarter, f64x2.splat(3)))
  const negative = v128.or(f64x2.eq(quarter, f64x2.splat(1)), f64x2.eq(quarter, f64x2.splat(2)))
  const y = v128.bitselect(f64x2.add(t, f64x2.mul(t, sin)), f64x2.add(f64x2.splat(1), cos), odd)
  return v128.xor(y, v128.and(negative, f64x2.splat(-0.0)))
}
