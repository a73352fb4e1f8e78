import { describe, expect, it } from 'vitest'
import { type Backend, SERIES_OPS } from './contract.js'
import { js } from './js/index.js'
import { createBackend } from './wasm/backend.js'
import { load } from './wasm/load.js'

// Series kernels on infinite, overflowing, vanishing and zero orders: js and wasm agree, in tiles (orders > 4, n > 8) too.

const reference = js()
const backends: [string, Backend][] = [
  ['wasm, plain', createBackend(load('plain'))],
  ['wasm, relaxed', createBackend(load('relaxed'))],
]
const EXTREME = [0, -0, 1, -1, 0.5, 2, 1e-30, 1e-200, 1e200, 710, -745, 40, Infinity, -Infinity, Number.NaN]

type Kernel = (
  b: Backend,
  x: ReturnType<Backend['alloc']>,
  out: ReturnType<Backend['alloc']>,
  orders: number,
  n: number,
) => void
const kernels: Record<string, Kernel> = {
  ...Object.fromEntries(
    SERIES_OPS.map(op => [op, (b, x, out, k, n) => b.kernels.series(op, k, n, x, out)] as [string, Kernel]),
  ),
  ...Object.fromEntries(
    [1.5, -2.5, 3].map(
      r => [`power ${r}`, (b, x, out, k, n) => b.kernels.seriesPower(r, k, n, x, out)] as [string, Kernel],
    ),
  ),
  sin: (b, x, out, k, n) => both(b, out, o => b.kernels.seriesSinCos(k, n, x, out, o)),
  cos: (b, x, out, k, n) => both(b, out, o => b.kernels.seriesSinCos(k, n, x, o, out)),
  div: (b, x, out, k, n) => b.kernels.seriesDiv(k, n, b.view(x, 0, n), x, out),
}
function both(b: Backend, out: ReturnType<Backend['alloc']>, run: (other: typeof out) => void): void {
  const other = b.alloc(b.readSync!(out) instanceof Float32Array ? 'f32' : 'f64', out.length)
  run(other)
  b.release(other)
}

function compute(
  b: Backend,
  kernel: Kernel,
  dtype: 'f32' | 'f64',
  data: readonly number[],
  orders: number,
  n: number,
): number[] {
  const [x, out] = [b.alloc(dtype, data.length), b.alloc(dtype, orders * n)]
  b.write(x, dtype === 'f32' ? Float32Array.from(data) : Float64Array.from(data))
  kernel(b, x, out, orders, n)
  const result = [...b.readSync!(out)]
  b.release(x)
  b.release(out)
  return result
}

describe.each(backends)('on %s', (_, backend) => {
  for (const dtype of ['f32', 'f64'] as const) {
    it.each(Object.keys(kernels))(`%s of extreme orders is that of js in ${dtype}`, name => {
      for (const orders of [2, 4, 9, 18]) {
        for (const strange of EXTREME) {
          // Every element begins with another extreme; order 1 or 2 is `strange`, a later order zero, the last ones not stored.
          for (const place of [1, 2]) {
            const n = EXTREME.length
            const rows = Array.from({ length: Math.min(orders, 5) }, (_, k) =>
              EXTREME.map(x0 => (k === 0 ? x0 : k === place ? strange : k === 3 ? 0 : 0.25)),
            )
            const [a, b] = [reference, backend].map(on => compute(on, kernels[name]!, dtype, rows.flat(), orders, n))
            a!.forEach((want, i) => {
              const got = b![i]!
              const where = `order ${Math.floor(i / n)} of ${name} at ${EXTREME[i % n]} with ${strange} at ${place}`
              if (!Number.isFinite(want) || !Number.isFinite(got)) return expect(got, where).toBe(want)
              // The size of a coefficient of this element: its terms may cancel.
              const size = Math.max(
                ...a!.filter((v, j) => j % n === i % n && j <= i && Number.isFinite(v)).map(Math.abs),
              )
              expect(Math.abs(got - want), where).toBeLessThanOrEqual(
                (dtype === 'f32' ? 2 ** -20 : 2 ** -40) * size + 1e-300,
              )
            })
          }
        }
      }
    })
  }
})

describe.each([['js', reference] as [string, Backend], ...backends])(
  'orders that come back into range on %s',
  (_, backend) => {
    const close = (got: readonly number[], want: readonly number[]) =>
      want.forEach((w, i) => expect(Math.abs(got[i]! / w - 1) < 1e-6 || got[i] === w, `${got} for ${want}`).toBe(true))

    it('e^710 overflows, e^710/2 does not', () => {
      close(compute(backend, kernels.exp!, 'f64', [710, 1], 4, 1), [
        Infinity,
        Infinity,
        1.1169973830808557e308,
        3.723324610269519e307,
      ])
      close(compute(backend, kernels.exp!, 'f64', [710, 1, 0, 0], 4, 1), [
        Infinity,
        Infinity,
        1.1169973830808557e308,
        3.723324610269519e307,
      ])
    })
    it('x^1.5 at 1e-30 in f32 has the slope of its own order 0', () => {
      close(compute(backend, kernels['power 1.5']!, 'f32', [1e-30, 1], 2, 1).slice(1), [1.5e-15])
    })
    it('x^1.5 at 1e-250 has a slope, though its value vanishes', () => {
      close(compute(backend, kernels['power 1.5']!, 'f64', [1e-250, 1], 3, 1), [0, 1.5e-125, 0.375e125])
    })
    it('(h + ht)^½ is √h (1 + t/2 − t²/8 + t³/16) at the ends of the range', () => {
      for (const h of [1e-200, 1e200, 2 ** -1000, 2 ** 1000]) {
        const root = Math.sqrt(h)
        const want = [root, root / 2, -root / 8, root / 16]
        close(compute(backend, kernels.sqrt!, 'f64', [h, h], 4, 1), want)
        close(
          compute(backend, kernels.rsqrt!, 'f64', [h, h], 4, 1),
          want.map((_, k) => [1, -1 / 2, 3 / 8, -5 / 16][k]! / root),
        )
      }
      // (1e-300 + 1e-100 t²)^1.5 = 1e-450 (1 + 1e200 t²)^1.5 has order 2 alone in the range.
      close(compute(backend, kernels['power 1.5']!, 'f64', [1e-300, 0, 1e-100], 4, 1), [0, 0, 1.5e-250, 0])
    })
    it('powers at ±Inf are those of their derivatives', () => {
      expect(compute(backend, kernels.sqrt!, 'f64', [Infinity, 1], 4, 1)).toEqual([Infinity, 0, 0, 0])
      expect(compute(backend, kernels['power 1.5']!, 'f64', [Infinity, 1], 4, 1)).toEqual([Infinity, Infinity, 0, 0])
      expect(compute(backend, kernels['power 1.5']!, 'f64', [Infinity, -2, 3], 3, 1)).toEqual([
        Infinity,
        -Infinity,
        Infinity,
      ])
    })
    it('zeros contribute nothing, stored or not', () => {
      for (const zeros of [[], [0, 0]]) {
        expect(compute(backend, kernels.reciprocal!, 'f64', [1, Infinity, ...zeros], 4, 1)).toEqual([
          1,
          -Infinity,
          Infinity,
          -Infinity,
        ])
        expect(compute(backend, kernels.reciprocal!, 'f64', [Infinity, 1, ...zeros], 4, 1).map(Math.abs)).toEqual([
          0, 0, 0, 0,
        ])
      }
    })
  },
)
