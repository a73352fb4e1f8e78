import { gelu, geluTanh, layerNorm, relu, rmsNorm, sigmoid, silu, softplus, type Tensor, tanh } from '@unravel/tensor'
import { z } from 'zod'
import type { Architecture, TensorSpec, Tensors, TrainingPass } from './architecture.js'
import { harmless, length, records } from './config.js'
import { batchNormLayer, linearLayer, runningSpecs } from './layers.js'
import { scaleSchema } from './scale.js'
import type { Tower } from './tower.js'

export const activations = {
  identity: (x: Tensor) => x,
  relu,
  tanh,
  sigmoid,
  silu,
  softplus,
  gelu,
  gelu_tanh: geluTanh,
} as const
export type Activation = keyof typeof activations

const schema = z.object({
  architecture: z.literal('residual-mlp'),
  input: length,
  width: length,
  hidden: length,
  output: length,
  depth: z
    .int()
    .min(0)
    .max(1 << 20),
  activation: z.enum(Object.keys(activations) as [Activation, ...Activation[]]),
  norm: z.enum(['none', 'layer', 'rms', 'batch']).default('none'),
  norm_eps: z.number().min(0).default(1e-5),
  scale: scaleSchema.optional(),
  ...records,
  ...harmless('model_type'),
})

export type ResidualMlpConfig = z.output<typeof schema>

/**
 * h ← h + λ_l · scale_l · fc2(φ(fc1(norm(h)))), a tower of two-layer branches on vectors [batch, width], between a
 * linear encoder and a linear decoder. The first thing in a branch is its norm.
 */
export const residualMlp: Architecture<ResidualMlpConfig> = {
  name: 'residual-mlp',
  schema,
  depth: config => config.depth,
  input: config => ({ shape: [config.input], kind: 'real' }),

  tensors({ input, width, hidden, output, depth, norm }) {
    const specs: Record<string, TensorSpec> = {}
    const weight = (name: string, shape: number[], start: 'weight' | 'branch-end' = 'weight') => {
      specs[name] = { shape, kind: 'parameter', start }
    }
    const vector = (name: string, n: number, start: number) => {
      specs[name] = { shape: [n], kind: 'parameter', start }
    }
    const bias = (name: string, n: number) => {
      specs[name] = { shape: [n], kind: 'parameter', start: 0, optional: true }
    }
    weight('encoder.weight', [width, input])
    bias('encoder.bias', width)
    for (let l = 0; l < depth; l++) {
      const block = `blocks.${l}.`
      if (norm !== 'none') vector(`${block}norm.weight`, width, 1)
      if (norm === 'layer' || norm === 'batch') bias(`${block}norm.bias`, width)
      if (norm === 'batch') {
        Object.assign(specs, runningSpecs(`${block}norm`, width))
      }
      weight(`${block}fc1.weight`, [hidden, width])
      bias(`${block}fc1.bias`, hidden)
      weight(`${block}fc2.weight`, [width, hidden], 'branch-end')
      bias(`${block}fc2.bias`, width)
      specs[`${block}scale`] = { shape: [], kind: 'parameter', start: 'scale', optional: true }
    }
    weight('decoder.weight', [output, width])
    bias('decoder.bias', output)
    return specs
  },

  tower(config, tensors, scales, training): Tower {
    const dense = (name: string, x: Tensor) => linearLayer(tensors, name, x)
    const phi = activations[config.activation]
    return {
      encode: x => dense('encoder', x),
      blocks: scales.map((scale, l) => ({
        scale,
        branch: h =>
          dense(`blocks.${l}.fc2`, phi(dense(`blocks.${l}.fc1`, normalise(config, tensors, l, h, training)))),
      })),
      decode: h => dense('decoder', h),
    }
  },
}

function normalise(
  { norm, norm_eps: eps }: ResidualMlpConfig,
  tensors: Tensors,
  l: number,
  h: Tensor,
  training?: TrainingPass,
): Tensor {
  if (norm === 'none') return h
  const name = `blocks.${l}.norm`
  const weight = tensors[`${name}.weight`]!
  const bias = tensors[`${name}.bias`]
  if (norm === 'layer') return layerNorm(h, weight, bias, eps)
  if (norm === 'rms') return rmsNorm(h, weight, eps)
  return batchNormLayer(tensors, name, h, eps, training)
}
