import { initialise, type Model, residualMlp, towerOf } from '@unravel/resnet'
import { Random, wasm } from '@unravel/tensor'
import { expect, test } from 'vitest'
import { estimateRadius, taylor } from './index.js'

const where = { dtype: 'f64', backend: wasm() } as const
const sizes = { input: 64, width: 64, hidden: 64, output: 10, depth: 50 }
const MANY = 64

test.each([1, 2, 3])(
  'the range of 8 orders of a tower of 50 blocks at λ = 1 holds what more orders say (seed %d)',
  seed => {
    const random = new Random(seed)
    const config = { architecture: 'residual-mlp', ...sizes, activation: 'tanh', norm: 'none', norm_eps: 1e-5 } as const
    const scale = { rule: { rule: 'constant', value: 1 } } as const
    const model = initialise(residualMlp, config, { random, scale, ...where }) as Model
    const { coefficients } = taylor(towerOf(model), random.normal([4, 64], 0, 1, where), MANY)
    const values = coefficients.dataSync()
    const size = values.length / (MANY + 1)
    const norms = Array.from({ length: MANY + 1 }, (_, k) => Math.hypot(...values.subarray(k * size, (k + 1) * size)))
    const { low, high } = estimateRadius(norms.slice(0, 9))!
    for (const orders of [12, 16, 24, 32, 48, 64]) {
      const { estimate } = estimateRadius(norms.slice(0, orders + 1))!
      expect(estimate, `${orders} orders`).toBeGreaterThan(low)
      expect(estimate, `${orders} orders`).toBeLessThan(high)
    }
  },
)
