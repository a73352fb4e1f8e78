// Rows picked by an i32 index [count], 0 ≤ index < axis, and their adjoint. All buffers are dense: x of gather and out of
// scatterAdd are [outer, axis, inner], the others [outer, count, inner]; out is apart from inputs.

import { move, storePartial } from './simd'
import { load2, store2 } from './wide'

/** out[o, i, ·] = x[o, index[i], ·] on elements of 4 or 8 bytes */
export function gather<T>(
  outer: usize,
  axis: usize,
  inner: usize,
  count: usize,
  index: usize,
  x: usize,
  out: usize,
): void {
  const bytes = inner * sizeof<T>()
  for (let o: usize = 0; o < outer; o++) {
    if (inner === 1) {
      for (let i: usize = 0; i < count; i++, out += sizeof<T>()) {
        move<T>(out, x + <usize>load<i32>(index + i * 4) * sizeof<T>())
      }
    } else {
      for (let i: usize = 0; i < count; i++, out += bytes) {
        const from = x + <usize>load<i32>(index + i * 4) * bytes
        if (bytes >= 512) memory.copy(out, from, bytes)
        else for (let p: usize = 0; p < bytes; p += 16) storePartial<T>(out + p, v128.load(from + p), bytes - p)
      }
    }
    x += axis * bytes
  }
}

/** The same with sums of f64, in scratch for [axis, inner] of them, where many rows may go to one.
 *  @part scatterAdd */
export function scatterAddWide(
  outer: usize,
  axis: usize,
  inner: usize,
  count: usize,
  index: usize,
  y: usize,
  out: usize,
  scratch: usize,
): void {
  const size = axis * inner
  for (let o: usize = 0; o < outer; o++) {
    memory.fill(scratch, 0, size * 8)
    for (let i: usize = 0; i < count; i++, y += inner * 4) {
      const to = scratch + <usize>load<i32>(index + i * 4) * inner * 8
      for (let c: usize = 0; c < inner; c += 2) {
        const sum = f64x2.add(v128.load(to + c * 8), load2<f32>(y + c * 4))
        if (c + 1 < inner) v128.store(to + c * 8, sum)
        else v128.store64_lane(to + c * 8, sum, 0)
      }
    }
    for (let c: usize = 0; c < size; c += 2) store2<f32>(out + c * 4, v128.load(scratch + c * 8), size - c)
    out += size * 4
  }
}

/** out[o, index[i], ·] += y[o, i, ·], from zeros on */
export function scatterAdd<T>(
  outer: usize,
  axis: usize,
  inner: usize,
  count: usize,
  index: usize,
  y: usize,
  out: usize,
): void {
  const bytes = inner * sizeof<T>()
  memory.fill(out, 0, outer * axis * bytes)
  for (let o: usize = 0; o < outer; o++) {
    for (let i: usize = 0; i < count; i++, y += bytes) {
      const to = out + <usize>load<i32>(index + i * 4) * bytes
      if (inner === 1) store<T>(to, load<T>(to) + load<T>(y))
      else
        for (let p: usize = 0; p < bytes; p += 16)
          storePartial<T>(to + p, v128.add<T>(v128.load(to + p), v128.load(y + p)), bytes - p)
    }
    out += axis * bytes
  }
}
