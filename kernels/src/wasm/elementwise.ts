import { MapCode, ZipCode } from '../../assembly/codes.js'
import type { Kernels } from '../contract.js'
import { eachRow, stepOf } from '../js/rows.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'
import { densely } from './rows.js'
import { alone, elementsOf } from './share.js'

type Names = 'fill' | 'cast' | 'map' | 'power' | 'affine' | 'axpy' | 'zip' | 'where'

/** Functions of every element on the module. */
export function elementwiseKernels(context: Context): Pick<Kernels<Region>, Names> {
  const { exports, threads } = context
  const elements = elementsOf(context)
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
      if (alone(context, out.length)) return map[out.dtype](number, out.length, p, q)
      elements(out, (call, from, to, size) => call(map[out.dtype], number, to - from, p + from * size, q + from * size))
    },
    power(x, r, out) {
      if (r === 2) return kernels.map('square', x, out)
      if (r === -1) return kernels.map('reciprocal', x, out)
      power[out.dtype](out.length, addressOf(x), r, addressOf(out))
    },
    affine(x, scale, shift, out) {
      const [p, q] = [addressOf(x), addressOf(out)]
      if (alone(context, out.length)) return affine[out.dtype](out.length, p, scale, shift, q)
      elements(out, (call, from, to, size) => {
        call(affine[out.dtype], to - from, p + from * size, scale, shift, q + from * size)
      })
    },
    axpy(x, scale, y, out) {
      const [p, q, r] = [addressOf(x), addressOf(y), addressOf(out)]
      if (alone(context, out.length)) return axpy[out.dtype](out.length, p, scale, q, r)
      elements(out, (call, from, to, size) => {
        call(axpy[out.dtype], to - from, p + from * size, scale, q + from * size, r + from * size)
      })
    },
    zip(op, shape, a, aStrides, b, bStrides, out) {
      // The module has one of a > b and b < a.
      if (op === 'greater') return kernels.zip('less', shape, b, bStrides, a, aStrides, out)
      if (op === 'greaterEqual') return kernels.zip('lessEqual', shape, b, bStrides, a, aStrides, out)
      const number = ZipCode[op]
      const run = zip[out.dtype]
      const p = addressOf(a)
      const q = addressOf(b)
      const r = addressOf(out)
      const aStep = stepOf(shape, aStrides)
      const bStep = stepOf(shape, bStrides)
      // One run, both operands consecutive or one element for all; NaN is no step.
      if (aStep >= 0 && aStep <= 1 && bStep >= 0 && bStep <= 1) {
        if (alone(context, out.length)) return run(number, 1, out.length, p, 0, aStep === 1, q, 0, bStep === 1, r)
        elements(out, (call, from, to, size) => {
          const [u, v] = [p + aStep * from * size, q + bStep * from * size]
          call(run, number, 1, to - from, u, 0, aStep === 1, v, 0, bStep === 1, r + from * size)
        })
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
        const w = r + to * n * size
        const step = [aRow * size, bRow * size, n * size] as const
        if (alone(context, rows * n)) return run(number, rows, n, u, step[0], aLast === 1, v, step[1], bLast === 1, w)
        threads.share(rows, 1, (call, first, last) => {
          const [a, b, c] = [u, v, w].map((start, i) => start + first * step[i]!) as [number, number, number]
          call(run, number, last - first, n, a, step[0], aLast === 1, b, step[1], bLast === 1, c)
        })
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
