import { expect, it } from 'vitest'
import { batchNorm, groupNorm, layerNorm, rmsNorm, type Tensor, tensor } from '../../index.js'

it.each([Number.NaN, -1e-5, Infinity, { eps: 0 } as unknown as number])('norms refuse %s for eps', eps => {
  const x = tensor([
    [1, 2],
    [3, 5],
  ])
  const ones = tensor([1, 1])
  const norms: readonly (() => Tensor)[] = [
    () => layerNorm(x, ones, ones, eps),
    () => rmsNorm(x, ones, eps),
    () => groupNorm(x, 2, ones, ones, eps),
    () => batchNorm(x, ones, ones, undefined, eps),
    () => batchNorm(x, ones, ones, { mean: ones, variance: ones }, eps),
  ]
  for (const norm of norms) expect(norm).toThrow(/Norm: eps must be a number of at least 0, got/)
})
