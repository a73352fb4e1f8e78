import {
  div,
  type GateFunction,
  gatedProduct,
  gather,
  linear,
  matmul,
  mul,
  reshape,
  rmsNorm,
  scaledDotProductAttention,
  type Tensor,
  tensor,
  transpose,
} from '@unravel/tensor'
import { like } from '@unravel/tensor/internals'
import { z } from 'zod'
import type { Architecture, TensorSpec, Tensors } from './architecture.js'
import { depth, harmless, length, only, records, unchanged } from './config.js'
import { checkIds, linearLayer, parameter, type WeightStart } from './layers.js'
import { attending, residualBlocks } from './residual.js'
import { rope, rotary, thetaOf } from './rotary.js'
import { scaleSchema } from './scale.js'
import type { Heads, Tower } from './tower.js'

/** Gate functions by Hugging Face's names of activations. */
const gates = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_new: 'geluTanh',
  gelu_fast: 'geluTanh',
  gelu_pytorch_tanh: 'geluTanh',
  relu: 'relu',
  sigmoid: 'sigmoid',
  linear: 'identity',
} as const satisfies Record<string, GateFunction>
type Activation = keyof typeof gates

/** Model types of Hugging Face that this family reads. */
const modelTypes = ['llama', 'mistral', 'qwen2', 'qwen3', 'granite', 'minicpm'] as const

const schema = z
  .object({
    architecture: z.literal('llama'),
    model_type: z.enum(modelTypes).default('llama'),
    vocab_size: length,
    hidden_size: length,
    intermediate_size: length,
    num_hidden_layers: depth,
    num_attention_heads: length,
    num_key_value_heads: length.nullish(),
    head_dim: length.nullish(),
    hidden_act: z.enum(Object.keys(gates) as [Activation, ...Activation[]]).default('silu'),
    rms_norm_eps: z.number().min(0).default(1e-6),
    rope_theta: z.number().positive().nullish(),
    rope_parameters: rope,
    rope_scaling: rope,
    attention_bias: z.boolean().optional(),
    mlp_bias: z.boolean().default(false),
    tie_word_embeddings: z.boolean().optional(),
    /** Keys that a query sees, itself included; null for all before it. */
    sliding_window: length.nullish(),
    use_sliding_window: z.boolean().optional(),
    max_window_layers: z.int().min(0).optional(),
    layer_types: z.array(z.enum(['full_attention', 'sliding_attention'])).nullish(),
    /** Granite: λ of every branch, and factors of the embedding, the scores and (its inverse) the logits. */
    residual_multiplier: z.number().optional(),
    embedding_multiplier: z.number().optional(),
    attention_multiplier: z.number().optional(),
    logits_scaling: z.number().optional(),
    /** MiniCPM: λ = scale_depth/√layers; factor of the embedding; logits of h·dim_model_base/hidden_size. */
    scale_depth: z.number().optional(),
    scale_emb: z.number().optional(),
    dim_model_base: z.number().positive().optional(),
    scale: scaleSchema.optional(),
    ...records,
    ...unchanged,
    ...only({ pretraining_tp: [1], partial_rotary_factor: [1], num_experts: [0, null], num_local_experts: [0, null] }),
    ...only({ use_mrope: [false] }),
    ...harmless('attention_dropout', 'attn_pdrop', 'hidden_dropout', 'max_position_embeddings', 'rope_interleaved'),
    ...harmless('max_sequence_length', 'is_llama_config'),
  })
  .refine(({ hidden_size, num_attention_heads, head_dim }) => head_dim || hidden_size % num_attention_heads === 0, {
    path: ['num_attention_heads'],
    message: 'expected a divisor of hidden_size',
  })
  .refine(c => c.num_attention_heads % (c.num_key_value_heads ?? c.num_attention_heads) === 0, {
    path: ['num_key_value_heads'],
    message: 'expected a divisor of num_attention_heads',
  })
  .refine(config => headSize(config) % 2 === 0 || headSize(config) === 3, {
    path: ['head_dim'],
    message: 'expected an even number',
  })
  .refine(c => !c.layer_types || c.layer_types.length === c.num_hidden_layers, {
    path: ['layer_types'],
    message: 'expected one for every layer',
  })
  .refine(c => [c.rope_parameters, c.rope_scaling].every(r => (r?.partial_rotary_factor ?? 1) === 1), {
    path: ['rope_parameters'],
    message: 'expected a partial_rotary_factor of 1',
  })
  .refine(c => !slides(c) || c.use_sliding_window !== false, {
    path: ['use_sliding_window'],
    message: 'expected true beside layer_types with "sliding_attention"',
  })
  .refine(c => !slides(c) || c.sliding_window !== null, {
    path: ['sliding_window'],
    message: 'expected a number beside layer_types with "sliding_attention"',
  })
  .superRefine((config, context) => {
    // A multiplier belongs to one model type: beside another it would be ignored by the program that wrote the file.
    for (const [type, fields] of Object.entries(multipliers)) {
      if (config.model_type === type) continue
      for (const field of fields) {
        if (config[field] === undefined) continue
        context.addIssue({ code: 'custom', path: [field], message: `expected only where model_type is "${type}"` })
      }
    }
    const theta = [config.rope_theta, config.rope_parameters?.rope_theta, config.rope_scaling?.rope_theta]
    if (new Set(theta.filter(t => typeof t === 'number')).size > 1) {
      context.addIssue({ code: 'custom', path: ['rope_theta'], message: 'expected the value in rope_parameters' })
    }
  })

