import { taylor } from '@unravel/expansion'
import { towerOf } from '@unravel/resnet'
import { type Tensor, tensor, useBackend } from '@unravel/tensor'
import { afterEach, describe, expect, it } from 'vitest'
import { type Backend, device, expectClose, js, modes, wasm } from './devices.js'
import { inputs, losses, modelOn } from './tower.js'

// A tower trains and is expanded in the browser, on every backend it has.

const before = useBackend(js())
afterEach(() => void useBackend(before))

const targets: readonly [string, () => Promise<Backend>][] = [
  ['wasm', async () => wasm()],
  ...modes.map(mode => [mode, () => device(mode)] as [string, () => Promise<Backend>]),
]

describe.each(targets)('on %s', (name, open) => {
  const reference = name === 'wasm' ? js() : wasm()

  it(`ten steps of training take the curve of ${reference.name}`, async () => {
    const backend = await open()
    backend.policy = 'fallback'
    for (const how of ['sgd', 'adamw'] as const) {
      const curve = await losses(backend, how, 10)
      expect(curve[9]).toBeLessThan(0.8 * curve[0]!)
      expectClose(curve, await losses(reference, how, 10), 2 ** -13)
    }
  })

  it('training fell back for nothing', async () => {
    expect([...(await open()).fallbacks()]).toEqual([])
  })

  it(`the Taylor expansion has the coefficients of ${reference.name} and sums to the network`, async () => {
    const backend = await open()
    const expansion = async (on: Backend) => {
      const x = tensor(inputs.slice(0, 8), { shape: [4, 2], dtype: 'f32', backend: on })
      const tower = towerOf(modelOn(on))
      on.policy = 'throw'
      const { coefficients, total } = taylor(tower, x, 5)
      on.policy = 'fallback'
      return { coefficients: await coefficients.data(), total: await total.data() }
    }
    const [got, want] = [await expansion(backend), await expansion(reference)]
    expectClose(got.coefficients, want.coefficients, 2 ** -15)
    expectClose(got.total, want.total, 2 ** -15)
    const n = got.total.length
    const sums = Float64Array.from({ length: n }, (_, i) =>
      Array.from({ length: 6 }, (_, k) => got.coefficients[k * n + i]!).reduce((a, b) => a + b, 0),
    )
    expectClose(sums, got.total, 0.02)
  })

  it('a thousand blocks to order 20 stay within f32, for coefficients carry the scale', async () => {
    const backend = await open()
    const [depth, orders] = [1000, 20]
    // h ← h + h/n: coefficient k is C(n,k)/n^k, where C(n,19) alone is beyond f32.
    const blocks = Array.from({ length: depth }, () => ({ branch: (h: Tensor) => h, scale: 1 / depth }))
    const tower = { encode: (x: Tensor) => x, blocks, decode: (h: Tensor) => h }
    const x = tensor(Float32Array.of(1), { shape: [1, 1], backend })
    const { coefficients, total } = taylor(tower, x, orders)
    const want = [1]
    for (let k = 1; k <= orders; k++) want.push((want[k - 1]! * (depth - k + 1)) / (k * depth))
    let raw = 1
    for (let k = 1; k < orders; k++) raw *= (depth - k + 1) / k
    expect(Math.fround(raw)).toBe(Infinity)
    expectClose(await coefficients.data(), want, depth * 2 ** -24)
    expectClose(await total.data(), [(1 + 1 / depth) ** depth], depth * 2 ** -24)
  })
})
