import type { Kernels, SeriesOp } from '../contract.js'
import * as reference from '../js/series.js'
import type { Context } from './context.js'
import { mapKernel, powerKernel } from './elementwise.js'
import { bytesPerElement } from './memory.js'
import { addressOf, type Region } from './region.js'
import { withScratch } from './scratch.js'

/** Numbers of the recurrences in assembly/series.ts. */
const seriesOps: Record<SeriesOp, number> = {
  exp: 0,
  log: 1,
  tanh: 2,
  sigmoid: 3,
  softplus: 4,
  erf: 5,
  normalCdf: 6,
  reciprocal: 7,
  sqrt: 8,
  rsqrt: 9,
  expm1: 11,
  log1p: 12,
  gelu: 13,
  silu: 14,
  geluTanh: 15,
}
const POWER = 10

type SeriesKernels = Pick<
  Kernels<Region>,
  'series' | 'seriesPower' | 'seriesSinCos' | 'seriesDiv' | 'seriesSoftmax' | 'cauchy' | 'correlate'
>

/** Multiply-adds below which one thread is as fast as several. */
const SMALL = 1 << 17

/** The recurrences on the module, in f64 whatever the dtype. They are right where all orders are finite: what they make of NaN
 *  and ±Inf, in whole tiles and with zeros that are not stored, is made again by the reference. */
export function seriesKernels(context: Context): SeriesKernels {
  const { exports, heap, threads } = context
  const map = mapKernel(context)
  const power = powerKernel(context)
  const first = (x: Region, n: number) => heap.view(x, 0, n)
  const finite = (x: Region) => (x.dtype === 'f32' ? exports.finite_f32 : exports.finite_f64)(x.length, addressOf(x))
  const stored = (x: Region, n: number, orders: number) => Math.min(orders, x.length / n)

  /** Stacks of eight elements in f64, of whole blocks of four orders. */
  const stacks = (count: number, orders: number) => count * 4 * Math.ceil(orders / 4) * 8 * 8

  function recurrence(op: number, r: number, orders: number, n: number, x: Region, out: Region): void {
    const name = out.dtype === 'f32' ? 'series_f32' : 'series_f64'
    const [p, q, p0] = [addressOf(x), addressOf(out), stored(x, n, orders)]
    const bytes = stacks(4, orders)
    if (threads.count > 1 && n * orders * orders >= SMALL && bytes <= exports.scratchBytes()) {
      const size = bytesPerElement[out.dtype]
      threads.share(name, n, 8, (from, to, own) => {
        const [x, y] = [p + from * size, q + from * size]
        return [op, r, orders, p0, n, to - from, x, y, own]
      })
      return
    }
    withScratch(context, bytes, scratch => exports[name](op, r, orders, p0, n, n, p, q, scratch))
  }
  return {
    series(op, orders, n, x, out) {
      if (n === 0 || orders === 0) return
      recurrence(seriesOps[op], 0, orders, n, x, out)
      if (!finite(out)) reference.series(op, orders, n, heap.array(x), heap.array(out))
      map(op, first(x, n), first(out, n))
    },
    seriesPower(r, orders, n, x, out) {
      if (n === 0 || orders === 0) return
      recurrence(POWER, r, orders, n, x, out)
      if (!finite(out)) reference.seriesPower(r, orders, n, heap.array(x), heap.array(out))
      power(first(x, n), r, first(out, n))
    },
    seriesSinCos(orders, n, x, sin, cos) {
      if (n === 0 || orders === 0) return
      const run = sin.dtype === 'f32' ? exports.seriesSinCos_f32 : exports.seriesSinCos_f64
      withScratch(context, stacks(3, orders), scratch => {
        run(orders, stored(x, n, orders), n, addressOf(x), addressOf(sin), addressOf(cos), scratch)
      })
      if (finite(sin) && finite(cos)) return
      reference.seriesSinCos(orders, n, heap.array(x), heap.array(sin), heap.array(cos))
      map('sin', first(x, n), first(sin, n))
      map('cos', first(x, n), first(cos, n))
    },
    seriesDiv(orders, n, a, b, out) {
      if (n === 0 || orders === 0) return
      const run = out.dtype === 'f32' ? exports.seriesDiv_f32 : exports.seriesDiv_f64
      withScratch(context, stacks(3, orders), scratch => {
        run(orders, stored(a, n, orders), stored(b, n, orders), n, addressOf(a), addressOf(b), addressOf(out), scratch)
      })
      if (!finite(out)) reference.seriesDiv(orders, n, heap.array(a), heap.array(b), heap.array(out))
    },
    seriesSoftmax(orders, rows, n, x, out) {
      if (rows * n === 0 || orders === 0) return
      const run = out.dtype === 'f32' ? exports.seriesSoftmax_f32 : exports.seriesSoftmax_f64
      // y and j·x of one row, and M.
      withScratch(context, orders * (2 * (n + 1) + 1) * 8, scratch => {
        run(orders, stored(x, rows * n, orders), rows, n, addressOf(x), addressOf(out), scratch)
      })
    },
    cauchy(orders, n, a, b, out) {
      if (n === 0) return
      const run = out.dtype === 'f32' ? exports.cauchy_f32 : exports.cauchy_f64
      withScratch(context, stacks(3, orders), scratch => {
        run(orders, a.length / n, b.length / n, n, addressOf(a), addressOf(b), addressOf(out), scratch)
      })
    },
    correlate(orders, n, c, b, out) {
      if (n === 0) return
      const run = out.dtype === 'f32' ? exports.correlate_f32 : exports.correlate_f64
      const p = c.length / n
      withScratch(context, stacks(3, p), scratch => {
        run(orders, p, b.length / n, n, addressOf(c), addressOf(b), addressOf(out), scratch)
      })
    },
  }
}
