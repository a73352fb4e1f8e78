import {
  gather,
  linear,
  matmul,
  narrow,
  reshape,
  scaledDotProductAttention,
  type Tensor,
  transpose,
} from '@unravel/tensor'
import { z } from 'zod'
import type { Architecture, TensorSpec } from './architecture.js'
import { depth, harmless, length, only, records, unchanged } from './config.js'
import {
  activationName,
  checkIds,
  layerNormLayer,
  linearLayer,
  linearSpecs,
  namedActivations,
  normSpecs,
  parameter,
} from './layers.js'
import { attending, residualBlocks } from './residual.js'
import { rope, rotary, thetaOf } from './rotary.js'
import { scaleSchema } from './scale.js'
import type { Heads, Tower } from './tower.js'

const schema = z
  .object({
    architecture: z.literal('gpt-neox'),
    vocab_size: length,
    hidden_size: length,
    intermediate_size: length,
    num_hidden_layers: depth,
    num_attention_heads: length,
    hidden_act: activationName.default('gelu'),
    layer_norm_eps: z.number().min(0).default(1e-5),
    rotary_pct: z.number().min(0).max(1).optional(),
    rotary_emb_base: z.number().positive().optional(),
    rope_theta: z.number().positive().nullish(),
    rope_parameters: rope,
    rope_scaling: rope,
    use_parallel_residual: z.boolean().default(true),
    attention_bias: z.boolean().default(true),
    tie_word_embeddings: z.boolean().default(false),
    scale: scaleSchema.optional(),
    ...records,
    ...unchanged,
    ...only({ model_type: ['gpt_neox'] }),
    ...harmless('attention_dropout', 'hidden_dropout', 'classifier_dropout', 'max_position_embeddings'),
    ...harmless('attention_probs_dropout_prob', 'hidden_dropout_prob'),
    partial_rotary_factor: z.number().min(0).max(1).optional(),
  })
  .refine(({ hidden_size, num_attention_heads }) => hidden_size % num_attention_heads === 0, {
    path: ['num_attention_heads'],
    message: 'expected a divisor of hidden_size',
  })
  // Names of one setting in several versions of Hugging Face's program.
  .superRefine((config, context) => {
    const { rope_parameters: rope, rope_scaling: scaling } = config
    const settings = {
      rotary_pct: [
        config.rotary_pct,
        config.partial_rotary_factor,
        rope?.partial_rotary_factor,
        scaling?.partial_rotary_factor,
      ],
      rotary_emb_base: [config.rotary_emb_base, config.rope_theta, rope?.rope_theta, scaling?.rope_theta],
    }
    for (const [field, values] of Object.entries(settings)) {
      if (new Set(values.filter(value => typeof value === 'number')).size < 2) continue
      context.addIssue({ code: 'custom', path: [field], message: 'expected the value that its other names have' })
    }
    const turned = turnedOf(config)
    if (turned % 2 === 0 || turned === 3) return
    const size = config.hidden_size / config.num_attention_heads
    context.addIssue({
      code: 'custom',
      path: ['rotary_pct'],
      message: `expected a part of the ${size} elements of a head that is an even number, got ${turned}`,
    })
  })

export type GptNeoxConfig = z.output<typeof schema>

type Rope = { partial_rotary_factor?: number | undefined } | null | undefined
interface RotaryFields {
  hidden_size: number
  num_attention_heads: number
  rotary_pct?: number | undefined
  partial_rotary_factor?: number | undefined
  rope_parameters?: Rope
  rope_scaling?: Rope
}
/** Elements of a head that are turned by position. */
function turnedOf({ rope_parameters: rope, rope_scaling: scaling, ...c }: RotaryFields): number {
  const named = rope?.partial_rotary_factor ?? scaling?.partial_rotary_factor ?? c.partial_rotary_factor
  return Math.trunc((c.hidden_size / c.num_attention_heads) * (named ?? c.rotary_pct ?? 0.25))
}

/**
 * GPT-NeoX and Pythia (Black et al. 2022) with Hugging Face's configuration and tensors: ids [batch, sequence] to logits
 * [batch, sequence, vocab_size], on h [batch, sequence, hidden_size]. With parallel residuals (the default) a layer is one
 * block, h ← h + λ·(attn(input_layernorm(h)) + mlp(post_attention_layernorm(h))); without them it is two, attention (block
 * 2l) and MLP (block 2l + 1). The first part of every head has rotary positions.
 */
