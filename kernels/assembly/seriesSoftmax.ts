// softmax of a stack of Taylor coefficients, x [stored][rows][n] into out [orders][rows][n], over each row of n:
// k y_{i,k} = Σ_{j=1}^{k} (j x_{i,j} − M_j) y_{i,k−j}, M_j = Σ_i Σ_{p=1}^{j} p x_{i,p} y_{i,j−p}. A row is copied to `scratch` as
// f64: y, then j x, both [orders][n rounded up to even], then M; the lanes added are zero.

import { exp } from './math'
import { fma, maxLanes, sumLanes } from './simd'
import { load2, store2 } from './wide'

/** Elements i and i + 1, or i and a zero when there is one left. @inline */
function pair<T>(address: usize, left: usize): v128 {
  const v = load2<T>(address)
  return left > 1 ? v : f64x2.replace_lane(v, 1, 0)
}

export function seriesSoftmax<T>(
  orders: usize,
  stored: usize,
  rows: usize,
  n: usize,
  x: usize,
  out: usize,
  scratch: usize,
): void {
  const size: usize = sizeof<T>()
  const stride = rows * n * size
  const line = ((n + 1) & ~1) << 3
  const y = scratch
  const jx = y + orders * line
  const m = jx + orders * line
  for (let r: usize = 0; r < rows; r++) {
    let largest = f64x2.splat(-Infinity)
    for (let i: usize = 0; i < n; i += 2) {
      const v = load2<T>(x + i * size)
      largest = f64x2.pmax(largest, i + 1 < n ? v : v128.shuffle<f64>(v, v, 0, 0))
    }
    const most = f64x2.splat(maxLanes<f64>(largest))
    let total = f64x2.splat(0)
    for (let i: usize = 0; i < n; i += 2) {
      const e = exp(f64x2.sub(load2<T>(x + i * size), most))
      const v = i + 1 < n ? e : f64x2.replace_lane(e, 1, 0)
      total = f64x2.add(total, v)
      v128.store(y + (i << 3), v)
    }
    const sum = f64x2.splat(sumLanes<f64>(total))
    for (let i: usize = 0; i < line; i += 16) v128.store(y + i, f64x2.div(v128.load(y + i), sum))
    // Relative to the largest element: where its y is 1, the changes of the others are the whole derivative.
    let chosen: usize = 0
    while (chosen + 1 < n && <f64>load<T>(x + chosen * size) !== f64x2.extract_lane(most, 0)) chosen++
    for (let k: usize = 1; k < stored; k++) {
      const times = f64x2.splat(<f64>k)
      const shift = f64x2.splat(<f64>load<T>(x + k * stride + chosen * size))
      for (let i: usize = 0; i < n; i += 2) {
        v128.store(
          jx + k * line + (i << 3),
          f64x2.mul(f64x2.sub(pair<T>(x + k * stride + i * size, n - i), shift), times),
        )
      }
    }
    for (let k: usize = 1; k < orders; k++) {
      const to = y + k * line
      const last = min(k, stored - 1)
      let all = f64x2.splat(0)
      for (let i: usize = 0; i < line; i += 16) {
        let s = f64x2.splat(0)
        let p = jx + line + i
        let q = to - line + i
        for (let j: usize = 1; j <= last; j++, p += line, q -= line) s = fma<f64>(v128.load(p), v128.load(q), s)
        v128.store(to + i, s)
        all = f64x2.add(all, s)
      }
      store<f64>(m + (k << 3), sumLanes<f64>(all))
      const order = f64x2.splat(<f64>k)
      for (let i: usize = 0; i < line; i += 16) {
        let s = v128.load(to + i)
        let q = to - line + i
        for (let j: usize = 1; j <= k; j++, q -= line) {
          s = f64x2.sub(s, f64x2.mul(v128.load64_splat(m + (j << 3)), v128.load(q)))
        }
        v128.store(to + i, f64x2.div(s, order))
      }
    }
    for (let k: usize = 0; k < orders; k++) {
      for (let i: usize = 0; i < n; i += 2)
        store2<T>(out + k * stride + i * size, v128.load(y + k * line + (i << 3)), n - i)
    }
    x += n * size
    out += n * size
  }
}
