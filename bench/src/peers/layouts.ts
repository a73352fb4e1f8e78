/** [b,c,h,w] as [b,h,w,c]. */
export function toNhwc(x: ArrayLike<number>, b: number, c: number, h: number, w: number): Float32Array {
  const out = new Float32Array(b * c * h * w)
  for (let i = 0, at = 0; i < b; i++) {
    for (let k = 0; k < c; k++) {
      for (let p = 0; p < h * w; p++, at++) out[(i * h * w + p) * c + k] = x[at]!
    }
  }
  return out
}

/** [b,h,w,c] as [b,c,h,w]. */
export function fromNhwc(x: ArrayLike<number>, b: number, c: number, h: number, w: number): Float32Array {
  const out = new Float32Array(b * c * h * w)
  for (let i = 0, at = 0; i < b; i++) {
    for (let k = 0; k < c; k++) {
      for (let p = 0; p < h * w; p++, at++) out[at] = x[(i * h * w + p) * c + k]!
    }
  }
  return out
}

/** [o,i,p,q] as [p,q,i,o]. */
export function toHwio(x: ArrayLike<number>, o: number, i: number, p: number, q: number): Float32Array {
  const out = new Float32Array(o * i * p * q)
  for (let a = 0, at = 0; a < o; a++) {
    for (let b = 0; b < i; b++) {
      for (let s = 0; s < p * q; s++, at++) out[(s * i + b) * o + a] = x[at]!
    }
  }
  return out
}
