import type { TypedArray } from '../contract.js'

// Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011): block b of the stream
// of a key is a pure function of both. Everything after it uses operations that IEEE 754 fixes to the bit.

const M0 = 0xd2511f53
const M1 = 0xcd9e8d57
const W0 = 0x9e3779b9
const W1 = 0xbb67ae85

/** Upper and lower halves of the 64-bit product of two 32-bit numbers. */
function high(a: number, b: number): number {
  const [a1, a0, b1, b0] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff]
  const middle = a1 * b0 + ((a0 * b0) >>> 16)
  const carry = a0 * b1 + (middle & 0xffff)
  return (a1 * b1 + Math.floor(middle / 0x10000) + (carry >>> 16) + (carry >= 2 ** 32 ? 2 ** 16 : 0)) >>> 0
}

/** Words 0..3 of the block with counter (c0, c1, c2, c3) under the key (k0, k1), into `words`. */
export function philox(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  words: Uint32Array,
): void {
  for (let round = 0; round < 10; round++) {
    const h0 = high(M0, c0)
    const l0 = Math.imul(M0, c0) >>> 0
    const h1 = high(M1, c2)
    const l1 = Math.imul(M1, c2) >>> 0
    c0 = (h1 ^ c1 ^ k0) >>> 0
    c1 = l1
    c2 = (h0 ^ c3 ^ k1) >>> 0
    c3 = l0
    k0 = (k0 + W0) >>> 0
    k1 = (k1 + W1) >>> 0
  }
  words[0] = c0
  words[1] = c1
  words[2] = c2
  words[3] = c3
}

const words = new Uint32Array(4)

/** Block b of the stream of `seed`, both below 2^53. */
function block(seed: number, b: number): void {
  philox(b >>> 0, Math.floor(b / 2 ** 32), 0, 0, seed >>> 0, Math.floor(seed / 2 ** 32), words)
}

/** 53 bits of two words, in [0, 1). */
const unit = (i: number): number => (words[i]! * 2 ** 21 + (words[i + 1]! >>> 11)) * 2 ** -53

/**
 * Words, uniform f32 and uniform f64 take one, one and two words a number; a normal takes a block: Box–Muller's
 * √(−2 log u)·cos(2πv), of which the sine is not used, so that any number can be had alone.
 */
export function random(kind: 'uniform' | 'normal' | 'bits', seed: number, offset: number, out: TypedArray): void {
  if (kind === 'normal') {
    for (let i = 0; i < out.length; i++) {
      block(seed, offset + i)
      // 1 − u is in (0, 1].
      out[i] = Math.sqrt(-2 * log(1 - unit(0))) * cosTurn(unit(2))
    }
    return
  }
  const each = kind === 'uniform' && out instanceof Float64Array ? 2 : 1
  let current = -1
  for (let i = 0; i < out.length; i++) {
    const word = (offset + i) * each
    const b = Math.floor(word / 4)
    if (b !== current) block(seed, (current = b))
    const at = word - 4 * b
    out[i] = kind === 'bits' ? words[at]! | 0 : each === 2 ? unit(at) : (words[at]! >>> 8) * 2 ** -24
  }
}

const bits = new DataView(new ArrayBuffer(8))

/** log x for 2⁻⁵³ ≤ x ≤ 1: x = 2^e m, √½ ≤ m < √2, log m = 2 artanh s with s = (m − 1)/(m + 1). */
function log(x: number): number {
  bits.setFloat64(0, x)
  let e = (bits.getUint32(0) >>> 20) - 1023
  bits.setUint32(0, (bits.getUint32(0) & 0xfffff) | (1023 << 20))
  let m = bits.getFloat64(0)
  if (m > Math.SQRT2) {
    m /= 2
    e++
  }
  const s = (m - 1) / (m + 1)
  const z = s * s
  let p = 0
  // s² < 0.0295: the first term left out is below 2⁻⁶⁰.
  for (let k = 23; k >= 1; k -= 2) p = p * z + 1 / k
  return e * Math.LN2 + 2 * s * p
}

/** cos(2πv) for 0 ≤ v < 1: the nearest quarter turn and Taylor's series of the rest, at most π/4. */
function cosTurn(v: number): number {
  const quarter = Math.round(4 * v)
  const t = 2 * Math.PI * (v - quarter / 4)
  const z = t * t
  let cos = 0
  for (let k = 18; k >= 2; k -= 2) cos = (1 + cos) * (-z / (k * (k - 1)))
  let sin = 0
  for (let k = 19; k >= 3; k -= 2) sin = (1 + sin) * (-z / (k * (k - 1)))
  switch (quarter & 3) {
    case 0:
      return 1 + cos
    case 1:
      return -(t + t * sin)
    case 2:
      return -(1 + cos)
    default:
      return t + t * sin
  }
}
