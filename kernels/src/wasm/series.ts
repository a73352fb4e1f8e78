import type { Kernels, SeriesOp } from '../contract.js'
import type { Context } from './backend.js'
import { addressOf, type Region } from './region.js'

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
}
const POWER = 10

type SeriesKernels = Pick<Kernels<Region>, 'series' | 'seriesPower' | 'seriesDiv' | 'cauchy' | 'correlate'>

/** The recurrences on the module. Four stacks of four elements are held in its scratch memory. */
export function seriesKernels({ exports, js }: Context): SeriesKernels {
  const scratch = exports.scratchBase()
  const mostOrders = Math.floor(exports.scratchBytes() / (4 * 32))
  const stored = (x: Region, n: number, orders: number) => Math.min(orders, x.length / n)
  function recurrence(op: number, r: number, orders: number, n: number, x: Region, out: Region): void {
    const run = out.dtype === 'f32' ? exports.series_f32 : exports.series_f64
    run(op, r, orders, stored(x, n, orders), n, addressOf(x), addressOf(out), scratch)
  }
  return {
    series(op, orders, n, x, out) {
      if (n === 0 || orders === 0) return
      if (orders > mostOrders) return js.series(op, orders, n, x, out)
      recurrence(seriesOps[op], 0, orders, n, x, out)
    },
    seriesPower(r, orders, n, x, out) {
      if (n === 0 || orders === 0) return
      if (orders > mostOrders) return js.seriesPower(r, orders, n, x, out)
      // Order 0 comes from Math.pow, the others from the recurrence.
      js.seriesPower(r, 1, n, x, out)
      recurrence(POWER, r, orders, n, x, out)
    },
    seriesDiv(orders, n, a, b, out) {
      if (n === 0 || orders === 0) return
      if (orders > mostOrders) return js.seriesDiv(orders, n, a, b, out)
      const run = out.dtype === 'f32' ? exports.seriesDiv_f32 : exports.seriesDiv_f64
      run(orders, stored(a, n, orders), stored(b, n, orders), n, addressOf(a), addressOf(b), addressOf(out), scratch)
    },
    cauchy(orders, n, a, b, out) {
      if (n === 0) return
      const run = out.dtype === 'f32' ? exports.cauchy_f32 : exports.cauchy_f64
      run(orders, a.length / n, b.length / n, n, addressOf(a), addressOf(b), addressOf(out))
    },
    correlate(orders, n, c, b, out) {
      if (n === 0) return
      const run = out.dtype === 'f32' ? exports.correlate_f32 : exports.correlate_f64
      run(orders, c.length / n, b.length / n, n, addressOf(c), addressOf(b), addressOf(out))
    },
  }
}
