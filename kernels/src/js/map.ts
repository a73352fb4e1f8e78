import type { MapOp, TypedArray } from '../contract.js'
import { erf, normalCdf, sigmoid } from './special.js'

type Loop = (x: TypedArray, out: TypedArray) => void

const SLOPE = Math.sqrt(2 / Math.PI)

// One loop a function, so that each stays monomorphic and is inlined.
const loops: Record<MapOp, Loop> = {
  abs: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.abs(x[i]!)
  },
  acos: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.acos(x[i]!)
  },
  asin: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.asin(x[i]!)
  },
  atan: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.atan(x[i]!)
  },
  cos: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.cos(x[i]!)
  },
  erf: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = erf(x[i]!)
  },
  exp: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.exp(x[i]!)
  },
  expm1: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.expm1(x[i]!)
  },
  gelu: (x, out) => {
    for (let i = 0; i < out.length; i++) {
      const v = x[i]!
      // −Inf·0 would be NaN; the limit is −0.
      out[i] = v < -39 ? -0 : v * normalCdf(v)
    }
  },
  geluTanh: (x, out) => {
    for (let i = 0; i < out.length; i++) {
      const v = x[i]!
      out[i] = v < -39 ? -0 : v * sigmoid(2 * SLOPE * (v + 0.044715 * v * v * v))
    }
  },
  log: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.log(x[i]!)
  },
  log1p: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.log1p(x[i]!)
  },
  neg: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = -x[i]!
  },
  normalCdf: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = normalCdf(x[i]!)
  },
  reciprocal: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = 1 / x[i]!
  },
  relu: (x, out) => {
    for (let i = 0; i < out.length; i++) {
      const v = x[i]!
      out[i] = v < 0 ? 0 : v
    }
  },
  rsqrt: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = 1 / Math.sqrt(x[i]!)
  },
  sigmoid: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = sigmoid(x[i]!)
  },
  sign: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.sign(x[i]!)
  },
  silu: (x, out) => {
    for (let i = 0; i < out.length; i++) {
      const v = x[i]!
      out[i] = v === -Infinity ? -0 : v * sigmoid(v)
    }
  },
  sin: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.sin(x[i]!)
  },
  softplus: (x, out) => {
    for (let i = 0; i < out.length; i++) {
      const v = x[i]!
      out[i] = (v > 0 ? v : v <= 0 ? 0 : v) + Math.log1p(Math.exp(-Math.abs(v)))
    }
  },
  sqrt: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.sqrt(x[i]!)
  },
  square: (x, out) => {
    for (let i = 0; i < out.length; i++) {
      const v = x[i]!
      out[i] = v * v
    }
  },
  step: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = x[i]! > 0 ? 1 : 0
  },
  tanh: (x, out) => {
    for (let i = 0; i < out.length; i++) out[i] = Math.tanh(x[i]!)
  },
}

export const map = (op: MapOp, x: TypedArray, out: TypedArray): void => loops[op](x, out)

export function affine(x: TypedArray, scale: number, shift: number, out: TypedArray): void {
  if (out instanceof Int32Array && Number.isInteger(scale) && Number.isInteger(shift)) {
    for (let i = 0; i < out.length; i++) out[i] = Math.imul(scale, x[i]!) + shift
    return
  }
  // Without a shift the sign of a zero survives.
  if (shift === 0) for (let i = 0; i < out.length; i++) out[i] = scale * x[i]!
  else for (let i = 0; i < out.length; i++) out[i] = scale * x[i]! + shift
}

export function power(x: TypedArray, r: number, out: TypedArray): void {
  for (let i = 0; i < out.length; i++) out[i] = x[i]! ** r
}

/** out = x + scale·y */
export function axpy(x: TypedArray, scale: number, y: TypedArray, out: TypedArray): void {
  for (let i = 0; i < out.length; i++) out[i] = x[i]! + scale * y[i]!
}
