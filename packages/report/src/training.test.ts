import type { Tower } from '@unravel/resnet'
import { memory, mul, tensor, wasm } from '@unravel/tensor'
import { expect, test } from 'vitest'
import { orderRecordOf } from './orderRecord.js'
import { trainingParts } from './training.js'

/** h ↦ (1 + λw)ⁿ h: order k is C(n,k)(λw)ᵏh. */
const linear = (n: number, scale: number, w: number): Tower => ({
  encode: x => mul(x, 1),
  blocks: Array.from({ length: n }, () => ({ scale, branch: h => mul(h, w) })),
  decode: h => h,
})
const x = tensor(
  [
    [3, 4],
    [0, 5],
  ],
  { dtype: 'f64' },
)

test('the record of a linear tower is its binomial expansion', async () => {
  const record = await orderRecordOf(linear(3, 0.5, 2), x, 7)
  const energy = 1 + 9 + 9 + 1
  expect(record).toEqual({
    step: 7,
    gated: {
      norms: [5, 15, 15, 5].map(n => expect.closeTo(n, 12)),
      share: [1, 9, 9, 1].map(n => expect.closeTo(n / energy, 12)),
      mean_order: expect.closeTo((9 + 18 + 3) / energy, 12),
    },
    taylor: { radius: expect.anything(), best_remainder: expect.closeTo(0, 12) },
    // J = 8·1 on two inputs: ‖J‖² = 2·64.
    complexity: expect.closeTo(128, 10),
    // Equal paths add up: coherence is their number.
    coherence: [1, 3, 3, 1].map(n => expect.closeTo(n, 12)),
  })
})

test('recording a spectrum keeps no memory', async () => {
  const held = tensor([[3, 4]], { dtype: 'f64', backend: wasm() })
  const bytes = () => memory(wasm()).bytes
  await orderRecordOf(linear(3, 0.5, 2), held, 1)
  const before = bytes()
  for (let step = 0; step < 5; step++) await orderRecordOf(linear(3, 0.5, 2), held, step)
  expect(bytes()).toBe(before)
})

test('figures of training have the numbers of every network, and heat maps orders by steps', async () => {
  const orders = [await orderRecordOf(linear(3, 0.5, 2), x, 10), await orderRecordOf(linear(3, 0.1, 2), x, 20)]
  const losses = [{ step: 10, loss: 2 }]
  const parts = trainingParts([
    { name: 'a', losses, orders },
    { name: 'unrecorded', losses, orders: [] },
  ])
  const [numbers, map] = parts.map(part => (part.kind === 'figure' ? part.svg : []))
  expect(numbers).toHaveLength(5)
  const csv = (svg: string) => /<metadata[^>]*>([^<]*)</.exec(svg)![1]!.replaceAll('&quot;', '')
  expect(csv(numbers![1]!)).toMatch(/^step,a\s+10,1\.[45]\d*\s+20,0\.283/)
  expect(csv(map![0]!).split(/\r?\n/).filter(Boolean)).toHaveLength(5)
  expect(csv(map![0]!)).toMatch(/^order \\ step,10,20\s+0,0\.0(5|49)/)
  expect(trainingParts([{ name: 'b', losses, orders: [] }])).toEqual([])
})
