import { add, gather, matmul, narrow, type Tensor } from '@unravel/tensor'
import { z } from 'zod'
import { type Architecture, InputError, type TensorSpec, type Tensors } from './architecture.js'
import { depth, harmless, length, only, records, unchanged } from './config.js'
import {
  activationName,
  checkIds,
  layerNormLayer,
  namedActivations,
  normSpecs,
  parameter,
  selfAttention,
  type WeightStart,
} from './layers.js'
import { attending, residualBlocks } from './residual.js'
import { scaleSchema } from './scale.js'
import type { Heads, Tower } from './tower.js'

const schema = z
  .object({
    architecture: z.literal('gpt2'),
    vocab_size: length,
    n_positions: length,
    n_embd: length,
    n_layer: depth,
    n_head: length,
    n_inner: length.nullish(),
    layer_norm_epsilon: z.number().min(0).default(1e-5),
    activation_function: activationName.default('gelu_new'),
    scale_attn_weights: z.boolean().default(true),
    scale_attn_by_inverse_layer_idx: z.boolean().default(false),
    /** Whether the head is the embedding (default), or `lm_head.weight`. */
    tie_word_embeddings: z.boolean().optional(),
    scale: scaleSchema.optional(),
    ...records,
    ...unchanged,
    ...only({ model_type: ['gpt2'], add_cross_attention: [false] }),
    // Dropout is the identity outside of training; the summary is a head of other models; the reordering is of rounding only.
    ...harmless('resid_pdrop', 'embd_pdrop', 'attn_pdrop', 'predict_special_tokens', 'output_past'),
    ...harmless('summary_type', 'summary_use_proj', 'summary_activation', 'summary_proj_to_labels'),
    ...harmless('summary_first_dropout', 'reorder_and_upcast_attn'),
  })
  .refine(({ n_embd, n_head }) => n_embd % n_head === 0, {
    path: ['n_head'],
    message: 'expected a divisor of n_embd',
  })

export type Gpt2Config = z.output<typeof schema>

/**
 * GPT-2 (Radford et al. 2019) with Hugging Face's configuration and tensors: ids [batch, sequence] to logits
 * [batch, sequence, vocab_size]. A layer is two blocks, h ← h + λ·attn(ln_1(h)) (block 2l, causal attention) and
 * h ← h + λ·mlp(ln_2(h)) (block 2l + 1), on h [batch, sequence, n_embd]. The encoder adds embeddings of ids and of
 * positions; the decoder is ln_f and the transpose of the embedding of ids, or of a head of its own.
 *
 * Encoding throws InputError for sequences longer than n_positions, ids outside the vocabulary, and inputs that are no
 * ids [batch, sequence].
 */
