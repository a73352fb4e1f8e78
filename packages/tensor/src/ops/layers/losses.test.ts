import { expect, it } from 'vitest'
import { crossEntropy, grad, js, type Tensor, tensor, wasm } from '../../index.js'

// ∂/∂x of −log softmax(x)[0] at x = (a, 0, −1): p₁ = e^−a/z and p₂ = e^(−1−a)/z with z = 1 + e^−a + e^(−1−a), and −(p₁ + p₂),
// which is p₀ − 1 where p₀ rounds to 1.
it.each([
  ['f32', 20],
  ['f32', 60],
  ['f64', 40],
  ['f64', 600],
] as const)(
  'the gradient of the right class keeps its accuracy where its probability rounds to 1: %s, %s',
  (dtype, a) => {
    const z = 1 + Math.exp(-a) + Math.exp(-1 - a)
    const [p1, p2] = [Math.exp(-a) / z, Math.exp(-1 - a) / z]
    const expected = [-(p1 + p2), p1, p2]
    for (const backend of [js(), wasm()]) {
      const label = tensor([0], { dtype: 'i32', backend })
      const loss = (x: Tensor) => crossEntropy(x, label)
      const found = grad(loss)(tensor([[a, 0, -1]], { dtype, backend })).dataSync()
      const tolerance = (dtype === 'f32' ? 2 ** -24 : 2 ** -53) * 16
      expected.forEach((value, i) => {
        expect(Math.abs(found[i]! - value), `${backend.name} ${i}`).toBeLessThanOrEqual(tolerance * Math.abs(value))
      })
    }
  },
)