const multipliers = {
  granite: ['residual_multiplier', 'embedding_multiplier', 'attention_multiplier', 'logits_scaling'],
  minicpm: ['scale_depth', 'scale_emb', 'dim_model_base'],
} as const

/** Model types whose attention has a window; the others' programs pass over the field. */
const windowed: ReadonlySet<string> = new Set(['mistral', 'qwen2', 'qwen3'])

export type LlamaConfig = z.output<typeof schema>

interface HeadFields {
  model_type: string
  hidden_size: number
  num_attention_heads: number
  head_dim?: number | null | undefined
}
/** Where the file does not say it, as Hugging Face's configuration of the model type. */
const headSize = ({ model_type: type, head_dim: size, hidden_size: width, num_attention_heads: heads }: HeadFields) =>
  size ?? (type === 'qwen3' && size === undefined ? 128 : width / heads)

/** Whether the windows of the layers are said one by one, as Qwen's are. */
const slides = ({ model_type: type, layer_types: kinds }: WindowFields): boolean =>
  type.startsWith('qwen') && kinds?.includes('sliding_attention') === true
interface WindowFields {
  model_type: string
  layer_types?: readonly string[] | null | undefined
}

/** λ of the branches where the configuration has no `scale`: the residual multiplier of its model type. */
function residualMultiplier(config: LlamaConfig): number {
  if (config.model_type === 'granite') return config.residual_multiplier ?? 1
  if (config.model_type === 'minicpm') return (config.scale_depth ?? 1) / Math.sqrt(config.num_hidden_layers)
  return 1
}

/** Window of layer l's attention; Infinity where it sees everything before it. */
function window(config: LlamaConfig, l: number): number {
  const { model_type: type, sliding_window: size = 4096, layer_types: kinds } = config
  if (!size || !windowed.has(type)) return Infinity
  if (kinds) return kinds[l] === 'sliding_attention' ? size : Infinity
  if (type === 'mistral') return size
  return config.use_sliding_window && l >= (config.max_window_layers ?? 28) ? size : Infinity
}

const untied: ReadonlySet<string> = new Set(['llama', 'mistral', 'qwen2', 'qwen3', 'granite'])
const tied = (config: LlamaConfig): boolean => config.tie_word_embeddings ?? !untied.has(config.model_type)

