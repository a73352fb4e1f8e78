// softmax and its relatives over the rows of a dense [rows, n], whose labels are i32 [rows]; outputs are dense and apart from
// inputs. A row is read from memory once: its later passes find it in the first cache.

import { exp as exp2, log } from './math'
import { exp as exp4, expNegative } from './math32'
import { fma, maxLanes, storePartial, sumLanes, tailMask } from './simd'

/** @inline */
function exp<T>(x: v128): v128 {
  return sizeof<T>() === 4 ? exp4(x) : exp2(x)
}

/** e^x for x ≤ 0 @inline */
function decay<T>(x: v128): v128 {
  return sizeof<T>() === 4 ? expNegative(x) : exp2(x)
}

/** The largest element of a row, NaN left out: where there is one, sums of exponentials are NaN anyway. */
function largest<T>(n: usize, x: usize): T {
  const end = x + n * sizeof<T>()
  const lowest = v128.splat<T>(<T>-Infinity)
  let m0 = lowest
  let m1 = lowest
  let m2 = lowest
  let m3 = lowest
  for (; x + 64 <= end; x += 64) {
    m0 = v128.pmax<T>(m0, v128.load(x))
    m1 = v128.pmax<T>(m1, v128.load(x, 16))
    m2 = v128.pmax<T>(m2, v128.load(x, 32))
    m3 = v128.pmax<T>(m3, v128.load(x, 48))
  }
  for (; x + 16 <= end; x += 16) m0 = v128.pmax<T>(m0, v128.load(x))
  if (x < end) m1 = v128.pmax<T>(m1, v128.bitselect(v128.load(x), lowest, tailMask(end - x)))
  return maxLanes<T>(v128.pmax<T>(v128.pmax<T>(m0, m1), v128.pmax<T>(m2, m3)))
}

/** Bytes of a row that are summed in T; these sums are added up in f64. */
const part: usize = 4096

/** Σ e^(x − m) over a row; m is its largest element. @inline */
function sumOfExp<T>(n: usize, x: usize, m: v128): T {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  let total: f64 = 0
  let i: usize = 0
  while (i < whole) {
    const end = min(whole, i + part)
    let s = v128.splat<T>(0)
    for (; i < end; i += 16) s = v128.add<T>(s, decay<T>(v128.sub<T>(v128.load(x + i), m)))
    total += <f64>sumLanes<T>(s)
  }
  if (whole < bytes) {
    total += <f64>sumLanes<T>(v128.and(decay<T>(v128.sub<T>(v128.load(x + whole), m)), tailMask(bytes - whole)))
  }
  return <T>total
}

/** out = e^(x − m) over a row; its sum. @inline */
function expAndSum<T>(n: usize, x: usize, m: v128, out: usize): T {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  let total: f64 = 0
  let i: usize = 0
  while (i < whole) {
    const end = min(whole, i + part)
    let s = v128.splat<T>(0)
    for (; i < end; i += 16) {
      const e = decay<T>(v128.sub<T>(v128.load(x + i), m))
      v128.store(out + i, e)
      s = v128.add<T>(s, e)
    }
    total += <f64>sumLanes<T>(s)
  }
  if (whole < bytes) {
    const e = decay<T>(v128.sub<T>(v128.load(x + whole), m))
    storePartial<T>(out + whole, e, bytes - whole)
    total += <f64>sumLanes<T>(v128.and(e, tailMask(bytes - whole)))
  }
  return <T>total
}

/** out = factor·x over a row; out may be x. @inline */
function scale<T>(n: usize, x: usize, factor: T, out: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const by = v128.splat<T>(factor)
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, v128.mul<T>(v128.load(x + i), by))
  if (whole < bytes) storePartial<T>(out + whole, v128.mul<T>(v128.load(x + whole), by), bytes - whole)
}

/** @inline */
function logOf<T>(s: T): f64 {
  return f64x2.extract_lane(log(f64x2.splat(<f64>s)), 0)
}

/** exp(x − max) / Σ exp(x − max) */
export function softmax<T>(rows: usize, n: usize, x: usize, out: usize): void {
  const bytes = n * sizeof<T>()
  for (let r: usize = 0; r < rows; r++) {
    const s = expAndSum<T>(n, x, v128.splat<T>(largest<T>(n, x)), out)
    scale<T>(n, out, <T>1 / s, out)
    x += bytes
    out += bytes
  }
}

/** x − max − log Σ exp(x − max) */
export function logSoftmax<T>(rows: usize, n: usize, x: usize, out: usize): void {
  const bytes = n * sizeof<T>()
  for (let r: usize = 0; r < rows; r++) {
    const m = v128.splat<T>(largest<T>(n, x))
    const shift = v128.splat<T>(<T>logOf<T>(sumOfExp<T>(n, x, m)))
    // x − m is exact where it matters, so the two are not added first.
    for (let i: usize = 0; i < bytes; i += 16) {
      storePartial<T>(out + i, v128.sub<T>(v128.sub<T>(v128.load(x + i), m), shift), bytes - i)
    }
    x += bytes
    out += bytes
  }
}

