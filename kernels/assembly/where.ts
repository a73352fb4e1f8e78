// out[i] = c[i] ≠ 0 ? a[i] : b[i], i < n; out is dense and apart; each operand is dense (step 1) or one element for all (step
// 0). NaN is not zero.

import { storePartial } from './simd'

export function where<T>(
  n: usize,
  c: usize,
  cStep: bool,
  a: usize,
  aStep: bool,
  b: usize,
  bStep: bool,
  out: usize,
): void {
  const bytes = n * sizeof<T>()
  if (bytes === 0) return
  const zero = v128.splat<T>(0)
  const c0 = v128.load_splat<T>(c)
  const a0 = v128.load_splat<T>(a)
  const b0 = v128.load_splat<T>(b)
  for (let i: usize = 0; i < bytes; i += 16) {
    const mask = v128.ne<T>(cStep ? v128.load(c + i) : c0, zero)
    const v = v128.bitselect(aStep ? v128.load(a + i) : a0, bStep ? v128.load(b + i) : b0, mask)
    storePartial<T>(out + i, v, bytes - i)
  }
}
