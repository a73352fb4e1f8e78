import type { Kernels, MapOp, ZipOp } from '../contract.js'
import { eachRow, stepOf } from '../js/rows.js'
import type { Context } from './backend.js'
import { bytesPerElement } from './memory.js'
import { addressOf, type Region } from './region.js'

/** Numbers of the functions in assembly/map.ts; the others run on the js kernel. */
const mapOps: Partial<Record<MapOp, number>> = {
  abs: 0,
  neg: 1,
  relu: 2,
  step: 3,
  sign: 4,
  square: 5,
  sqrt: 6,
  reciprocal: 7,
  rsqrt: 8,
  exp: 9,
  expm1: 10,
  log: 11,
  log1p: 12,
  tanh: 13,
  sigmoid: 14,
  softplus: 15,
  erf: 16,
  normalCdf: 17,
  gelu: 18,
  silu: 19,
  geluTanh: 20,
}

/** Numbers of the functions in assembly/zip.ts; pow runs on the js kernel. */
const zipOps: Partial<Record<ZipOp, number>> = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  maximum: 4,
  minimum: 5,
  equal: 6,
  notEqual: 7,
  less: 8,
  lessEqual: 9,
  greater: 10,
  greaterEqual: 11,
}

const real = (region: Region) => region.dtype !== 'i32'

export const fillKernel =
  ({ exports, js }: Context): Kernels<Region>['fill'] =>
  (value, out) => {
    if (!real(out)) return js.fill(value, out)
    const run = out.dtype === 'f32' ? exports.fill_f32 : exports.fill_f64
    run(out.length, value, addressOf(out))
  }

export const mapKernel =
  ({ exports, js }: Context): Kernels<Region>['map'] =>
  (op, x, out) => {
    const number = mapOps[op]
    if (number === undefined) return js.map(op, x, out)
    const run = out.dtype === 'f32' ? exports.map_f32 : exports.map_f64
    run(number, out.length, addressOf(x), addressOf(out))
  }

export const affineKernel =
  ({ exports, js }: Context): Kernels<Region>['affine'] =>
  (x, scale, shift, out) => {
    if (!real(out)) return js.affine(x, scale, shift, out)
    const run = out.dtype === 'f32' ? exports.affine_f32 : exports.affine_f64
    run(out.length, addressOf(x), scale, shift, addressOf(out))
  }

export const axpyKernel =
  ({ exports }: Context): Kernels<Region>['axpy'] =>
  (x, scale, y, out) => {
    const run = out.dtype === 'f32' ? exports.axpy_f32 : exports.axpy_f64
    run(out.length, addressOf(x), scale, addressOf(y), addressOf(out))
  }

export const zipKernel =
  ({ exports, js }: Context): Kernels<Region>['zip'] =>
  (op, shape, a, aStrides, b, bStrides, out) => {
    const number = zipOps[op]
    if (number === undefined || !real(out)) return js.zip(op, shape, a, aStrides, b, bStrides, out)
    const run = out.dtype === 'f32' ? exports.zip_f32 : exports.zip_f64
    const size = bytesPerElement[out.dtype]
    const p = addressOf(a)
    const q = addressOf(b)
    const r = addressOf(out)
    const aStep = stepOf(shape, aStrides)
    const bStep = stepOf(shape, bStrides)
    // One run, both operands consecutive or one element for all; NaN is no step.
    if (aStep >= 0 && aStep <= 1 && bStep >= 0 && bStep <= 1) {
      run(number, 1, out.length, p, 0, aStep === 1, q, 0, bStep === 1, r)
      return
    }
    // Rows of the last axis, as many at a time as keep a constant stride.
    const rank = shape.length
    const n = shape[rank - 1]!
    const [aLast, bLast] = [aStrides[rank - 1]!, bStrides[rank - 1]!]
    if (!((aLast === 0 || aLast === 1 || n === 1) && (bLast === 0 || bLast === 1 || n === 1))) {
      return js.zip(op, shape, a, aStrides, b, bStrides, out)
    }
    const outer = shape.slice(0, -1)
    eachRow(outer, aStrides.slice(0, -1), bStrides.slice(0, -1), (rows, aFrom, aRow, bFrom, bRow, to) => {
      const [u, v] = [p + aFrom * size, q + bFrom * size]
      run(number, rows, n, u, aRow * size, aLast === 1, v, bRow * size, bLast === 1, r + to * n * size)
    })
  }
