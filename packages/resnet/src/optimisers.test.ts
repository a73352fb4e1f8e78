import { js, tensor, wasm } from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'
import { adamw, type Optimiser, sgd } from './index.js'

describe('optimisers', () => {
  const where = { dtype: 'f64' as const, backend: js() }
  /** Three steps on one number, with gradients 1, −2, 0.5. */
  function path(optimiser: Optimiser): number[] {
    let parameters: Readonly<Record<string, ReturnType<typeof tensor> | Dense>> = { p: tensor(1, where) }
    let state = optimiser.init(parameters)
    return [1, -2, 0.5].map((g, i) => {
      const next = optimiser.step(parameters, { p: tensor(g, where) }, state, 0.1, i + 1)
      parameters = next.parameters as typeof parameters
      state = next.state
      return next.parameters.p!.item()
    })
  }
  const expectPath = (got: number[], want: number[]) => want.forEach((x, i) => expect(got[i]).toBeCloseTo(x, 12))

  it('are what their formulas say', () => {
    expectPath(path(sgd()), [0.9, 1.1, 1.05])
    // v: 1, −1.1, −0.49
    expectPath(path(sgd({ momentum: 0.9 })), [0.9, 1.01, 1.059])
    // steps: 1 + 0.9·1, −2 + 0.9·(−1.1), 0.5 + 0.9·(−0.49)
    expectPath(path(sgd({ momentum: 0.9, nesterov: true })), [0.81, 1.109, 1.1031])
    expectPath(path(sgd({ weightDecay: 0.5 })), [0.85, 1.0075, 0.907125])
    let [p, m, v] = [1, 0, 0]
    const want = [1, -2, 0.5].map((g, i) => {
      m = 0.9 * m + 0.1 * g
      v = 0.999 * v + 0.001 * g * g
      p = p * (1 - 0.1 * 0.01) - (0.1 * (m / (1 - 0.9 ** (i + 1)))) / (Math.sqrt(v / (1 - 0.999 ** (i + 1))) + 1e-8)
      return p
    })
    expectPath(path(adamw()), want)
    expect(() => sgd({ nesterov: true })).toThrow('momentum')
  })

  it.each([js(), wasm()])('AdamW makes no step where the square of a gradient overflows (%#)', backend => {
    const f32 = { dtype: 'f32', backend } as const
    const optimiser = adamw({ weightDecay: 0.5 })
    const parameters = { p: tensor([2, 2, 2, 2, 2], f32) }
    const gradients = { p: tensor([1e25, -1e30, 1e20, 3, 1e22], f32) }
    // 0.95·2, and where (1 − β₂)·g² is below 3.4e38 a step of 0.1 against the sign
    const { p } = optimiser.step(parameters, gradients, optimiser.init(parameters), 0.1, 1).parameters
    const want = [1.9, 1.9, 1.8, 1.8, 1.9]
    ;[...p!.dataSync()].forEach((x, i) => expect(x, `gradient ${i}`).toBeCloseTo(want[i]!, 6))
  })

  it('refuse settings that PyTorch refuses', () => {
    expect(() => sgd({ momentum: -1 })).toThrow('sgd: momentum must be at least 0 and finite, got -1')
    expect(() => sgd({ weightDecay: Number.NaN })).toThrow('weightDecay')
    expect(() => adamw({ beta1: 1 })).toThrow('adamw: beta1 must be at least 0 and below 1, got 1')
    expect(() => adamw({ beta2: -0.1 })).toThrow('beta2')
    expect(() => adamw({ eps: -1e-8 })).toThrow('eps')
    expect(() => adamw({ weightDecay: -1 })).toThrow('weightDecay')
  })
})
