import { initialise, inverseDepth, type Named, residualMlp, run, sgd, towerOf } from '@unravel/resnet'
import { crossEntropy, type Dense, Random, scope, type Tensor, tensor, valueAndGrad } from '@unravel/tensor'
import { type Backend, js } from './devices.js'

// A small tower that tells quadrants of the plane apart, and a loop that trains it.

export const config = {
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
export const inputs = Float32Array.from(
  new Random(1).normal([examples * 2], 0, 1, { dtype: 'f64', backend: js() }).dataSync(),
)
const labels = Int32Array.from(
  { length: examples },
  (_, i) => (inputs[2 * i]! > 0 ? 1 : 0) + (inputs[2 * i + 1]! > 0 ? 2 : 0),
)
export const data = { inputs, labels, shape: [2], size: examples, classes: 4, mean: 0, deviation: 1 }
export const modelOn = (backend: Backend, depth: number = config.depth) =>
  initialise(residualMlp, { ...config, depth }, { random: new Random(2), scale: inverseDepth(), dtype: 'f32', backend })

const dispose = (tensors: Iterable<Tensor>) => {
  for (const t of tensors) (t as Dense).dispose()
}

/** Losses by a loop that only awaits, so that WebGPU can run it; `after` is told of every step. */
export async function lossesByHand(
  backend: Backend,
  steps: number,
  depth = config.depth as number,
  after: (step: number) => void = () => {},
): Promise<number[]> {
  const model = modelOn(backend, depth)
  const x = tensor(inputs, { shape: [examples, 2], dtype: 'f32', backend })
  const y = tensor(labels, { shape: [examples], dtype: 'i32', backend })
  const optimiser = sgd({ momentum: 0.9 })
  const loss = valueAndGrad((p: Named) => crossEntropy(run(towerOf(model, { tensors: p }), x), y))
  let parameters = model.tensors as Named
  let state = scope(() => optimiser.init(parameters))
  const losses: number[] = []
  for (let t = 1; t <= steps; t++) {
    const next = scope(() => {
      const [value, gradients] = loss(parameters)
      return { value, ...optimiser.step(parameters, gradients, state, 0.3, t) }
    })
    losses.push((await next.value.data())[0]!)
    dispose([next.value, ...Object.values(parameters), ...Object.values(state)])
    parameters = next.parameters
    state = next.state
    after(t)
  }
  dispose([x, y, ...Object.values(parameters), ...Object.values(state)])
  return losses
}
