import { add, broadcastTo, concat, conv2d, mul, narrow, reshape, type Tensor, transpose } from '@unravel/tensor'
import { z } from 'zod'
import type { Architecture, TensorSpec } from './architecture.js'
import { depth, harmless, length, only, records, unchanged } from './config.js'
import {
  activationName,
  checkImages,
  layerNormLayer,
  linearLayer,
  linearSpecs,
  namedActivations,
  normSpecs,
  parameter,
  selfAttention,
} from './layers.js'
import { scaleSchema } from './scale.js'
import type { Tower } from './tower.js'

/** One number for a square, or [height, width]. */
const size = z.union([length, z.tuple([length, length])], { error: 'expected a positive integer or two' })
const pair = (s: z.output<typeof size>): readonly [number, number] => (typeof s === 'number' ? [s, s] : s)

/** Width inside of the MLP. */
const innerOf = (config: { readonly embed_dim: number; readonly mlp_ratio: number }): number =>
  Math.floor(config.embed_dim * config.mlp_ratio)

const schema = z
  .object({
    architecture: z.literal('vit'),
    img_size: size,
    patch_size: size,
    in_chans: length.default(3),
    num_classes: length,
    embed_dim: length,
    depth,
    num_heads: length,
    mlp_ratio: z
      .number()
      .positive()
      .max(1 << 10)
      .default(4),
    qkv_bias: z.boolean().default(true),
    norm_eps: z.number().min(0).default(1e-6),
    /** Of the MLP; GELU (erf) when absent or null. */
    act_layer: activationName.nullish(),
    /** Biases of attn.proj, mlp.fc1 and mlp.fc2. */
    proj_bias: z.boolean().optional(),
    /** Start of LayerScale, one factor for every channel at the end of each branch (`ls1.gamma`, `ls2.gamma`); none when
     *  absent or null. */
    init_values: z.number().nullish(),
    intermediate_size: length.optional(),
    scale: scaleSchema.optional(),
    ...records,
    ...unchanged,
    ...only({
      model_type: ['vit'],
      class_token: [true],
      global_pool: ['token'],
      pos_embed: ['learn'],
      block_fn: ['Block', null],
      mlp_layer: ['Mlp', null],
      attn_layer: ['Attention', 'attn', null],
      norm_layer: ['LayerNorm', 'layernorm', null],
      embed_layer: ['PatchEmbed', null],
      embed_norm_layer: [null],
      reg_tokens: [0],
      no_embed_class: [false],
      qk_norm: [false],
      scale_attn_norm: [false],
      scale_mlp_norm: [false],
      pre_norm: [false],
      final_norm: [true],
      fc_norm: [false, null],
      use_fc_norm: [false, null],
      pool_include_prefix: [false],
      representation_size: [null, false],
      distilled: [false],
      model_args: [{}, null],
    }),
    // Dropout is the identity outside of training; images of another size are refused, dynamic sizes or not.
    ...harmless('drop_rate', 'pos_drop_rate', 'patch_drop_rate', 'proj_drop_rate', 'attn_drop_rate', 'drop_path_rate'),
    ...harmless('hidden_dropout_prob', 'attention_probs_dropout_prob', 'dynamic_img_size', 'dynamic_img_pad'),
    ...harmless('weight_init', 'fix_init', 'encoder_stride', 'pooler_output_size', 'pooler_act'),
  })
  .refine(({ embed_dim, num_heads }) => embed_dim % num_heads === 0, {
    path: ['num_heads'],
    message: 'expected a divisor of embed_dim',
  })
  .refine(({ img_size, patch_size }) => pair(img_size).every((n, i) => n >= pair(patch_size)[i]!), {
    path: ['patch_size'],
    message: 'expected at most img_size',
  })
  .refine(({ embed_dim, mlp_ratio }) => embed_dim * mlp_ratio >= 1, {
    path: ['mlp_ratio'],
    message: 'expected at least 1/embed_dim',
  })
  .refine(config => config.intermediate_size === undefined || config.intermediate_size === innerOf(config), {
    path: ['intermediate_size'],
    message: 'expected embed_dim times mlp_ratio',
  })

export type VitConfig = z.output<typeof schema>

/**
 * Vision transformer (Dosovitskiy et al. 2021) with timm's names and fields (the arguments of its VisionTransformer, and
 * `norm_eps`): images [batch, in_chans, height, width] to logits [batch, num_classes], read off the class token. A layer
 * is two blocks, h ← h + λ·attn(norm1(h)) (block 2l) and h ← h + λ·mlp(norm2(h)) (block 2l + 1), on h
 * [batch, 1 + patches, embed_dim]. The encoder is the embedding of patches, class token and positions; the decoder norm
 * and head. Encoding throws InputError for images of another size.
 */
