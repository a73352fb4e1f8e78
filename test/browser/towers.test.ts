import { taylor } from '@unravel/expansion'
import {
  adamw,
  constantRate,
  initialise,
  inverseDepth,
  type Named,
  residualMlp,
  run,
  sgd,
  towerOf,
  train,
} from '@unravel/resnet'
import { crossEntropy, memory, Random, scope, type Tensor, tensor, useBackend, valueAndGrad } from '@unravel/tensor'
import { afterEach, describe, expect, it } from 'vitest'
import { type Backend, device, expectClose, js, modes, wasm } from './devices.js'

// A tower trains and is expanded in the browser, on every backend it has.

const config = {
  architecture: 'residual-mlp',
  input: 2,
  width: 8,
  hidden: 8,
  output: 4,
  depth: 6,
  activation: 'tanh',
  norm: 'none',
  norm_eps: 1e-5,
} as const
const examples = 64
const inputs = Float32Array.from(new Random(1).normal([examples * 2], 0, 1, { dtype: 'f64', backend: js() }).dataSync())
const labels = Int32Array.from(
  { length: examples },
  (_, i) => (inputs[2 * i]! > 0 ? 1 : 0) + (inputs[2 * i + 1]! > 0 ? 2 : 0),
)
const data = { inputs, labels, shape: [2], size: examples, classes: 4, mean: 0, deviation: 1 }
const modelOn = (backend: Backend) =>
  initialise(residualMlp, config, { random: new Random(2), scale: inverseDepth(), dtype: 'f32', backend })

/** Losses of ten steps by the library's loop, which reads them synchronously. */
async function lossesByTrain(backend: Backend, steps: number): Promise<number[]> {
  const losses: number[] = []
  await train(modelOn(backend), {
    data,
    steps,
    batchSize: 32,
    optimiser: adamw({ weightDecay: 0.01 }),
    schedule: constantRate(0.02),
    seed: 3,
    clipNorm: 1,
    onStep: ({ loss }) => void losses.push(loss),
  })
  return losses
}

/** Losses of ten steps of a loop that only awaits. */
async function lossesByHand(backend: Backend, steps: number): Promise<number[]> {
  const model = modelOn(backend)
  const x = tensor(inputs, { shape: [examples, 2], dtype: 'f32', backend })
  const y = tensor(labels, { shape: [examples], dtype: 'i32', backend })
  const optimiser = sgd({ momentum: 0.9 })
  const loss = valueAndGrad((p: Named) => crossEntropy(run(towerOf(model, { tensors: p }), x), y))
  let parameters = model.tensors as Named
  let state = scope(() => optimiser.init(parameters))
  const losses: Tensor[] = []
  for (let t = 1; t <= steps; t++) {
    const next = scope(() => {
      const [value, gradients] = loss(parameters)
      return { value, ...optimiser.step(parameters, gradients, state, 0.3, t) }
    })
    losses.push(next.value)
    parameters = next.parameters
    state = next.state
  }
  return Promise.all(losses.map(async l => (await l.data())[0]!))
}

const before = useBackend(js())
afterEach(() => void useBackend(before))

const targets: readonly [string, () => Promise<Backend>][] = [
  ['wasm', async () => wasm()],
  ...modes.map(mode => [mode, () => device(mode)] as [string, () => Promise<Backend>]),
]

describe.each(targets)('on %s', (name, open) => {
  it('ten steps of training take the curve of js', async () => {
    const backend = await open()
    backend.policy = 'fallback'
    const byHand = await lossesByHand(backend, 10)
    expect(byHand[9]).toBeLessThan(0.8 * byHand[0]!)
    expectClose(byHand, await lossesByHand(js(), 10), 2 ** -13)
    if (name === 'webgpu') return
    const byTrain = await lossesByTrain(backend, 10)
    expect(byTrain[9]).toBeLessThan(byTrain[0]!)
    expectClose(byTrain, await lossesByTrain(js(), 10), 2 ** -13)
  })

  it('the Taylor expansion has the coefficients of js and sums to the network', async () => {
    const backend = await open()
    const expansion = async (on: Backend) => {
      const x = tensor(inputs.slice(0, 8), { shape: [4, 2], dtype: 'f32', backend: on })
      const { coefficients, total } = taylor(towerOf(modelOn(on)), x, 5)
      return { coefficients: await coefficients.data(), total: await total.data() }
    }
    const [got, want] = [await expansion(backend), await expansion(js())]
    expectClose(got.coefficients, want.coefficients, 2 ** -15)
    expectClose(got.total, want.total, 2 ** -15)
    const n = got.total.length
    const sums = Float64Array.from({ length: n }, (_, i) =>
      Array.from({ length: 6 }, (_, k) => got.coefficients[k * n + i]!).reduce((a, b) => a + b, 0),
    )
    expectClose(sums, got.total, 0.02)
  })

  it('two hundred steps leave no buffer behind', async () => {
    if (name === 'webgpu') return
    const backend = await open()
    await lossesByTrain(backend, 3)
    let [early, late] = [memory(backend), memory(backend)]
    const small = { ...data, inputs: inputs.slice(0, 8), labels: labels.slice(0, 4), size: 4 }
    const tiny = { ...config, depth: 1, width: 2, hidden: 2 }
    const model = initialise(residualMlp, tiny, { random: new Random(2), dtype: 'f32', backend })
    await train(model, {
      data: small,
      steps: 200,
      batchSize: 4,
      optimiser: sgd(),
      schedule: constantRate(0.01),
      seed: 3,
      onStep({ step }) {
        late = memory(backend)
        if (step === 5) early = late
      },
    })
    // Fewer, where the garbage collector returned what earlier tests left.
    expect(late.buffers).toBeLessThanOrEqual(early.buffers)
    expect(late.reserved).toBeLessThanOrEqual(early.reserved)
  })
})