export const gpt2: Architecture<Gpt2Config> = {
  name: 'gpt2',
  modelTypes: ['gpt2'],
  schema,
  synonyms: {
    hidden_size: 'n_embd',
    num_hidden_layers: 'n_layer',
    num_attention_heads: 'n_head',
    max_position_embeddings: 'n_positions',
    n_ctx: 'n_positions',
    layer_norm_eps: 'layer_norm_epsilon',
    hidden_act: 'activation_function',
  },
  depth: config => 2 * config.n_layer,
  input: () => ({ shape: ['sequence'], kind: 'ids' }),

  scaleNames: config =>
    Array.from({ length: 2 * config.n_layer }, (_, i) => `h.${i >> 1}.${i % 2 === 0 ? 'attn' : 'mlp'}.scale`),

  channels: config => Array.from({ length: 2 * config.n_layer }, () => [config.n_embd]),
  refuses: (_, form) => (form === 'deep-norm' ? undefined : 'the branches of a gpt2 have norms'),

  tensors(config) {
    const { vocab_size: vocabulary, n_positions: positions, n_embd: width, n_layer: layers, n_inner } = config
    const inner = n_inner ?? 4 * width
    const specs: Record<string, TensorSpec> = {
      'wte.weight': parameter([vocabulary, width], 'weight'),
      'wpe.weight': parameter([positions, width], 'weight'),
    }
    for (let l = 0; l < layers; l++) {
      Object.assign(
        specs,
        normSpecs(`h.${l}.ln_1`, width),
        conv1dSpecs(`h.${l}.attn.c_attn`, width, 3 * width, 'branch', width),
        conv1dSpecs(`h.${l}.attn.c_proj`, width, width, 'branch-end'),
        normSpecs(`h.${l}.ln_2`, width),
        conv1dSpecs(`h.${l}.mlp.c_fc`, width, inner, 'branch'),
        conv1dSpecs(`h.${l}.mlp.c_proj`, inner, width, 'branch-end'),
      )
    }
    if (config.scale?.rule !== 'deep-norm') Object.assign(specs, normSpecs('ln_f', width))
    if (config.tie_word_embeddings === false) specs['lm_head.weight'] = parameter([vocabulary, width], 'classifier')
    return specs
  },

  // State dicts also hold the causal mask of every layer, and the head that shares the weights of the embedding.
  standsFor(stored, { tie_word_embeddings: tied }) {
    if (stored === 'lm_head.weight') return tied === false ? stored : 'wte.weight'
    const name = stored.replace(/^transformer\./, '')
    return /^h\.\d+\.attn\.(bias|masked_bias)$/.test(name) ? null : name
  },

  tower(config, tensors, scales): Tower {
    const { n_head: heads, layer_norm_epsilon: eps } = config
    const phi = namedActivations[config.activation_function]
    const norm = (name: string, h: Tensor) => layerNormLayer(tensors, name, h, eps)
    const attentionScale = (l: number) =>
      (config.scale_attn_weights ? Math.sqrt(heads / config.n_embd) : 1) /
      (config.scale_attn_by_inverse_layer_idx ? l + 1 : 1)
    const attention = (l: number): Heads => ({
      count: heads,
      mix: x =>
        selfAttention(conv1d(tensors, `h.${l}.attn.c_attn`, x), heads, { causal: true, scale: attentionScale(l) }),
      write: mixed => conv1d(tensors, `h.${l}.attn.c_proj`, mixed),
    })
    const mlp = (l: number, x: Tensor) =>
      conv1d(tensors, `h.${l}.mlp.c_proj`, phi(conv1d(tensors, `h.${l}.mlp.c_fc`, x)))
    const sublayers = scales.map((scale, i) => ({
      scale,
      norm: (h: Tensor) => norm(`h.${i >> 1}.ln_${(i % 2) + 1}`, h),
      ...(i % 2 === 0 ? attending(attention(i >> 1)) : { body: (x: Tensor) => mlp(i >> 1, x) }),
    }))
    const { blocks, last } = residualBlocks(sublayers, config.scale, h => norm('ln_f', h))
    const embeddings = tensors['wte.weight']!
    return {
      encode(ids) {
        checkIds('gpt2', ids, config.vocab_size)
        const positions = ids.shape[1]!
        if (positions > config.n_positions) {
          throw new InputError(
            `gpt2: a sequence of ${positions} ids is longer than the model's n_positions, ${config.n_positions}`,
          )
        }
        return add(gather(embeddings, ids), narrow(tensors['wpe.weight']!, 0, 0, ids.shape[1]!))
      },
      blocks,
      decode: h => matmul(last(h), tensors['lm_head.weight'] ?? embeddings, false, true),
    }
  },
}

/** A dense layer whose weight is stored `[in, out]`. */
const conv1dSpecs = (name: string, from: number, out: number, start: WeightStart, attention?: number) => ({
  [`${name}.weight`]: { ...parameter([from, out], start), inputsFirst: true, ...(attention && { attention }) },
  [`${name}.bias`]: parameter([out], 0),
})

const conv1d = (tensors: Tensors, name: string, x: Tensor): Tensor =>
  add(matmul(x, tensors[`${name}.weight`]!), tensors[`${name}.bias`]!)
