import { SeriesCode } from '../../assembly/codes.js'
import type { Kernels } from '../contract.js'
import * as reference from '../js/series.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { elementwiseKernels } from './elementwise.js'
import { addressOf, type Region } from './region.js'
import { withScratch } from './scratch.js'

type SeriesKernels = Pick<
  Kernels<Region>,
  'series' | 'seriesPower' | 'seriesSinCos' | 'seriesDiv' | 'seriesSoftmax' | 'cauchy' | 'correlate'
>

/** Multiply-adds below which one thread is as fast as several. */
const SMALL = 1 << 17

/** The recurrences on the module, in f64 whatever the dtype. They are right where all orders are finite: what they make of NaN
 *  and ±Inf, in whole tiles and with zeros that are not stored, is made again by the reference. */
export function seriesKernels(context: Context): SeriesKernels {
  const { exports: code, heap, threads } = context
  const { map, power } = elementwiseKernels(context)
  const first = (x: Region, n: number) => heap.view(x, 0, n)
  const finite = (x: Region) => code.finite[x.dtype](x.length, addressOf(x))
  const stored = (x: Region, n: number, orders: number) => Math.min(orders, x.length / n)

  /** Stacks of eight elements in f64, of whole blocks of four orders. */
  const stacks = (count: number, orders: number) => count * 4 * Math.ceil(orders / 4) * 8 * 8

  function recurrence(op: number, r: number, orders: number, n: number, x: Region, out: Region): void {
    const [p, q, p0] = [addressOf(x), addressOf(out), stored(x, n, orders)]
    const bytes = stacks(4, orders)
    if (threads.count > 1 && n * orders * orders >= SMALL && bytes <= code.scratchBytes()) {
      const size = bytesPerElement[out.dtype]
      threads.share(n, 8, (call, from, to, own) => {
        const [x, y] = [p + from * size, q + from * size]
        call(code.series[out.dtype], op, r, orders, p0, n, to - from, x, y, own)
      })
      return
    }
    withScratch(context, bytes, scratch => code.series[out.dtype](op, r, orders, p0, n, n, p, q, scratch))
  }
  return {
    series(op, orders, n, x, out) {
      if (n === 0 || orders === 0) return
      recurrence(SeriesCode[op], 0, orders, n, x, out)
      if (!finite(out)) reference.series(op, orders, n, heap.array(x), heap.array(out))
      map(op, first(x, n), first(out, n))
    },
    seriesPower(r, orders, n, x, out) {
      if (n === 0 || orders === 0) return
      recurrence(SeriesCode.power, r, orders, n, x, out)
      if (!finite(out)) reference.seriesPower(r, orders, n, heap.array(x), heap.array(out))
      power(first(x, n), r, first(out, n))
    },
    seriesSinCos(orders, n, x, sin, cos) {
      if (n === 0 || orders === 0) return
      const run = code.seriesSinCos[sin.dtype]
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
      const run = code.seriesDiv[out.dtype]
      withScratch(context, stacks(3, orders), scratch => {
        run(orders, stored(a, n, orders), stored(b, n, orders), n, addressOf(a), addressOf(b), addressOf(out), scratch)
      })
      if (!finite(out)) reference.seriesDiv(orders, n, heap.array(a), heap.array(b), heap.array(out))
    },
    seriesSoftmax(orders, rows, n, x, out) {
      if (rows * n === 0 || orders === 0) return
      const run = code.seriesSoftmax[out.dtype]
      // y and j·x of one row, and M.
      withScratch(context, orders * (2 * (n + 1) + 1) * 8, scratch => {
        run(orders, stored(x, rows * n, orders), rows, n, addressOf(x), addressOf(out), scratch)
      })
    },
    cauchy(orders, n, a, b, out) {
      if (n === 0) return
      const run = code.cauchy[out.dtype]
      withScratch(context, stacks(3, orders), scratch => {
        run(orders, a.length / n, b.length / n, n, addressOf(a), addressOf(b), addressOf(out), scratch)
      })
    },
    correlate(orders, n, c, b, out) {
      if (n === 0) return
      const run = code.correlate[out.dtype]
      const p = c.length / n
      withScratch(context, stacks(3, p), scratch => {
        run(orders, p, b.length / n, n, addressOf(c), addressOf(b), addressOf(out), scratch)
      })
    },
  }
}
