// Training: a tower of 20 blocks learns the quadrants of the plane, and is expanded afterwards.
import { analyse, gated } from '@unravel/expansion'
import { accuracy, adamw, cosine, initialise, inverseDepth, residualMlp, towerOf, train, warmUp } from '@unravel/resnet'
import { narrow, Random } from '@unravel/tensor'

const points = new Random(1).normal([400, 2], 0, 1, { dtype: 'f64' })
const inputs = Float64Array.from(points.dataSync())
const labels = Int32Array.from(
  { length: 400 },
  (_, i) => (inputs[2 * i]! > 0 ? 1 : 0) + (inputs[2 * i + 1]! > 0 ? 2 : 0),
)
const data = { inputs, labels, shape: [2], size: 400, classes: 4, mean: 0, deviation: 1 }

const model = initialise(
  residualMlp,
  {
    architecture: 'residual-mlp',
    input: 2,
    width: 16,
    hidden: 16,
    output: 4,
    depth: 20,
    activation: 'tanh',
    norm: 'none',
    norm_eps: 1e-5,
  },
  { random: new Random(2), scale: inverseDepth(), dtype: 'f64' },
)
const { state } = await train(model, {
  data,
  steps: 150,
  batchSize: 50,
  optimiser: adamw({ weightDecay: 0 }),
  schedule: warmUp(10, cosine(0.01, 150)),
  seed: 3,
})
console.log('learned:', (await accuracy(state.model, data)) > 0.95)
//> learned: true

// Which lengths of paths carry what it learned.
const found = await analyse(gated(towerOf(state.model), narrow(points, 0, 0, 16), 'all'))
console.log('largest order:', found.norms.indexOf(Math.max(...found.norms)))
//> largest order: 1
