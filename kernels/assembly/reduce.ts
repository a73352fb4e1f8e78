// Reductions of one axis of a dense x [outer, n, inner] into a dense out [outer, inner], apart from x; sums of f32 are
// accumulated in f64 and rounded once, others in T.

import { ReduceCode } from './codes'
import { scratchBase } from './memory'
import { fma, lanes, storePartial, tailMask } from './simd'
import { load2 } from './wide'

export function reduce<T>(op: i32, outer: usize, n: usize, inner: usize, x: usize, out: usize): void {
  // A mean is a sum that is divided.
  const by: f64 = op >= ReduceCode.mean ? <f64>n : 1
  for (let o: usize = 0; o < outer; o++) {
    switch (op & 3) {
      case ReduceCode.sum:
        one<T>(ReduceCode.sum, n, inner, x, out, by)
        break
      case ReduceCode.sumSquares:
        one<T>(ReduceCode.sumSquares, n, inner, x, out, by)
        break
      case ReduceCode.max:
        one<T>(ReduceCode.max, n, inner, x, out, by)
        break
      case ReduceCode.min:
        one<T>(ReduceCode.min, n, inner, x, out, by)
        break
    }
    x += n * inner * sizeof<T>()
    out += inner * sizeof<T>()
  }
}

/** @inline */
function one<T>(op: i32, n: usize, inner: usize, x: usize, out: usize, by: f64): void {
  if (isFloat<T>() && sizeof<T>() === 4 && op <= ReduceCode.sumSquares) {
    if (inner === 1) store<f32>(out, rowWide(op, n, x, by))
    else columnsWide(op, n, inner, x, out, by)
    return
  }
  if (inner === 1) store<T>(out, row<T>(op, n, x))
  else columns<T>(op, n, inner, x, out)
  if (isFloat<T>() && op <= ReduceCode.sumSquares) check(op, n, inner, x, out, by)
}

/** Divides sums of f64, and takes those that overflowed again. */
function check(op: i32, n: usize, inner: usize, x: usize, out: usize, by: f64): void {
  for (let j: usize = 0; j < inner * 8; j += 8) {
    store<f64>(out + j, checked<f64>(op, load<f64>(out + j) / by, n, x + j, inner * 8, by))
  }
}

/** @inline */
function identity<T>(op: i32): T {
  if (op === ReduceCode.max) return isFloat<T>() ? <T>-Infinity : <T>i32.MIN_VALUE
  if (op === ReduceCode.min) return isFloat<T>() ? <T>Infinity : <T>i32.MAX_VALUE
  return 0
}

/** v and what is accumulated. A NaN that is there stays: nothing is larger or smaller. @inline */
function term<T>(op: i32, v: v128, s: v128): v128 {
  if (op === ReduceCode.sum) return v128.add<T>(s, v)
  if (op === ReduceCode.sumSquares) return isFloat<T>() ? fma<T>(v, v, s) : v128.add<T>(v128.mul<T>(v, v), s)
  const better = op === ReduceCode.max ? v128.gt<T>(v, s) : v128.lt<T>(v, s)
  return v128.bitselect(v, s, isFloat<T>() ? v128.or(better, v128.ne<T>(v, v)) : better)
}

/** Two accumulated vectors as one. @inline */
function join<T>(op: i32, s: v128, t: v128): v128 {
  return op === ReduceCode.sumSquares ? v128.add<T>(s, t) : term<T>(op, t, s)
}

/** Four accumulators, joined in pairs. @inline */
function row<T>(op: i32, n: usize, x: usize): T {
  const end = x + n * sizeof<T>()
  const start = v128.splat<T>(identity<T>(op))
  let s0 = start
  let s1 = start
  let s2 = start
  let s3 = start
  for (; x + 64 <= end; x += 64) {
    s0 = term<T>(op, v128.load(x), s0)
    s1 = term<T>(op, v128.load(x, 16), s1)
    s2 = term<T>(op, v128.load(x, 32), s2)
    s3 = term<T>(op, v128.load(x, 48), s3)
  }
  for (; x + 16 <= end; x += 16) s0 = term<T>(op, v128.load(x), s0)
  if (x < end) s1 = term<T>(op, v128.bitselect(v128.load(x), start, tailMask(end - x)), s1)
  let s = join<T>(op, join<T>(op, s0, s1), join<T>(op, s2, s3))
  if (sizeof<T>() === 4) s = join<T>(op, s, v128.shuffle<i32>(s, s, 2, 3, 0, 1))
  s = join<T>(op, s, sizeof<T>() === 4 ? v128.shuffle<i32>(s, s, 1, 0, 3, 2) : v128.shuffle<i64>(s, s, 1, 0))
  return v128.extract_lane<T>(s, 0)
}