/**
 * The Llama family (Touvron et al. 2023) with Hugging Face's configurations and tensors: `model_type` llama, mistral, qwen2,
 * qwen3, granite and minicpm. Ids [batch, sequence] to logits [batch, sequence, vocab_size]. A layer is two blocks,
 * h ← h + λ·attn(norm(h)) (block 2l: causal attention with rotary positions and grouped keys and values) and
 * h ← h + λ·mlp(norm(h)) (block 2l + 1: down(act(gate(x)) ⊙ up(x))), on h [batch, sequence, hidden_size].
 *
 * λ is the residual multiplier of the configuration: Granite's `residual_multiplier`, MiniCPM's scale_depth/√layers, else 1;
 * `scale` in the configuration stands before it. Paths run through `up`; the activated gate is frozen.
 */
export const llama: Architecture<LlamaConfig> = {
  name: 'llama',
  modelTypes,
  schema,
  depth: config => 2 * config.num_hidden_layers,
  input: () => ({ shape: ['sequence'], kind: 'ids' }),
  scale: config => ({ rule: 'constant', value: residualMultiplier(config) }),
  scaleNames: config =>
    Array.from(
      { length: 2 * config.num_hidden_layers },
      (_, i) => `layers.${i >> 1}.${i % 2 ? 'mlp' : 'self_attn'}.scale`,
    ),

  channels: config => Array.from({ length: 2 * config.num_hidden_layers }, () => [config.hidden_size]),
  refuses: (_, form) => (form === 'deep-norm' ? undefined : 'the branches of a llama have norms'),

  tensors(config) {
    const { vocab_size: vocabulary, hidden_size: width, intermediate_size: inner, num_attention_heads: heads } = config
    const size = headSize(config)
    const groups = config.num_key_value_heads ?? heads
    // Qwen2 has these biases whatever attention_bias, no field of its own, is; files that say false may lack them.
    const qwen2 = config.model_type === 'qwen2'
    const qkvBias = qwen2 || config.attention_bias === true
    const outBias = config.attention_bias === true && !qwen2
    const unsaid = qwen2 && config.attention_bias === false
    const specs: Record<string, TensorSpec> = { 'model.embed_tokens.weight': parameter([vocabulary, width], 'weight') }
    const dense = (name: string, out: number, from: number, bias: boolean, start: WeightStart = 'branch') => {
      const pattern = /\.[qk]_proj$/.test(name) && { attention: 'queries or keys' as const }
      specs[`${name}.weight`] = { ...parameter([out, from], start), ...pattern }
      if (bias) specs[`${name}.bias`] = { ...parameter([out], 0), ...(unsaid && { optional: true }) }
    }
    for (let l = 0; l < config.num_hidden_layers; l++) {
      const [attn, mlp] = [`model.layers.${l}.self_attn.`, `model.layers.${l}.mlp.`]
      specs[`model.layers.${l}.input_layernorm.weight`] = parameter([width], 1)
      dense(`${attn}q_proj`, heads * size, width, qkvBias)
      dense(`${attn}k_proj`, groups * size, width, qkvBias)
      dense(`${attn}v_proj`, groups * size, width, qkvBias)
      dense(`${attn}o_proj`, width, heads * size, outBias, 'branch-end')
      if (config.model_type === 'qwen3') {
        specs[`${attn}q_norm.weight`] = parameter([size], 1)
        specs[`${attn}k_norm.weight`] = parameter([size], 1)
      }
      specs[`model.layers.${l}.post_attention_layernorm.weight`] = parameter([width], 1)
      dense(`${mlp}gate_proj`, inner, width, config.mlp_bias)
      dense(`${mlp}up_proj`, inner, width, config.mlp_bias)
      dense(`${mlp}down_proj`, width, inner, config.mlp_bias, 'branch-end')
    }
    if (config.scale?.rule !== 'deep-norm') specs['model.norm.weight'] = parameter([width], 1)
    if (!tied(config)) specs['lm_head.weight'] = parameter([vocabulary, width], 'classifier')
    return specs
  },

  // The base model has no prefix; frequencies of the rotary positions follow from the configuration.
  standsFor(stored, config) {
    if (stored === 'lm_head.weight') return tied(config) ? 'model.embed_tokens.weight' : stored
    if (/\brotary_emb\.(inv_freq|cos_cached|sin_cached)$/.test(stored)) return null
    return /^(embed_tokens|layers|norm)\./.test(stored) ? `model.${stored}` : stored
  },

  tower(config, tensors, scales): Tower {
    const { hidden_size: width, rms_norm_eps: eps } = config
    const norm = (name: string, x: Tensor) => rmsNorm(x, tensors[`${name}.weight`]!, eps)
    const embeddings = tensors['model.embed_tokens.weight']!
    const embeddingFactor = config.embedding_multiplier ?? config.scale_emb ?? 1
    const logitFactor = config.model_type === 'minicpm' ? (config.dim_model_base ?? 1) / width : 1
    const attend = attentionOf(config, tensors)
    const mlp = (l: number, x: Tensor) => {
      const part = (name: string, y: Tensor) => linearLayer(tensors, `model.layers.${l}.mlp.${name}`, y)
      return part('down_proj', gatedProduct(part('up_proj', x), part('gate_proj', x), gates[config.hidden_act]))
    }
    const sublayers = scales.map((scale, i) => ({
      scale,
      norm: (h: Tensor) => norm(`model.layers.${i >> 1}.${i % 2 ? 'post_attention' : 'input'}_layernorm`, h),
      ...(i % 2 ? { body: (x: Tensor) => mlp(i >> 1, x) } : attending(attend(i >> 1))),
    }))
    const { blocks, last } = residualBlocks(sublayers, config.scale, h => norm('model.norm', h))
    return {
      encode(ids) {
        checkIds('llama', ids, config.vocab_size)
        return mul(gather(embeddings, ids), embeddingFactor)
      },
      blocks,
      decode(h) {
        const x = mul(last(h), logitFactor)
        const logits = matmul(x, tensors['lm_head.weight'] ?? embeddings, false, true)
        return div(logits, config.logits_scaling ?? 1)
      },
    }
  },
}