/** gx = y ⊙ (ȳ − Σ ȳ y), for `lead` stacked cotangents */
export function softmaxGrad<T>(lead: usize, rows: usize, n: usize, y: usize, gy: usize, gx: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const tail = tailMask(bytes - whole)
  for (let l: usize = 0; l < lead; l++) {
    let run = y
    for (let r: usize = 0; r < rows; r++) {
      let sum: f64 = 0
      for (let i: usize = 0; i < whole; ) {
        const end = min(whole, i + part)
        let s = v128.splat<T>(0)
        for (; i < end; i += 16) s = fma<T>(v128.load(gy + i), v128.load(run + i), s)
        sum += <f64>sumLanes<T>(s)
      }
      if (whole < bytes)
        sum += <f64>sumLanes<T>(v128.and(v128.mul<T>(v128.load(gy + whole), v128.load(run + whole)), tail))
      const dot = v128.splat<T>(<T>sum)
      for (let i: usize = 0; i < bytes; i += 16) {
        const g = v128.mul<T>(v128.load(run + i), v128.sub<T>(v128.load(gy + i), dot))
        storePartial<T>(gx + i, g, bytes - i)
      }
      run += bytes
      gy += bytes
      gx += bytes
    }
  }
}

/** gx = ȳ − exp(y) Σ ȳ, for `lead` stacked cotangents */
export function logSoftmaxGrad<T>(lead: usize, rows: usize, n: usize, y: usize, gy: usize, gx: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const tail = tailMask(bytes - whole)
  for (let l: usize = 0; l < lead; l++) {
    let run = y
    for (let r: usize = 0; r < rows; r++) {
      let sum: f64 = 0
      for (let i: usize = 0; i < whole; ) {
        const end = min(whole, i + part)
        let s = v128.splat<T>(0)
        for (; i < end; i += 16) s = v128.add<T>(s, v128.load(gy + i))
        sum += <f64>sumLanes<T>(s)
      }
      if (whole < bytes) sum += <f64>sumLanes<T>(v128.and(v128.load(gy + whole), tail))
      const total = v128.splat<T>(<T>sum)
      for (let i: usize = 0; i < bytes; i += 16) {
        const g = v128.sub<T>(v128.load(gy + i), v128.mul<T>(exp<T>(v128.load(run + i)), total))
        storePartial<T>(gx + i, g, bytes - i)
      }
      run += bytes
      gy += bytes
      gx += bytes
    }
  }
}

/** log Σ exp(x − max) − (x_label − max) */
export function crossEntropy<T>(rows: usize, n: usize, x: usize, labels: usize, out: usize): void {
  const bytes = n * sizeof<T>()
  for (let r: usize = 0; r < rows; r++) {
    const m = largest<T>(n, x)
    const chosen = <f64>load<T>(x + <usize>load<i32>(labels) * sizeof<T>()) - <f64>m
    store<T>(out, <T>(logOf<T>(sumOfExp<T>(n, x, v128.splat<T>(m))) - chosen))
    x += bytes
    labels += 4
    out += sizeof<T>()
  }
}

/** Σ of a row but for the element at `chosen`: of probabilities, 1 − p where p rounds to 1. */
function sumWithout<T>(n: usize, x: usize, chosen: usize): T {
  let sum: f64 = 0
  const end = x + n * sizeof<T>()
  for (; x < end; x += sizeof<T>()) if (x !== chosen) sum += <f64>load<T>(x)
  return <T>sum
}

/** gx_j = ȳ (exp(x_j − max) / Σ exp(x − max) − [j = label]), for `lead` stacked cotangents */
export function crossEntropyGrad<T>(
  lead: usize,
  rows: usize,
  n: usize,
  x: usize,
  labels: usize,
  gy: usize,
  gx: usize,
): void {
  if (lead === 0) return
  const bytes = n * sizeof<T>()
  for (let r: usize = 0; r < rows; r++) {
    // All cotangents scale e − s·[j = label]. It lies where the result of the first one, which comes last, will be.
    const s = expAndSum<T>(n, x, v128.splat<T>(largest<T>(n, x)), gx)
    const chosen = gx + <usize>load<i32>(labels) * sizeof<T>()
    const own = load<T>(chosen)
    store<T>(chosen, own + own < s ? own - s : -sumWithout<T>(n, gx, chosen))
    for (let l = lead; l-- > 0; ) {
      scale<T>(n, gx, load<T>(gy + l * rows * sizeof<T>()) / s, gx + l * rows * bytes)
    }
    x += bytes
    labels += 4
    gy += sizeof<T>()
    gx += bytes
  }
}
