import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Random, type Tensor, tensor, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import {
  adamw,
  type architectures,
  type Batch,
  constantRate,
  cosine,
  gpt2,
  initialise,
  type Model,
  parametersOf,
  resnet,
  type ScalePreset,
  sgd,
  type TrainOptions,
  train,
  vit,
} from './index.js'

// Losses of 50 steps of PyTorch 1.13 from the same weights, batches and settings: fixtures/training/record.py, whose formula for
// numbers is repeated here.
const recorded: Record<string, Record<'f64' | 'f32', number[]>> = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../fixtures/training/losses.json'), 'utf8'),
)
const STEPS = 50
const BATCHES = 4

/** 32-bit words: a hash of i + stream·2654435769 (mod 2³²). */
const words = (count: number, stream: number): number[] =>
  Array.from({ length: count }, (_, i) => {
    let x = (i + Math.imul(stream, 2654435769)) >>> 0
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
    return (x ^ (x >>> 16)) >>> 0
  })
/** Numbers on [−½, ½). */
const uniform = (count: number, stream: number): number[] => words(count, stream).map(word => word / 2 ** 32 - 0.5)

function start(name: string, { shape, size }: Tensor, stream: number): Float64Array {
  const u = uniform(size, stream)
  if (shape.length > 1) {
    const width = Math.sqrt((24 * shape[0]!) / size)
    return Float64Array.from(u, v => v * width)
  }
  if (shape.length === 0) return Float64Array.from(u, v => 0.5 + 0.2 * v)
  const middle = name.endsWith('weight') ? 1 : 0
  return Float64Array.from(u, v => middle + 0.2 * v)
}

function modelOf(
  architecture: (typeof architectures)[string],
  config: object,
  dtype: 'f32' | 'f64',
  scale?: ScalePreset,
): Model {
  const where = { dtype, backend: wasm() }
  const model = initialise(architecture, config as never, {
    random: new Random(0),
    ...where,
    ...(scale && { scale }),
  }) as Model
  const names = Object.keys(parametersOf(model)).sort()
  const tensors = names.map((name, stream) => {
    const values = start(name, model.tensors[name]!, stream)
    return [name, tensor(values, { shape: model.tensors[name]!.shape, ...where })]
  })
  return { ...model, tensors: { ...model.tensors, ...Object.fromEntries(tensors) } }
}

const images = (side: number, classes: number, size = 8): Batch[] =>
  Array.from({ length: BATCHES }, (_, i) => {
    const deviation = Math.sqrt(12)
    return {
      inputs: Float64Array.from(uniform(size * 3 * side * side, 1000 + i), v => deviation * v),
      labels: Int32Array.from(words(size, 2000 + i), word => word % classes),
      shape: [size, 3, side, side],
    }
  })
const sequences = (vocabulary: number, length: number, size = 4): Batch[] =>
  Array.from({ length: BATCHES }, (_, i) => {
    const ids = words(size * (length + 1), 1000 + i).map(word => word % vocabulary)
    const rows = Array.from({ length: size }, (_, row) => ids.slice(row * (length + 1), (row + 1) * (length + 1)))
    return {
      inputs: Int32Array.from(rows.flatMap(row => row.slice(0, -1))),
      labels: Int32Array.from(rows.flatMap(row => row.slice(1))),
      shape: [size, length],
    }
  })

type Run = Pick<TrainOptions, 'data' | 'optimiser' | 'schedule' | 'labelSmoothing'>
const stochastic = (data: Batch[], rate: number) => (): Run => ({
  data,
  optimiser: sgd({ momentum: 0.9, weightDecay: 5e-4 }),
  schedule: constantRate(rate),
})
const adaptive =
  (data: Batch[], labelSmoothing = 0) =>
  (model: Model): Run => {
    const undecayed = new Set(Object.keys(model.tensors).filter(name => model.tensors[name]!.rank <= 1))
    return { data, labelSmoothing, optimiser: adamw({ weightDecay: 0.1, undecayed }), schedule: cosine(3e-3, STEPS) }
  }

const resnet20 = (norm: 'batch' | 'none') => ({
  ...{ architecture: 'resnet', block: 'basic', layers: [3, 3, 3], widths: [8, 16, 32], stem: 'cifar', in_channels: 3 },
  ...{ norm, preactivation: norm === 'none', classes: 10 },
})
const gptSizes = { vocab_size: 17, n_positions: 12, n_embd: 16, n_layer: 4, n_head: 2 }
const runs: [name: string, model: (dtype: 'f32' | 'f64') => Model, run: (model: Model) => Run][] = [
  ['resnet-20', dtype => modelOf(resnet, resnet20('batch'), dtype), stochastic(images(16, 10), 0.0001)],
  [
    'resnet-20 without norm',
    dtype => modelOf(resnet, resnet20('none'), dtype, { rule: { rule: 'constant', value: 1 }, learned: 0 }),
    stochastic(images(16, 10), 0.001),
  ],
  [
    'vit',
    dtype =>
      modelOf(
        vit,
        {
          ...{
            architecture: 'vit',
            img_size: 16,
            patch_size: 4,
            in_chans: 3,
            num_classes: 10,
            embed_dim: 24,
            depth: 3,
          },
          ...{ num_heads: 3, intermediate_size: 48, qkv_bias: true, norm_eps: 1e-6 },
        },
        dtype,
      ),
    adaptive(images(16, 10), 0.1),
  ],
  ['gpt', dtype => modelOf(gpt2, { architecture: 'gpt2', ...gptSizes }, dtype), adaptive(sequences(17, 12))],
]

describe.each(runs)('%s', (name, modelFor, runFor) => {
  it.each([
    ['f64', 1e-9],
    ['f32', 1e-3],
  ] as const)('loses in 50 steps what PyTorch loses, in %s to %d', async (dtype, tolerance) => {
    const model = modelFor(dtype)
    const losses: number[] = []
    const { ended } = await train(model, {
      ...runFor(model),
      steps: STEPS,
      onStep: ({ loss }) => void losses.push(loss),
    })
    expect(ended).toBe('done')
    const want = recorded[name]![dtype]
    expect(losses).toHaveLength(want.length)
    losses.forEach((loss, i) => expect(Math.abs(loss - want[i]!) / want[i]!, `step ${i + 1}`).toBeLessThan(tolerance))
  })
})