export const gptNeox: Architecture<GptNeoxConfig> = {
  name: 'gpt-neox',
  modelTypes: ['gpt_neox'],
  schema,
  depth: config => config.num_hidden_layers * (config.use_parallel_residual ? 1 : 2),
  input: () => ({ shape: ['sequence'], kind: 'ids' }),
  scaleNames: config =>
    Array.from({ length: config.num_hidden_layers }, (_, l) => `layers.${l}`).flatMap(layer =>
      config.use_parallel_residual ? [`${layer}.scale`] : [`${layer}.attention.scale`, `${layer}.mlp.scale`],
    ),

  channels: config => Array.from({ length: gptNeox.depth(config) }, () => [config.hidden_size]),
  refuses({ use_parallel_residual: parallel }, form) {
    if (form !== 'deep-norm') return 'the branches of a gpt-neox have norms'
    return parallel ? 'with use_parallel_residual there are two norms of one input, and none after both' : undefined
  },

  tensors(config) {
    const { vocab_size: vocabulary, hidden_size: width, intermediate_size: inner } = config
    const size = width / config.num_attention_heads
    const specs: Record<string, TensorSpec> = { 'embed_in.weight': parameter([vocabulary, width], 'weight') }
    for (let l = 0; l < config.num_hidden_layers; l++) {
      const layer = `layers.${l}.`
      Object.assign(
        specs,
        normSpecs(`${layer}input_layernorm`, width),
        linearSpecs(`${layer}attention.query_key_value`, 3 * width, width, 'branch'),
        linearSpecs(`${layer}attention.dense`, width, width, 'branch-end'),
        normSpecs(`${layer}post_attention_layernorm`, width),
        linearSpecs(`${layer}mlp.dense_h_to_4h`, inner, width, 'branch'),
        linearSpecs(`${layer}mlp.dense_4h_to_h`, width, inner, 'branch-end'),
      )
      const qkv = `${layer}attention.query_key_value.weight`
      specs[qkv] = { ...specs[qkv]!, attention: size }
      if (config.attention_bias) continue
      delete specs[`${layer}attention.query_key_value.bias`]
      delete specs[`${layer}attention.dense.bias`]
    }
    if (config.scale?.rule !== 'deep-norm') Object.assign(specs, normSpecs('final_layer_norm', width))
    if (!config.tie_word_embeddings) specs['embed_out.weight'] = parameter([vocabulary, width], 'classifier')
    return specs
  },

  // State dicts also hold the causal mask of every layer and the frequencies of the rotary positions.
  standsFor(stored, { tie_word_embeddings: tied }) {
    const name = stored.replace(/^gpt_neox\./, '')
    if (name === 'embed_out.weight' && tied) return 'embed_in.weight'
    return /\battention\.(bias|masked_bias|rotary_emb\.inv_freq)$/.test(name) ? null : name
  },

  tower(config, tensors, scales): Tower {
    const { num_attention_heads: heads, hidden_size: width, layer_norm_eps: eps } = config
    const size = width / heads
    const turned = turnedOf(config)
    const theta = config.rotary_emb_base ?? thetaOf(config)
    const phi = namedActivations[config.hidden_act]
    const norm = (name: string, h: Tensor) => layerNormLayer(tensors, name, h, eps)
    const dense = (name: string, x: Tensor) => linearLayer(tensors, name, x)
    const mixed = (layer: string, x: Tensor) => {
      const [batch, sequence] = x.shape as [number, number]
      // Heads one after the other, each with its query, key and value.
      const qkv = linear(
        x,
        tensors[`${layer}attention.query_key_value.weight`]!,
        tensors[`${layer}attention.query_key_value.bias`],
      )
      const split = transpose(reshape(qkv, [batch, sequence, heads, 3, size]), [3, 0, 2, 1, 4])
      const part = (i: number) => reshape(narrow(split, 0, i, 1), [batch, heads, sequence, size])
      const turn = (t: Tensor) => (turned === 0 ? t : rotary(t, theta, turned))
      const attended = scaledDotProductAttention(turn(part(0)), turn(part(1)), part(2), { causal: true })
      return reshape(transpose(attended, [0, 2, 1, 3]), [batch, sequence, width])
    }
    const attention = (layer: string): Heads => ({
      count: heads,
      mix: x => mixed(layer, x),
      write: m => dense(`${layer}attention.dense`, m),
    })
    const mlp = (layer: string, x: Tensor) =>
      dense(`${layer}mlp.dense_4h_to_h`, phi(dense(`${layer}mlp.dense_h_to_4h`, x)))
    const normed = (layer: string, second: boolean, h: Tensor) =>
      norm(`${layer}${second ? 'post_attention' : 'input'}_layernorm`, h)
    const parallel = (layer: string): Heads => ({
      ...attention(layer),
      mix: h => mixed(layer, normed(layer, false, h)),
      rest: h => mlp(layer, normed(layer, true, h)),
    })
    const sublayers = scales.map((scale, i) => {
      if (config.use_parallel_residual) {
        return { scale, norm: (h: Tensor) => h, ...attending(parallel(`layers.${i}.`)) }
      }
      const [layer, second] = [`layers.${i >> 1}.`, i % 2 === 1]
      return {
        scale,
        norm: (h: Tensor) => normed(layer, second, h),
        ...(second ? { body: (x: Tensor) => mlp(layer, x) } : attending(attention(layer))),
      }
    })
    const { blocks, last } = residualBlocks(sublayers, config.scale, h => norm('final_layer_norm', h))
    const embeddings = tensors['embed_in.weight']!
    return {
      encode(ids) {
        checkIds('gpt-neox', ids, config.vocab_size)
        return gather(embeddings, ids)
      },
      blocks,
      decode: h => matmul(last(h), tensors['embed_out.weight'] ?? embeddings, false, true),
    }
  },
}
