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

/** The place in a row of probabilities, or of their logarithms, of the one above `half`; n if there is none. */
function dominant<T>(n: usize, y: usize, half: T): usize {
  const limit = v128.splat<T>(half)
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  let i: usize = 0
  for (; i + 64 <= whole; i += 64) {
    const a = v128.or(v128.gt<T>(v128.load(y + i), limit), v128.gt<T>(v128.load(y + i, 16), limit))
    const b = v128.or(v128.gt<T>(v128.load(y + i, 32), limit), v128.gt<T>(v128.load(y + i, 48), limit))
    if (v128.any_true(v128.or(a, b))) break
  }
  while (i < whole && !v128.any_true(v128.gt<T>(v128.load(y + i), limit))) i += 16
  if (i === whole) {
    if (i === bytes || !v128.any_true(v128.and(v128.gt<T>(v128.load(y + i), limit), tailMask(bytes - i)))) return n
  }
  while (!(load<T>(y + i) > half)) i += sizeof<T>()
  return i / sizeof<T>()
}

/** Σ x over a row */
function sumOf<T>(n: usize, x: usize): f64 {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  let total: f64 = 0
  for (let i: usize = 0; i < whole; ) {
    const end = min(whole, i + part)
    let s = v128.splat<T>(0)
    for (; i < end; i += 16) s = v128.add<T>(s, v128.load(x + i))
    total += <f64>sumLanes<T>(s)
  }
  if (whole < bytes) total += <f64>sumLanes<T>(v128.and(v128.load(x + whole), tailMask(bytes - whole)))
  return total
}

/** Σ x over a row but for the element at `at`: of probabilities, 1 − p where p rounds to 1. */
function sumWithout<T>(n: usize, x: usize, at: usize): f64 {
  return sumOf<T>(at, x) + sumOf<T>(n - 1 - at, x + (at + 1) * sizeof<T>())
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

/** Σ (a − shift) b over a row */
function dotRelative<T>(n: usize, a: usize, shift: T, b: usize): f64 {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const less = v128.splat<T>(shift)
  let total: f64 = 0
  for (let i: usize = 0; i < whole; ) {
    const end = min(whole, i + part)
    let s = v128.splat<T>(0)
    for (; i < end; i += 16) s = fma<T>(v128.sub<T>(v128.load(a + i), less), v128.load(b + i), s)
    total += <f64>sumLanes<T>(s)
  }
  if (whole < bytes) {
    const last = v128.mul<T>(v128.sub<T>(v128.load(a + whole), less), v128.load(b + whole))
    total += <f64>sumLanes<T>(v128.and(last, tailMask(bytes - whole)))
  }
  return total
}

/** gx = y ⊙ (ȳ − Σ ȳ y), for `lead` stacked cotangents */
export function softmaxGrad<T>(lead: usize, rows: usize, n: usize, y: usize, gy: usize, gx: usize): void {
  const bytes = n * sizeof<T>()
  const whole = bytes & ~15
  const tail = tailMask(bytes - whole)
  const half = v128.splat<T>(0.5)
  for (let l: usize = 0; l < lead; l++) {
    let run = y
    for (let r: usize = 0; r < rows; r++) {
      let sum: f64 = 0
      let above = v128.splat<T>(0)
      for (let i: usize = 0; i < whole; ) {
        const end = min(whole, i + part)
        let s = v128.splat<T>(0)
        let t = v128.splat<T>(0)
        for (; i + 32 <= end; i += 32) {
          const u = v128.load(run + i)
          const v = v128.load(run + i, 16)
          s = fma<T>(v128.load(gy + i), u, s)
          t = fma<T>(v128.load(gy + i, 16), v, t)
          above = v128.or(above, v128.or(v128.gt<T>(u, half), v128.gt<T>(v, half)))
        }
        if (i < end) {
          const u = v128.load(run + i)
          s = fma<T>(v128.load(gy + i), u, s)
          above = v128.or(above, v128.gt<T>(u, half))
          i += 16
        }
        sum += <f64>sumLanes<T>(v128.add<T>(s, t))
      }
      if (whole < bytes) {
        const u = v128.and(v128.load(run + whole), tail)
        sum += <f64>sumLanes<T>(v128.and(v128.mul<T>(v128.load(gy + whole), u), tail))
        above = v128.or(above, v128.gt<T>(u, half))
      }
      let shift = v128.splat<T>(0)
      if (v128.any_true(above)) {
        // Cotangents relative to that of m: where its probability rounds to 1, those of the others are the whole result.
        const own = load<T>(gy + dominant<T>(n, run, 0.5) * sizeof<T>())
        shift = v128.splat<T>(own)
        sum = dotRelative<T>(n, gy, own, run)
      }
      const dot = v128.splat<T>(<T>sum)
      for (let i: usize = 0; i < whole; i += 16) {
        v128.store(gx + i, v128.mul<T>(v128.load(run + i), v128.sub<T>(v128.sub<T>(v128.load(gy + i), shift), dot)))
      }
      if (whole < bytes) {
        const g = v128.mul<T>(v128.load(run + whole), v128.sub<T>(v128.sub<T>(v128.load(gy + whole), shift), dot))
        storePartial<T>(gx + whole, g, bytes - whole)
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
  const half = v128.splat<T>(0.5)
  for (let l: usize = 0; l < lead; l++) {
    let run = y
    for (let r: usize = 0; r < rows; r++) {
      const total = v128.splat<T>(<T>sumOf<T>(n, gy))
      let others: f64 = 0
      let above = v128.splat<T>(0)
      for (let i: usize = 0; i < whole; ) {
        const end = min(whole, i + part)
        let s = v128.splat<T>(0)
        for (; i < end; i += 16) {
          const p = exp<T>(v128.load(run + i))
          const own = v128.gt<T>(p, half)
          v128.store(gx + i, v128.sub<T>(v128.load(gy + i), v128.mul<T>(p, total)))
          s = v128.add<T>(s, v128.andnot(p, own))
          above = v128.or(above, own)
        }
        others += <f64>sumLanes<T>(s)
      }
      if (whole < bytes) {
        const p = exp<T>(v128.load(run + whole))
        const own = v128.and(v128.gt<T>(p, half), tail)
        storePartial<T>(gx + whole, v128.sub<T>(v128.load(gy + whole), v128.mul<T>(p, total)), bytes - whole)
        others += <f64>sumLanes<T>(v128.and(v128.andnot(p, own), tail))
        above = v128.or(above, own)
      }
      const m = v128.any_true(above) ? dominant<T>(n, run, -0.6931471805599453) : n
      if (m < n) {
        // ȳ_m − p_m Σ ȳ, with 1 − p_m as the sum of the other probabilities
        const at = m * sizeof<T>()
        const p = <f64>v128.extract_lane<T>(exp<T>(v128.splat<T>(load<T>(run + at))), 0)
        store<T>(gx + at, <T>(<f64>load<T>(gy + at) * others - p * sumWithout<T>(n, gy, m)))
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
    const label = <usize>load<i32>(labels)
    const chosen = gx + label * sizeof<T>()
    const own = load<T>(chosen)
    store<T>(chosen, own + own < s ? own - s : <T>-sumWithout<T>(n, gx, label))
    for (let l = lead; l-- > 0; ) {
      scale<T>(n, gx, load<T>(gy + l * rows * sizeof<T>()) / s, gx + l * rows * bytes)
    }
    x += bytes
    labels += 4
    gy += sizeof<T>()
    gx += bytes
  }
}
