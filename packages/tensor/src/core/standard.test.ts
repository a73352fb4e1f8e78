import { expect, it } from 'vitest'
import { tensor } from '../index.js'

it('tensors in Node are on wasm where no backend is named', () => {
  expect(tensor([1]).backend.name).toBe('wasm')
})