/** Two vectors of terms, added as they are in f32. Trees of them are exact where 2^k numbers are equal. @inline */
function pair(op: i32, v: v128, w: v128): v128 {
  return op === ReduceCode.sumSquares ? fma<f32>(w, w, f32x4.mul(v, v)) : f32x4.add(v, w)
}

/** The terms of four vectors `stride` apart. @inline */
function four(op: i32, p: usize, stride: usize): v128 {
  const low = pair(op, v128.load(p), v128.load(p + stride))
  return f32x4.add(low, pair(op, v128.load(p + 2 * stride), v128.load(p + 3 * stride)))
}

/** @inline */
function eight(op: i32, p: usize, stride: usize): v128 {
  return f32x4.add(four(op, p, stride), four(op, p + 4 * stride, stride))
}

/** @inline */
function high(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 0, 1))
}

/** A sum or mean of f32 or their squares, 64 at a time as a tree in f32, the trees in f64. @inline */
function rowWide(op: i32, n: usize, x: usize, by: f64): f32 {
  const end = x + n * 4
  let s = f64x2.splat(0)
  let t = s
  let p = x
  for (; p + 256 <= end; p += 256) {
    const v = f32x4.add(eight(op, p, 16), eight(op, p + 128, 16))
    s = f64x2.add(s, f64x2.promote_low_f32x4(v))
    t = f64x2.add(t, high(v))
  }
  for (; p + 8 <= end; p += 8) s = term<f64>(op, load2<f32>(p), s)
  if (p < end) t = term<f64>(op, f64x2(<f64>load<f32>(p), 0), t)
  s = f64x2.add(s, t)
  const total = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1)
  return <f32>checked<f32>(op, total / by, n, x, 4, by)
}

/** As `columns`, rows as trees in f32 and the trees in f64, in scratch. @inline */
function columnsWide(op: i32, n: usize, inner: usize, x: usize, out: usize, by: f64): void {
  const stride = inner * 4
  const sums = scratchBase()
  for (let j: usize = 0; j < stride; j += block) {
    const bytes = min(block, stride - j)
    memory.fill(sums, 0, 2 * bytes + 32)
    let p = x + j
    let r: usize = 0
    if ((stride & 4095) !== 0) {
      for (; r + 8 <= n; r += 8, p += 8 * stride) togetherWide(op, 8, p, stride, sums, bytes)
    }
    for (; r + 4 <= n; r += 4, p += 4 * stride) togetherWide(op, 4, p, stride, sums, bytes)
    for (; r < n; r++, p += stride) togetherWide(op, 1, p, stride, sums, bytes)
    for (let i: usize = 0; i < bytes; i += 4) {
      store<f32>(out + j + i, <f32>checked<f32>(op, load<f64>(sums + 2 * i) / by, n, x + j + i, stride, by))
    }
  }
}

/** @inline */
function togetherWide(op: i32, count: i32, p: usize, stride: usize, sums: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const to = sums + 2 * i
    if (count === 1) {
      v128.store(to, term<f64>(op, load2<f32>(p + i), v128.load(to)))
      v128.store(to, term<f64>(op, load2<f32>(p + i + 8), v128.load(to, 16)), 16)
      continue
    }
    const v = count === 8 ? eight(op, p + i, stride) : four(op, p + i, stride)
    v128.store(to, f64x2.add(v128.load(to), f64x2.promote_low_f32x4(v)))
    v128.store(to, f64x2.add(v128.load(to, 16), high(v)), 16)
  }
}

/** A result, or where it overflowed on the way the same from scaled numbers, `stride` bytes apart. @inline */
function checked<T>(op: i32, value: f64, n: usize, x: usize, stride: usize, by: f64): f64 {
  const most: f64 = sizeof<T>() === 4 ? <f64>f32.MAX_VALUE : f64.MAX_VALUE
  return abs(value) <= most ? value : retaken<T>(op, n, x, stride, by)
}

/** Numbers of f32 need no scale in f64; others get one at which no sum of 2^60 of them overflows. */
function retaken<T>(op: i32, n: usize, x: usize, stride: usize, by: f64): f64 {
  const scale: f64 = sizeof<T>() === 4 ? 1 : 1 / <f64>((<u64>1) << 60)
  let total: f64 = 0
  for (let r: usize = 0; r < n; r++, x += stride) {
    const v = <f64>load<T>(x) * scale
    total += op === ReduceCode.sumSquares ? v * v : v
  }
  total /= by
  return op === ReduceCode.sumSquares ? total / scale / scale : total / scale
}

/** Bytes of a block of columns, so that its part of out stays in the first cache while the rows go by. */
const block: usize = 8192

/** Rows are read as they lie in memory, eight at a time, and accumulated in out; two where they lie whole pages apart: there
 *  eight were measured at 2.0 times a sum of all, four at 1.4 and two at 1.3. @inline */