/** Causal self-attention of layer l on x [batch, sequence, hidden_size]. */
function attentionOf(config: LlamaConfig, tensors: Tensors): (l: number) => Heads {
  const { num_attention_heads: heads, rms_norm_eps: eps } = config
  const size = headSize(config)
  const groups = config.num_key_value_heads ?? heads
  const theta = thetaOf(config)
  const scale = config.attention_multiplier ?? (config.model_type === 'granite' ? 1 : 1 / Math.sqrt(size))
  const mix = (l: number, x: Tensor) => {
    const [batch, sequence] = x.shape as [number, number]
    const prefix = `model.layers.${l}.self_attn.`
    // [batch, groups, heads of a group, sequence, size]
    const split = (name: string, each: number, positions: boolean) => {
      const y = linear(x, tensors[`${prefix}${name}_proj.weight`]!, tensors[`${prefix}${name}_proj.bias`])
      const parts = transpose(reshape(y, [batch, sequence, groups, each, size]), [0, 2, 3, 1, 4])
      const weight = tensors[`${prefix}${name}_norm.weight`]
      const normed = weight === undefined ? parts : rmsNorm(parts, weight, eps)
      return positions ? rotary(normed, theta, size) : normed
    }
    const seen = window(config, l)
    const mixed = scaledDotProductAttention(
      split('q', heads / groups, true),
      split('k', 1, true),
      split('v', 1, false),
      {
        causal: true,
        scale,
        ...(seen < sequence ? { mask: banded(sequence, seen, x) } : {}),
      },
    )
    return reshape(transpose(mixed, [0, 3, 1, 2, 4]), [batch, sequence, heads * size])
  }
  return l => ({
    count: heads,
    mix: x => mix(l, x),
    write: mixed => linearLayer(tensors, `model.layers.${l}.self_attn.o_proj`, mixed),
  })
}

/** 1 where key j is one of the last `window` up to query i, else 0: [sequence, sequence], beside a causal mask. */
const banded = (sequence: number, window: number, x: Tensor): Tensor =>
  tensor(
    Float64Array.from({ length: sequence ** 2 }, (_, at) =>
      Math.floor(at / sequence) - (at % sequence) < window ? 1 : 0,
    ),
    { shape: [sequence, sequence], ...like(x) },
  )