export const vit: Architecture<VitConfig> = {
  name: 'vit',
  schema,
  synonyms: {
    layer_norm_eps: 'norm_eps',
    hidden_act: 'act_layer',
    hidden_size: 'embed_dim',
    num_features: 'embed_dim',
    num_hidden_layers: 'depth',
    num_attention_heads: 'num_heads',
    image_size: 'img_size',
    num_channels: 'in_chans',
    num_labels: 'num_classes',
  },
  depth: config => 2 * config.depth,
  input: ({ img_size, in_chans }) => ({ shape: [in_chans, ...pair(img_size)], kind: 'real' }),

  scaleNames: config =>
    Array.from({ length: 2 * config.depth }, (_, i) => `blocks.${i >> 1}.${i % 2 === 0 ? 'attn' : 'mlp'}.scale`),

  tensors(config) {
    const { in_chans: channels, embed_dim: width, depth, num_classes: classes } = config
    const [patchH, patchW] = pair(config.patch_size)
    const [height, imageWidth] = pair(config.img_size)
    const patches = Math.floor(height / patchH) * Math.floor(imageWidth / patchW)
    const inner = innerOf(config)
    const specs: Record<string, TensorSpec> = {
      cls_token: parameter([1, 1, width], 0),
      pos_embed: parameter([1, 1 + patches, width], 'weight'),
      'patch_embed.proj.weight': parameter([width, channels, patchH, patchW], 'weight'),
      'patch_embed.proj.bias': parameter([width], 0),
    }
    for (let l = 0; l < depth; l++) {
      const block = `blocks.${l}.`
      Object.assign(
        specs,
        normSpecs(`${block}norm1`, width),
        linearSpecs(`${block}attn.qkv`, 3 * width, width),
        linearSpecs(`${block}attn.proj`, width, width, 'branch-end'),
        normSpecs(`${block}norm2`, width),
        linearSpecs(`${block}mlp.fc1`, inner, width),
        linearSpecs(`${block}mlp.fc2`, width, inner, 'branch-end'),
      )
      if (!config.qkv_bias) delete specs[`${block}attn.qkv.bias`]
      if (config.proj_bias === false)
        for (const name of ['attn.proj', 'mlp.fc1', 'mlp.fc2']) delete specs[`${block}${name}.bias`]
      if (typeof config.init_values === 'number') {
        for (const name of ['ls1.gamma', 'ls2.gamma']) specs[`${block}${name}`] = parameter([width], config.init_values)
      }
    }
    return Object.assign(specs, normSpecs('norm', width), linearSpecs('head', classes, width))
  },

  tower(config, tensors, scales): Tower {
    const { embed_dim: width, num_heads: heads, norm_eps: eps } = config
    const stride = pair(config.patch_size)
    const norm = (name: string, h: Tensor) => layerNormLayer(tensors, name, h, eps)
    const dense = (name: string, x: Tensor) => linearLayer(tensors, name, x)
    const phi = namedActivations[config.act_layer ?? 'gelu']
    const gamma = (name: string, y: Tensor) => (tensors[name] === undefined ? y : mul(y, tensors[name]))
    const attention = (block: string, h: Tensor) => {
      const mixed = selfAttention(dense(`${block}attn.qkv`, norm(`${block}norm1`, h)), heads)
      return gamma(`${block}ls1.gamma`, dense(`${block}attn.proj`, mixed))
    }
    const mlp = (block: string, h: Tensor) => {
      const hidden = phi(dense(`${block}mlp.fc1`, norm(`${block}norm2`, h)))
      return gamma(`${block}ls2.gamma`, dense(`${block}mlp.fc2`, hidden))
    }
    return {
      encode(x) {
        checkImages('vit', x, vit.input(config).shape)
        const batch = x.shape[0]!
        const grid = conv2d(x, tensors['patch_embed.proj.weight']!, tensors['patch_embed.proj.bias'], { stride })
        const patches = transpose(reshape(grid, [batch, width, grid.shape[2]! * grid.shape[3]!]), [0, 2, 1])
        const token = broadcastTo(tensors.cls_token!, [batch, 1, width])
        return add(concat([token, patches], 1), tensors.pos_embed!)
      },
      blocks: scales.map((scale, i) => ({
        scale,
        branch: h => (i % 2 === 0 ? attention : mlp)(`blocks.${i >> 1}.`, h),
      })),
      // The norm is of each position by itself, and only the first is read.
      decode: h => dense('head', norm('norm', reshape(narrow(h, 1, 0, 1), [h.shape[0]!, width]))),
    }
  },
}
