import { bareJs } from '@unravel/kernels'
import { adamwUpdate, Random, sgdUpdate, tensor, useBackend } from '@unravel/tensor'
import { apply, opTable } from '@unravel/tensor/internals'
import { expect, it } from 'vitest'
import { cases } from './cases.js'

// Nothing here calls js(), which would complete the table of kernels for all.
it('ops bring the kernels that the default backend of a page does not hold by itself', () => {
  const { kernels } = bareJs()
  useBackend(bareJs())
  expect(kernels.matmul).toBeUndefined()
  let applied = 0
  for (const op of opTable) {
    for (const { inputs, attrs } of cases[op.name]!) {
      const given = inputs.map(({ shape, domain }) => {
        const size = shape.reduce((a, b) => a * b, 1)
        return typeof domain === 'object'
          ? tensor(new Int32Array(size), { shape })
          : tensor(new Float64Array(size).fill(1), { shape })
      })
      expect(apply(op, given, attrs).dataSync().every(Number.isFinite), op.name).toBe(true)
      applied++
    }
  }
  expect(applied).toBeGreaterThan(opTable.length)
  const [p, zero] = [new Random(1).normal([3]), tensor([0, 0, 0])]
  expect(sgdUpdate(p, p, zero, { rate: 1, momentum: 0, nesterov: false, weightDecay: 0 })[0].toArray()).toEqual([
    0, 0, 0,
  ])
  const settings = { beta1: 0, beta2: 0, eps: 1e-8, rate: 1, correction: 1, shrink: 1 }
  expect(adamwUpdate(p, p, zero, zero, settings)[0].dataSync().every(Number.isFinite)).toBe(true)
  expect(kernels.matmul).toBeDefined()
})
