import { describe, expect, it } from 'vitest'
import {
  batchNorm,
  crossEntropy,
  gated,
  grad,
  js,
  layerNorm,
  linear,
  logSoftmax,
  max,
  mean,
  meanSquare,
  min,
  ones,
  onesLike,
  reshape,
  rmsNorm,
  series,
  softmax,
  stack,
  sum,
  sumSquares,
  type Tensor,
  useBackend,
  vjp,
  wasm,
  zeros,
} from './index.js'

const f64 = { dtype: 'f64' } as const
type F = (x: Tensor) => Tensor

/** The value of f at x as numbers, by every interpreter. */
const interpreters: Record<string, (f: F, x: Tensor) => readonly number[]> = {
  run: (f, x) => [...f(x).dataSync()],
  reverse(f, x) {
    const { value, pullback } = vjp(f, x)
    expect(pullback(onesLike(value)).shape).toEqual(x.shape)
    return [...value.dataSync()]
  },
  forward: (f, x) => order0(series(f, stack([x, x]), 1)),
  series: (f, x) => order0(series(f, stack([x, x, x]), 4)),
  'reverse in series': (f, x) => order0(series((x: Tensor) => vjp(f, x).value, stack([x, x]), 2)),
  'reverse in reverse': (f, x) => [...vjp((x: Tensor) => vjp(f, x).value, x).value.dataSync()],
  'series in reverse': (f, x) => order0(vjp((x: Tensor) => series(f, stack([x, x]), 2), x).value),
}
const order0 = (t: Tensor) => [...t.dataSync()].slice(0, t.size / t.shape[0]!)

describe.each([js(), wasm()])('over an axis of length 0 on $name', backend => {
  const of = (body: () => void) => () => {
    const before = useBackend(backend)
    try {
      body()
    } finally {
      useBackend(before)
    }
  }
  const values: readonly [string, F, readonly number[]][] = [
    ['softmax', x => softmax(x), []],
    ['softmax along the first axis', x => softmax(reshape(x, [0, 2]), 0), []],
    ['logSoftmax', x => logSoftmax(x), []],
    ['layerNorm', x => layerNorm(x), []],
    ['rmsNorm', x => rmsNorm(x), []],
    ['sum', x => sum(x, -1), [0, 0]],
    ['sumSquares', x => sumSquares(x, -1), [0, 0]],
    ['mean', x => mean(x, -1), [Number.NaN, Number.NaN]],
    ['meanSquare', x => meanSquare(x, -1), [Number.NaN, Number.NaN]],
    ['linear', x => linear(x, zeros([2, 0], f64), ones([2], f64)), [1, 1, 1, 1]],
  ]
  it.each(values)('%s has one value in every interpreter', (_, f, wanted) =>
    of(() => {
      for (const [name, value] of Object.entries(interpreters)) {
        expect(value(f, zeros([2, 0], f64)), name).toEqual(wanted)
      }
    })(),
  )

  const labels = (n: number) => zeros([n], { dtype: 'i32', backend })
  const errors: readonly [string, readonly number[], F, string][] = [
    ['max', [2, 0], x => max(x, -1), 'no max of nothing'],
    ['min', [2, 0], x => min(x, -1), 'no min of nothing'],
    ['crossEntropy of no classes', [2, 0], x => crossEntropy(x, labels(2)), 'label 0 of row 0'],
    ['crossEntropy of no rows', [0, 3], x => crossEntropy(x, labels(0)), 'the batch is empty'],
  ]
  it.each(errors)('%s is refused in every interpreter', (_, shape, f, message) =>
    of(() => {
      const x = zeros(shape, f64)
      for (const [name, value] of Object.entries(interpreters)) expect(() => value(f, x), name).toThrow(message)
      if (message.startsWith('label')) return
      expect(() => gated(f, x, reshape(x, [1, ...shape]), 1)).toThrow(message)
    })(),
  )

  it.each([[[0, 3]], [[2, 3, 0]], [[0, 3, 2, 2]]])(
    'batch norm of [%s] has gradients of zeros, in training and not',
    shape =>
      of(() => {
        const [x, w] = [zeros(shape, f64), ones([3], f64)]
        const moments = { mean: zeros([3], f64), variance: ones([3], f64) }
        for (const eps of [1e-5, 0]) {
          for (const running of [undefined, moments]) {
            const f = ([x, w, b]: readonly [Tensor, Tensor, Tensor]) => batchNorm(x, w, b, running, eps)
            const { value, pullback } = vjp(f, [x, w, w] as const)
            expect(value.shape).toEqual(shape)
            const [gx, ...rest] = pullback(onesLike(value))
            expect(gx.shape).toEqual(shape)
            for (const g of rest) expect([...g.dataSync()]).toEqual([0, 0, 0])
            const total = (w: Tensor) => sum(f([x, w, w]))
            expect([...grad((w: Tensor) => sum(grad(total)(w)))(w).dataSync()]).toEqual([0, 0, 0])
            expect([...series(total, stack([w, w]), 2).dataSync()]).toEqual([0, 0, 0])
          }
        }
      })(),
  )
})