function columns<T>(op: i32, n: usize, inner: usize, x: usize, out: usize): void {
  const stride = inner * sizeof<T>()
  const start = v128.splat<T>(identity<T>(op))
  for (let j: usize = 0; j < stride; j += block) {
    const end = min(stride, j + block)
    for (let i = j; i < end; i += 16) storePartial<T>(out + i, start, end - i)
    let p = x
    let r: usize = 0
    if ((stride & 4095) !== 0) {
      for (; r + 8 <= n; r += 8, p += 8 * stride) together<T>(op, 8, p, stride, out, j, end)
    }
    for (; r + 2 <= n; r += 2, p += 2 * stride) together<T>(op, 2, p, stride, out, j, end)
    if (r < n) together<T>(op, 1, p, stride, out, j, end)
  }
}

/** Bytes j to end of `count` rows into out. @inline */
function together<T>(op: i32, count: i32, p: usize, stride: usize, out: usize, j: usize, end: usize): void {
  const whole = j + ((end - j) & ~15)
  let i = j
  for (; count === 2 && i + 64 <= end; i += 64) {
    v128.store(out + i, stacked<T>(op, count, p + i, stride, v128.load(out + i)))
    v128.store(out + i, stacked<T>(op, count, p + i + 16, stride, v128.load(out + i, 16)), 16)
    v128.store(out + i, stacked<T>(op, count, p + i + 32, stride, v128.load(out + i, 32)), 32)
    v128.store(out + i, stacked<T>(op, count, p + i + 48, stride, v128.load(out + i, 48)), 48)
  }
  for (; i < whole; i += 16) v128.store(out + i, stacked<T>(op, count, p + i, stride, v128.load(out + i)))
  if (whole < end)
    storePartial<T>(out + whole, stacked<T>(op, count, p + whole, stride, v128.load(out + whole)), end - whole)
}

/** A vector of each of one, two or eight rows and what is accumulated. @inline */
function stacked<T>(op: i32, count: i32, p: usize, stride: usize, s: v128): v128 {
  s = term<T>(op, v128.load(p), s)
  if (count === 1) return s
  s = term<T>(op, v128.load(p + stride), s)
  if (count === 2) return s
  const p4 = p + 4 * stride
  s = term<T>(op, v128.load(p + 2 * stride), s)
  s = term<T>(op, v128.load(p + 3 * stride), s)
  s = term<T>(op, v128.load(p4), s)
  s = term<T>(op, v128.load(p4 + stride), s)
  s = term<T>(op, v128.load(p4 + 2 * stride), s)
  return term<T>(op, v128.load(p4 + 3 * stride), s)
}

/** out [outer, inner] of i32: the first index of the largest element; the first NaN wins. */
export function argmax<T>(outer: usize, n: usize, inner: usize, x: usize, out: usize): void {
  const stride = inner * sizeof<T>()
  for (let o: usize = 0; o < outer; o++) {
    if (inner === 1) store<i32>(out, find<T>(n, x, row<T>(ReduceCode.max, n, x)))
    else
      for (let c: usize = 0; c < inner; c += lanes<T>())
        columnsArgmax<T>(n, stride, x + c * sizeof<T>(), inner - c, out + c * 4)
    x += n * stride
    out += inner * 4
  }
}

/** The first place of a value, or of a NaN, that is known to be in the row. */
function find<T>(n: usize, x: usize, value: T): i32 {
  const wanted = v128.splat<T>(value)
  const anyNaN = value !== value
  const bytes = n * sizeof<T>()
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) {
    const v = v128.load(x + i)
    if (v128.any_true(anyNaN ? v128.ne<T>(v, v) : v128.eq<T>(v, wanted))) break
  }
  for (; i < bytes; i += sizeof<T>()) {
    const v = load<T>(x + i)
    if (anyNaN ? v !== v : v === value) return <i32>(i / sizeof<T>())
  }
  return 0
}

/** A vector of columns at a time. Places are as wide as T. */
function columnsArgmax<T>(n: usize, stride: usize, x: usize, left: usize, out: usize): void {
  let best = v128.load(x)
  let at = i32x4.splat(0)
  for (let r: usize = 1; r < n; r++) {
    x += stride
    const v = v128.load(x)
    let better = v128.gt<T>(v, best)
    if (isFloat<T>()) better = v128.or(better, v128.andnot(v128.eq<T>(best, best), v128.eq<T>(v, v)))
    best = v128.bitselect(v, best, better)
    at = v128.bitselect(sizeof<T>() === 4 ? i32x4.splat(<i32>r) : i64x2.splat(<i64>r), at, better)
  }
  if (sizeof<T>() === 4) storePartial<f32>(out, at, left * 4)
  else {
    v128.store32_lane(out, at, 0)
    if (left > 1) v128.store32_lane(out, at, 2, 4)
  }
}
