import {
  add,
  gelu,
  geluTanh,
  layerNorm,
  linear,
  mul,
  relu,
  rmsNorm,
  sigmoid,
  silu,
  softplus,
  type Tensor,
  tanh,
} from '@unravel/tensor'
import { z } from 'zod'
import type { Architecture, TensorSpec, Tensors, TrainingPass } from './architecture.js'
import { harmless, length, records } from './config.js'
import {
  activationGain,
  batchNormLayer,
  linearLayer,
  parameter,
  runningSpecs,
  standardised,
  type WeightStart,
} from './layers.js'
import { nfDeviations, residualBlocks } from './residual.js'
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
 * linear encoder and a linear decoder. The first thing in a branch is its norm. With the scale rules
 *
 * - `deep-norm`: h ← norm(n^¼·h + λ_l · scale_l · fc2(φ(fc1(h)))), with a layer norm where there is none
 * - `fixup`, without norm: h ← h + λ_l · scale_l · (m_l · fc2(φ(fc1(h + b1) + b2) + b3) + b4), all of m and b scalars, in place
 *   of the biases of fc1 and fc2
 * - `nf`, without norm: h ← h + λ_l · scale_l · fc2(φ(fc1(h/β_l))) with standardised weights
 */
export const residualMlp: Architecture<ResidualMlpConfig> = {
  name: 'residual-mlp',
  schema,
  depth: config => config.depth,
  input: config => ({ shape: [config.input], kind: 'real' }),

  channels: ({ depth, width }) => Array.from({ length: depth }, () => [width]),
  refuses({ norm }, form) {
    if (form === 'deep-norm') {
      return norm === 'batch' ? 'its norm is of single inputs, and "norm" is "batch"' : undefined
    }
    return norm === 'none' ? undefined : `it is in place of norms, and "norm" is "${norm}"`
  },

  tensors(config) {
    const { input, width, hidden, output, depth, scale } = config
    const norm = normOf(config)
    const specs: Record<string, TensorSpec> = {}
    const weight = (name: string, shape: number[], start: WeightStart = 'weight') => {
      specs[name] = parameter(shape, start)
    }
    const vector = (name: string, n: number, start: number) => {
      specs[name] = parameter([n], start)
    }
    const bias = (name: string, n: number) => {
      specs[name] = { ...parameter([n], 0), optional: true }
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
      weight(`${block}fc1.weight`, [hidden, width], 'branch')
      if (scale?.rule !== 'fixup') bias(`${block}fc1.bias`, hidden)
      weight(`${block}fc2.weight`, [width, hidden], 'branch-end')
      if (scale?.rule !== 'fixup') bias(`${block}fc2.bias`, width)
      if (scale?.rule === 'nf') {
        specs[`${block}fc1.gain`] = parameter([hidden, 1], 1)
        specs[`${block}fc2.gain`] = parameter([width, 1], 1)
      }
      if (scale?.rule === 'fixup') {
        for (const name of ['bias1a', 'bias1b', 'bias2a', 'bias2b']) specs[`${block}${name}`] = parameter([], 0)
        specs[`${block}multiplier`] = parameter([], 1)
      }
      specs[`${block}scale`] = { shape: [], kind: 'parameter', start: 'scale', optional: true }
    }
    if (scale?.rule === 'fixup') specs.bias = parameter([], 0)
    weight('decoder.weight', [output, width], 'classifier')
    bias('decoder.bias', output)
    return specs
  },

  tower(config, tensors, scales, training): Tower {
    const { scale: rule } = config
    const dense = (name: string, x: Tensor) => linearLayer(tensors, name, x)
    const phi = activations[config.activation]
    const gamma = rule?.rule === 'nf' ? activationGain(phi) : 1
    const deviations = rule?.rule === 'nf' ? nfDeviations(rule, new Array<boolean>(scales.length).fill(false)) : []
    const body = (l: number, x: Tensor): Tensor => {
      const block = `blocks.${l}.`
      const fixed = (name: string, x: Tensor) => linear(x, tensors[`${block}${name}.weight`]!)
      const scalar = (name: string) => tensors[`${block}${name}`]!
      if (rule?.rule === 'fixup') {
        const inner = phi(add(fixed('fc1', add(x, scalar('bias1a'))), scalar('bias1b')))
        const outer = fixed('fc2', add(inner, scalar('bias2a')))
        return add(mul(outer, scalar('multiplier')), scalar('bias2b'))
      }
      if (rule?.rule === 'nf') {
        const standard = (name: string, x: Tensor, gamma: number) => {
          const weight = standardised(scalar(`${name}.weight`), scalar(`${name}.gain`), gamma)
          return linear(x, weight, tensors[`${block}${name}.bias`])
        }
        return standard('fc2', phi(standard('fc1', mul(x, 1 / deviations[l]!), 1)), gamma)
      }
      return dense(`${block}fc2`, phi(dense(`${block}fc1`, x)))
    }
    const sublayers = scales.map((scale, l) => ({
      scale,
      norm: (h: Tensor) => normalise(config, tensors, l, h, training),
      body: (x: Tensor) => body(l, x),
    }))
    const { blocks, last } = residualBlocks(sublayers, rule, h => h)
    return {
      encode: x => dense('encoder', x),
      blocks,
      decode: h => dense('decoder', rule?.rule === 'fixup' ? add(h, tensors.bias!) : last(h)),
    }
  },
}

/** The norm of every block; of `deep-norm` one after it in any case. */
const normOf = ({ norm, scale }: ResidualMlpConfig) => (scale?.rule === 'deep-norm' && norm === 'none' ? 'layer' : norm)

function normalise(config: ResidualMlpConfig, tensors: Tensors, l: number, h: Tensor, training?: TrainingPass): Tensor {
  const { norm_eps: eps } = config
  const norm = normOf(config)
  if (norm === 'none') return h
  const name = `blocks.${l}.norm`
  const weight = tensors[`${name}.weight`]!
  const bias = tensors[`${name}.bias`]
  if (norm === 'layer') return layerNorm(h, weight, bias, eps)
  if (norm === 'rms') return rmsNorm(h, weight, eps)
  return batchNormLayer(tensors, name, h, eps, training)
}
