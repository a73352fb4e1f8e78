import { expect, it } from 'vitest'
import { gated } from '../../autodiff/gated.js'
import { tensor } from '../../core/create.js'
import { gatedProduct } from './glu.js'

const f64 = { dtype: 'f64' } as const

it('freezes the gate factor where paths run through both, and leaves none out where they run through the gate alone', () => {
  const x = tensor([2, -1], f64)
  const constant = tensor([3, 5], f64)
  const parts = tensor([[0.5, -0.25], [1.5, -0.75]], f64) // biome-ignore format: order 0, order 1
  const both = gated(h => gatedProduct(h, h, 'identity'), x, parts, 1)
  expect(both.stack.toArray()).toEqual([[1, 0.25], [3, 0.75]]) // biome-ignore format: order 0, order 1
  const alone = gated(h => gatedProduct(constant, h, 'identity'), x, parts, 1)
  expect(alone.value.toArray()).toEqual([6, -5])
  expect(alone.stack.toArray()).toEqual([[1.5, -1.25], [4.5, -3.75]]) // biome-ignore format: order 0, order 1
})
