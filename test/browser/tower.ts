import { adamw, constantRate, initialise, inverseDepth, residualMlp, sgd, train } from '@unravel/resnet'
import { Random } from '@unravel/tensor'
import { type Backend, js } from './devices.js'

// A small tower that tells quadrants of the plane apart, and its training.

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
const data = { inputs, labels, shape: [2], size: examples, classes: 4, mean: 0, deviation: 1 }
export const modelOn = (backend: Backend, depth: number = config.depth) =>
  initialise(residualMlp, { ...config, depth }, { random: new Random(2), scale: inverseDepth(), dtype: 'f32', backend })

/** How the tower may be trained. */
export const optimisers = {
  sgd: { optimiser: sgd({ momentum: 0.9 }), schedule: constantRate(0.3) },
  adamw: { optimiser: adamw({ weightDecay: 0.01 }), schedule: constantRate(0.02), clipNorm: 1 },
}

/** The losses of training; `after` is told of every step. */
export async function losses(
  backend: Backend,
  how: keyof typeof optimisers,
  steps: number,
  depth?: number,
  after: (step: number) => void = () => {},
): Promise<number[]> {
  const model = modelOn(backend, depth)
  const seen: number[] = []
  const { state, ended } = await train(model, {
    data,
    steps,
    batchSize: 32,
    seed: 3,
    ...optimisers[how],
    onStep({ step, loss }) {
      seen.push(loss)
      after(step)
    },
  })
  if (ended !== 'done') throw new Error(`training ${ended}`)
  const made = [model.tensors, state.model.tensors, state.optimiser].flatMap(named => Object.values(named))
  for (const t of new Set(made)) t.dispose()
  return seen
}
