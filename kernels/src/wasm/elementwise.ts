import type { Kernels, MapOp, ZipOp } from '../contract.js'
import { eachRow, stepOf } from '../js/rows.js'
import type { Context } from './context.js'
import { bytesPerElement } from './memory.js'
import { addressOf, type Region } from './region.js'
import { densely } from './rows.js'

/** Numbers of the functions in assembly/map.ts. */
export const mapOps: Record<MapOp, number> = {
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
  sin: 21,
  cos: 22,
}

/** Numbers of the functions in assembly/zip.ts. */
const zipOps: Record<ZipOp, number> = {
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
  pow: 12,
}

export function fillKernel({ exports }: Context): Kernels<Region>['fill'] {
  const on = { f32: exports.fill_f32, f64: exports.fill_f64, i32: exports.fill_i32 }
  return (value, out) => on[out.dtype](out.length, value, addressOf(out))
}

/** Between dtypes by the module; within one it is a copy. */
export function castKernel({ exports, heap }: Context): Kernels<Region>['cast'] {
  const between: Record<string, typeof exports.cast_f32_f64> = {
    f32f64: exports.cast_f32_f64,
    f32i32: exports.cast_f32_i32,
    f64f32: exports.cast_f64_f32,
    f64i32: exports.cast_f64_i32,
    i32f32: exports.cast_i32_f32,
    i32f64: exports.cast_i32_f64,
  }
  return (x, out) => {
    const [from, to] = [addressOf(x), addressOf(out)]
    if (x.dtype !== out.dtype) between[x.dtype + out.dtype]!(out.length, from, to)
    else heap.copy(from, to, out.length * bytesPerElement[out.dtype])
  }
}

/** Elements below which one thread is as fast as several. */
const SMALL = 1 << 15

export const mapKernel =
  ({ exports, threads }: Context): Kernels<Region>['map'] =>
  (op, x, out) => {
    const name = out.dtype === 'f32' ? 'map_f32' : 'map_f64'
    const [p, q] = [addressOf(x), addressOf(out)]
    if (threads.count === 1 || out.length < SMALL) return exports[name](mapOps[op], out.length, p, q)
    const size = bytesPerElement[out.dtype]
    threads.share(name, out.length, 16, (from, to) => [mapOps[op], to - from, p + from * size, q + from * size])
  }

export function powerKernel(context: Context): Kernels<Region>['power'] {
  const { exports } = context
  const map = mapKernel(context)
  return (x, r, out) => {
    if (r === 2) return map('square', x, out)
    if (r === -1) return map('reciprocal', x, out)
    const run = out.dtype === 'f32' ? exports.power_f32 : exports.power_f64
    run(out.length, addressOf(x), r, addressOf(out))
  }
}

export function affineKernel({ exports }: Context): Kernels<Region>['affine'] {
  const on = { f32: exports.affine_f32, f64: exports.affine_f64, i32: exports.affine_i32 }
  return (x, scale, shift, out) => on[out.dtype](out.length, addressOf(x), scale, shift, addressOf(out))
}

export const axpyKernel =
  ({ exports }: Context): Kernels<Region>['axpy'] =>
  (x, scale, y, out) => {
    const run = out.dtype === 'f32' ? exports.axpy_f32 : exports.axpy_f64
    run(out.length, addressOf(x), scale, addressOf(y), addressOf(out))
  }

export function zipKernel(context: Context): Kernels<Region>['zip'] {
  const { exports } = context
  const on = { f32: exports.zip_f32, f64: exports.zip_f64, i32: exports.zip_i32 }
  return (op, shape, a, aStrides, b, bStrides, out) => {
    const number = zipOps[op]
    const run = on[out.dtype]
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
      const operands = [[a, aStrides] as const, [b, bStrides] as const]
      densely(context, shape, operands, ([x, y]) => {
        run(number, 1, out.length, x!.address, 0, x!.step, y!.address, 0, y!.step, r)
      })
      return
    }
    const outer = shape.slice(0, -1)
    eachRow(outer, aStrides.slice(0, -1), bStrides.slice(0, -1), (rows, aFrom, aRow, bFrom, bRow, to) => {
      const [u, v] = [p + aFrom * size, q + bFrom * size]
      run(number, rows, n, u, aRow * size, aLast === 1, v, bRow * size, bLast === 1, r + to * n * size)
    })
  }
}

export function whereKernel(context: Context): Kernels<Region>['where'] {
  const { exports } = context
  const on = { f32: exports.where_f32, f64: exports.where_f64, i32: exports.where_i32 }
  return (shape, c, cStrides, a, aStrides, b, bStrides, out) => {
    const operands = [[c, cStrides] as const, [a, aStrides] as const, [b, bStrides] as const]
    densely(context, shape, operands, ([m, x, y]) => {
      on[out.dtype](out.length, m!.address, m!.step, x!.address, x!.step, y!.address, y!.step, addressOf(out))
    })
  }
}
