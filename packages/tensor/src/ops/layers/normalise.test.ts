import { js, wasm } from '@unravel/kernels'
import { describe, expect, it } from 'vitest'
import {
  batchMoments,
  batchNorm,
  full,
  jvp,
  layerNorm,
  mean,
  rmsNorm,
  series,
  type Tensor,
  tensor,
  vjp,
} from '../../index.js'
import { like } from '../../internals.js'

describe.each([js(), wasm()])('norms of rows whose squares do not fit, on $name', backend => {
  const hat = Math.sqrt(1.5)
  const r = 1 / Math.sqrt(14 / 3)
  const cases = [
    ['layerNorm', (x: Tensor) => layerNorm(x, undefined, undefined, 0), [-hat, 0, hat], [3]],
    ['rmsNorm', (x: Tensor) => rmsNorm(x, undefined, 0), [r, 2 * r, 3 * r], [3]],
    [
      'batchNorm',
      (x: Tensor) => batchNorm(x, full([1], 1, like(x)), full([1], 0, like(x)), undefined, 0),
      [-hat, 0, hat],
      [3, 1],
    ],
  ] as const
  const close = (found: ArrayLike<number>, wanted: ArrayLike<number>, digits = 5) =>
    Array.from(found).forEach((v, i) => {
      expect(v).toBeCloseTo(wanted[i]!, digits)
    })

  for (const [dtype, scales] of [
    ['f32', [1e-30, 1e19, 1e30, 1e38]],
    ['f64', [1e-160, 1e160, 1e300, 5e307]],
  ] as const) {
    it.each(cases)(`%s in ${dtype}: value, tangent, series and gradient`, (_, f, wanted, shape) => {
      for (const s of scales) {
        const make = (v: readonly number[], dims: readonly number[]) => {
          const data = dtype === 'f32' ? Float32Array.from(v) : Float64Array.from(v)
          return tensor(data, { shape: dims, dtype, backend })
        }
        const x = make([s, 2 * s, 3 * s], shape)
        close(f(x).dataSync(), wanted)
        // Along x itself nothing changes; along (1, 0, 0)·s what changes at scale 1.
        const along = (at: number) => jvp(f, make([at, 2 * at, 3 * at], shape), make([at, 0, 0], shape))
        const [value, tangent] = along(s)
        close(value.dataSync(), wanted)
        close(tangent.dataSync(), along(1)[1].dataSync(), 4)
        const stack = (at: number) => series(f, make([at, 2 * at, 3 * at, at, 0, 0, 0, at, 0], [3, ...shape]), 3)
        close(stack(s).dataSync(), stack(1).dataSync(), 4)
        const pulled = (at: number) => vjp(f, make([at, 2 * at, 3 * at], shape)).pullback(make([1, 0, 0], shape))
        if (s > 1 && s < (dtype === 'f32' ? 1e31 : 1e301)) {
          close(
            Array.from(pulled(s).dataSync(), v => v * s),
            pulled(1).dataSync(),
            4,
          )
        }
      }
    })
  }

  it('the variance of a million equal rows is 0, and means are finite where numbers are', () => {
    const x = full([1_000_000, 2], 0.1, { backend })
    const { mean: m, variance } = batchMoments(x)
    expect([...variance.dataSync()]).toEqual([0, 0])
    expect([...m.dataSync()]).toEqual([Math.fround(0.1), Math.fround(0.1)])
    expect(mean(full([1000], 3e38, { backend })).item()).toBe(Math.fround(3e38))
  })
})
