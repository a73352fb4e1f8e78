import { MapCode, ZipCode } from '../../assembly/codes.js'
import type { Kernels } from '../contract.js'
import { eachRow, stepOf } from '../js/rows.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'
import { densely } from './rows.js'

type Names = 'fill' | 'cast' | 'map' | 'power' | 'affine' | 'axpy' | 'zip' | 'where'

/** Elements below which one thread is as fast as several. */
const SMALL = 1 << 15

/** Functions of every element on the module. */
export function elementwiseKernels(context: Context): Pick<Kernels<Region>, Names> {
  const { exports, threads } = context
  const { fill, cast, map, power, affine, axpy, zip, where } = exports
  const kernels: Pick<Kernels<Region>, Names> = {
    fill(value, out) {
      fill[out.dtype](out.length, value, addressOf(out))
    },
    cast(x, out) {
      cast[x.dtype][out.dtype](out.length, addressOf(x), addressOf(out))
    },
    map(op, x, out) {
      const [p, q] = [addressOf(x), addressOf(out)]
      const number = MapCode[op]
      if (threads.count === 1 || out.length < SMALL) return map[out.dtype](number, out.length, p, q)
      const size = bytesPerElement[out.dtype]
      threads.share('map', out.dtype, out.length, 16, (from, to) => [
        number,
        to - from,
        p + from * size,
        q + from * size,
      ])
    },
    power(x, r, out) {
      if (r === 2) return kernels.map('square', x, out)
      if (r === -1) return kernels.map('reciprocal', x, out)
      power[out.dtype](out.length, addressOf(x), r, addressOf(out))
    },
    affine(x, scale, shift, out) {
      affine[out.dtype](out.length, addressOf(x), scale, shift, addressOf(out))
    },
    axpy(x, scale, y, out) {
      axpy[out.dtype](out.length, addressOf(x), scale, addressOf(y), addressOf(out))
    },
    zip(op, shape, a, aStrides, b, bStrides, out) {
      const number = ZipCode[op]
      const run = zip[out.dtype]
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
      const size = bytesPerElement[out.dtype]
      const outer = shape.slice(0, -1)
      eachRow(outer, aStrides.slice(0, -1), bStrides.slice(0, -1), (rows, aFrom, aRow, bFrom, bRow, to) => {
        const [u, v] = [p + aFrom * size, q + bFrom * size]
        run(number, rows, n, u, aRow * size, aLast === 1, v, bRow * size, bLast === 1, r + to * n * size)
      })
    },
    where(shape, c, cStrides, a, aStrides, b, bStrides, out) {
      const run = where[out.dtype]
      const operands = [[c, cStrides] as const, [a, aStrides] as const, [b, bStrides] as const]
      densely(context, shape, operands, ([m, x, y]) => {
        run(out.length, m!.address, m!.step, x!.address, x!.step, y!.address, y!.step, addressOf(out))
      })
    },
  }
  return kernels
}
