import { add, broadcastTo, concat, conv2d, mean, mul, narrow, reshape, type Tensor, transpose } from '@unravel/tensor'
import { z } from 'zod'
import type { Architecture, TensorSpec } from './architecture.js'
import { depth, harmless, hasClassifier, labelCount, length, only, records, unchanged } from './config.js'
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
import { attending, residualBlocks } from './residual.js'
import { scaleSchema } from './scale.js'
import type { Heads, Tower } from './tower.js'

/** One number for a square, or [height, width]. */
const size = z.union([length, z.tuple([length, length])], { error: 'expected a positive integer or two' })
const pair = (s: z.output<typeof size>): readonly [number, number] => (typeof s === 'number' ? [s, s] : s)

/** Width inside of the MLP. */
const innerOf = ({ embed_dim: width, mlp_ratio: ratio = 4, intermediate_size: inner }: Sizes): number =>
  inner ?? Math.floor(width * ratio)
interface Sizes {
  readonly embed_dim: number
  readonly mlp_ratio?: number | undefined
  readonly intermediate_size?: number | undefined
}

const count = z
  .int()
  .min(0)
  .max(1 << 24)

const schema = z
  .object({
    architecture: z.literal('vit'),
    img_size: size,
    patch_size: size,
    in_chans: length.default(3),
    /** None: the output is what a head would read. */
    num_classes: count,
    embed_dim: length,
    depth,
    num_heads: length,
    /** Width inside of the MLP over embed_dim; 4 when absent, without intermediate_size. */
    mlp_ratio: z
      .number()
      .positive()
      .max(1 << 10)
      .optional(),
    intermediate_size: length.optional(),
    qkv_bias: z.boolean().default(true),
    norm_eps: z.number().min(0).default(1e-6),
    /** Of the MLP; GELU (erf) when absent or null. */
    act_layer: activationName.nullish(),
    /** Biases of attn.proj, mlp.fc1 and mlp.fc2. */
    proj_bias: z.boolean().optional(),
    /** Start of LayerScale, one factor for every channel at the end of each branch (`ls1.gamma`, `ls2.gamma`); none when
     *  absent or null. */
    init_values: z.number().nullish(),
    class_token: z.boolean().optional(),
    /** Register tokens, after the class token. */
    reg_tokens: count.optional(),
    /** Whether only patches have positions, not the tokens before them. */
    no_embed_class: z.boolean().optional(),
    /** The input of the head: the class token, or the mean over the patches (with the tokens before them: pool_include_prefix). */
    global_pool: z.enum(['token', 'avg']).optional(),
    pool_include_prefix: z.boolean().optional(),
    /** A norm before the first block; patches then have no bias. */
    pre_norm: z.boolean().optional(),
    /** Norms of the queries and keys of every head. */
    qk_norm: z.boolean().optional(),
    final_norm: z.boolean().optional(),
    /** Whether the final norm comes after the pooling (`fc_norm`), not before (`norm`); with 'avg' when absent or null. */
    fc_norm: z.boolean().nullish(),
    /** Hugging Face's pooler, where the file has its tensors: a dense layer and an activation on the class token. */
    pooler: z.boolean().optional(),
    pooler_output_size: length.nullish(),
    pooler_act: activationName.optional(),
    scale: scaleSchema.optional(),
    ...records,
    ...unchanged,
    ...only({
      model_type: ['vit'],
      pos_embed: ['learn'],
      block_fn: ['Block', null],
      mlp_layer: ['Mlp', null],
      attn_layer: ['Attention', 'attn', '', null],
      norm_layer: ['LayerNorm', 'layernorm', null],
      embed_layer: ['PatchEmbed', null],
      embed_norm_layer: [null],
      scale_attn_norm: [false],
      scale_mlp_norm: [false],
      representation_size: [null, false],
      distilled: [false],
      model_args: [{}, null],
      do_pooling: [true],
    }),
    // Dropout is the identity outside of training; images of another size are refused, dynamic sizes or not.
    ...harmless('drop_rate', 'pos_drop_rate', 'patch_drop_rate', 'proj_drop_rate', 'attn_drop_rate', 'drop_path_rate'),
    ...harmless('hidden_dropout_prob', 'attention_probs_dropout_prob', 'dynamic_img_size', 'dynamic_img_pad'),
    ...harmless('weight_init', 'fix_init', 'encoder_stride'),
  })
  .refine(({ embed_dim, num_heads }) => embed_dim % num_heads === 0, {
    path: ['num_heads'],
    message: 'expected a divisor of embed_dim',
  })
  .refine(({ img_size, patch_size }) => pair(img_size).every((n, i) => n >= pair(patch_size)[i]!), {
    path: ['patch_size'],
    message: 'expected at most img_size',
  })
  .refine(config => innerOf(config) >= 1, {
    path: ['mlp_ratio'],
    message: 'expected at least 1/embed_dim',
  })
  .refine(
    config => config.mlp_ratio === undefined || innerOf(config) === Math.floor(config.embed_dim * config.mlp_ratio),
    {
      path: ['intermediate_size'],
      message: 'expected embed_dim times mlp_ratio',
    },
  )
  .refine(({ class_token = true, global_pool = 'token' }) => class_token || global_pool !== 'token', {
    path: ['class_token'],
    message: 'expected true, or a global_pool of "avg"',
  })
  .refine(({ class_token = true, pooler }) => class_token || !pooler, {
    path: ['pooler'],
    message: 'expected a class token',
  })

export type VitConfig = z.output<typeof schema>

/** Tokens before the patches: the class token, then the registers. */
const prefixOf = ({ class_token = true, reg_tokens = 0 }: VitConfig): number => Number(class_token) + reg_tokens
/** Whether the final norm comes after the pooling. */
const normsPooled = ({ fc_norm, global_pool = 'token' }: VitConfig): boolean => fc_norm ?? global_pool === 'avg'
const layerScaled = ({ init_values }: VitConfig): boolean => typeof init_values === 'number'

/**
 * Vision transformer (Dosovitskiy et al. 2021) with timm's names and fields (the arguments of its VisionTransformer, and
 * `norm_eps`): images [batch, in_chans, height, width] to logits [batch, num_classes], or without classes to what a head
 * would read, [batch, embed_dim]. A layer is two blocks, h ← h + λ·attn(norm1(h)) (block 2l) and
 * h ← h + λ·mlp(norm2(h)) (block 2l + 1), on h [batch, tokens + patches, embed_dim]. The encoder is the embedding of patches,
 * class token, register tokens and positions; the decoder norm, pooling and head. Encoding throws InputError for images of
 * another size.
 *
 * Folders of Hugging Face (`model_type` vit, of ViTForImageClassification or ViTModel, whose output here is that of its pooler,
 * or without one the class token) and of timm (`vit_base_patch16_224` and the like) are read as they are.
 */
export const vit: Architecture<VitConfig> = {
  name: 'vit',
  modelTypes: ['vit'],
  huggingFace,
  timm: timmVit,
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
    use_fc_norm: 'fc_norm',
  },
  depth: config => 2 * config.depth,
  input: ({ img_size, in_chans }) => ({ shape: [in_chans, ...pair(img_size)], kind: 'real' }),

  scaleNames: config =>
    Array.from({ length: 2 * config.depth }, (_, i) => `blocks.${i >> 1}.${i % 2 === 0 ? 'attn' : 'mlp'}.scale`),

  channels: config => Array.from({ length: 2 * config.depth }, () => [config.embed_dim]),
  refuses: (_, form) => (form === 'deep-norm' ? undefined : 'the branches of a vit have norms'),

  tensors(config) {
    const { in_chans: channels, embed_dim: width, depth, num_classes: classes, num_heads: heads } = config
    const [patchH, patchW] = pair(config.patch_size)
    const [height, imageWidth] = pair(config.img_size)
    const patches = Math.floor(height / patchH) * Math.floor(imageWidth / patchW)
    const inner = innerOf(config)
    const { class_token: token = true, reg_tokens: registers = 0, no_embed_class: bare = false } = config
    const specs: Record<string, TensorSpec> = {}
    if (token) specs.cls_token = parameter([1, 1, width], 0)
    if (registers > 0) specs.reg_token = parameter([1, registers, width], 0)
    const positions = parameter([1, patches + (bare ? 0 : prefixOf(config)), width], 'weight')
    specs.pos_embed = { ...positions, undecayed: true }
    specs['patch_embed.proj.weight'] = parameter([width, channels, patchH, patchW], 'weight')
    if (config.pre_norm) Object.assign(specs, normSpecs('norm_pre', width))
    else specs['patch_embed.proj.bias'] = parameter([width], 0)
    for (let l = 0; l < depth; l++) {
      const block = `blocks.${l}.`
      Object.assign(
        specs,
        normSpecs(`${block}norm1`, width),
        linearSpecs(`${block}attn.qkv`, 3 * width, width, 'branch'),
        linearSpecs(`${block}attn.proj`, width, width, 'branch-end'),
        normSpecs(`${block}norm2`, width),
        linearSpecs(`${block}mlp.fc1`, inner, width, 'branch'),
        linearSpecs(`${block}mlp.fc2`, width, inner, 'branch-end'),
      )
      specs[`${block}attn.qkv.weight`] = { ...specs[`${block}attn.qkv.weight`]!, attention: width }
      if (config.qk_norm) {
        for (const name of ['q_norm', 'k_norm']) Object.assign(specs, normSpecs(`${block}attn.${name}`, width / heads))
      }
      if (!config.qkv_bias) delete specs[`${block}attn.qkv.bias`]
      if (config.proj_bias === false)
        for (const name of ['attn.proj', 'mlp.fc1', 'mlp.fc2']) delete specs[`${block}${name}.bias`]
      if (layerScaled(config)) {
        for (const name of ['ls1.gamma', 'ls2.gamma'])
          specs[`${block}${name}`] = parameter([width], config.init_values!)
      }
    }
    if (config.final_norm !== false && !(config.scale?.rule === 'deep-norm' && !normsPooled(config))) {
      Object.assign(specs, normSpecs(normsPooled(config) ? 'fc_norm' : 'norm', width))
    }
    const pooled = config.pooler_output_size ?? width
    if (config.pooler) {
      for (const [name, spec] of Object.entries(linearSpecs('pooler.dense', pooled, width))) {
        specs[name] = { ...spec, optional: true }
      }
    }
    return classes === 0 ? specs : Object.assign(specs, linearSpecs('head', classes, width, 'classifier'))
  },

  // Names of Hugging Face, whose queries, keys and values are three tensors. The mask token is of pretraining.
  standsFor(stored) {
    const name = stored.replace(/^vit\./, '')
    const part = /^encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.(weight|bias)$/.exec(name)
    if (part !== null) {
      const [, layer, which, kind] = part
      return {
        name: `blocks.${layer}.attn.qkv.${kind}`,
        part: ['query', 'key', 'value'].indexOf(which!),
        of: 3,
      }
    }
    if (name === 'embeddings.mask_token') return null
    for (const [theirs, ours] of hfNames) if (theirs.test(name)) return name.replace(theirs, ours)
    return name
  },

  tower(config, tensors, scales): Tower {
    const { embed_dim: width, num_heads: heads, norm_eps: eps, num_classes: classes } = config
    const stride = pair(config.patch_size)
    const norm = (name: string, h: Tensor) => layerNormLayer(tensors, name, h, eps)
    const dense = (name: string, x: Tensor) => linearLayer(tensors, name, x)
    const phi = namedActivations[config.act_layer ?? 'gelu']
    const gamma = (name: string, y: Tensor) => (tensors[name] === undefined ? y : mul(y, tensors[name]))
    const attention = (block: string): Heads => {
      const norms = config.qk_norm && {
        queries: (q: Tensor) => norm(`${block}attn.q_norm`, q),
        keys: (k: Tensor) => norm(`${block}attn.k_norm`, k),
      }
      return {
        count: heads,
        mix: x => selfAttention(dense(`${block}attn.qkv`, x), heads, norms ? { norms } : {}),
        write: mixed => gamma(`${block}ls1.gamma`, dense(`${block}attn.proj`, mixed)),
      }
    }
    const mlp = (block: string, x: Tensor) =>
      gamma(`${block}ls2.gamma`, dense(`${block}mlp.fc2`, phi(dense(`${block}mlp.fc1`, x))))
    const { final_norm: normed = true, global_pool: pool = 'token', no_embed_class: bare = false } = config
    const afterwards = normsPooled(config)
    const sublayers = scales.map((scale, i) => {
      const block = `blocks.${i >> 1}.`
      return {
        scale,
        norm: (h: Tensor) => norm(`${block}norm${(i % 2) + 1}`, h),
        ...(i % 2 === 0 ? attending(attention(block)) : { body: (x: Tensor) => mlp(block, x) }),
      }
    })
    const { blocks, last } = residualBlocks(sublayers, config.scale, h => (normed && !afterwards ? norm('norm', h) : h))
    return {
      encode(x) {
        checkImages('vit', x, vit.input(config).shape)
        const batch = x.shape[0]!
        const grid = conv2d(x, tensors['patch_embed.proj.weight']!, tensors['patch_embed.proj.bias'], { stride })
        const patches = transpose(reshape(grid, [batch, width, grid.shape[2]! * grid.shape[3]!]), [0, 2, 1])
        const tokens = [tensors.cls_token, tensors.reg_token]
          .filter(t => t !== undefined)
          .map(t => broadcastTo(t, [batch, t.shape[1]!, width]))
        const placed = bare ? add(patches, tensors.pos_embed!) : patches
        const all = tokens.length === 0 ? placed : concat([...tokens, placed], 1)
        const h = bare ? all : add(all, tensors.pos_embed!)
        return config.pre_norm ? norm('norm_pre', h) : h
      },
      blocks,
      decode(h) {
        const first = config.pool_include_prefix ? 0 : prefixOf(config)
        // The norm is of each position by itself, and only those that are read need it.
        const read =
          pool === 'token'
            ? reshape(narrow(h, 1, 0, 1), [h.shape[0]!, width])
            : narrow(h, 1, first, h.shape[1]! - first)
        const pooled = pool === 'token' ? last(read) : mean(last(read), 1)
        const features = normed && afterwards ? norm('fc_norm', pooled) : pooled
        if (classes > 0) return dense('head', features)
        if (tensors['pooler.dense.weight'] === undefined) return features
        return namedActivations[config.pooler_act ?? 'tanh'](dense('pooler.dense', features))
      },
    }
  },
}

/** Names of Hugging Face's tensors, and ours. */
const hfNames: readonly (readonly [RegExp, string])[] = [
  [/^embeddings\.cls_token$/, 'cls_token'],
  [/^embeddings\.position_embeddings$/, 'pos_embed'],
  [/^embeddings\.patch_embeddings\.projection\./, 'patch_embed.proj.'],
  [/^encoder\.layer\.(\d+)\.attention\.output\.dense\./, 'blocks.$1.attn.proj.'],
  [/^encoder\.layer\.(\d+)\.intermediate\.dense\./, 'blocks.$1.mlp.fc1.'],
  [/^encoder\.layer\.(\d+)\.output\.dense\./, 'blocks.$1.mlp.fc2.'],
  [/^encoder\.layer\.(\d+)\.layernorm_before\./, 'blocks.$1.norm1.'],
  [/^encoder\.layer\.(\d+)\.layernorm_after\./, 'blocks.$1.norm2.'],
  [/^layernorm\./, 'norm.'],
  [/^classifier\./, 'head.'],
]

/** The defaults of Hugging Face's ViTConfig, and what its classes change. */
function huggingFace(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const classifies = hasClassifier(config, 'ViTForImageClassification', 'ViTModel')
  const defaults = {
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3072,
    image_size: 224,
    patch_size: 16,
    num_channels: 3,
    layer_norm_eps: 1e-12,
    hidden_act: 'gelu',
  }
  const { num_labels: _, ...own } = config
  return { ...defaults, ...own, num_classes: classifies ? labelCount(config) : 0, pooler: !classifies }
}

/** Sizes of timm's ViTs: width, layers, heads, and the ratio of the MLP where it is not 4. */
const timmSizes: Readonly<Record<string, readonly [number, number, number, number?]>> = {
  tiny: [192, 12, 3],
  wee: [256, 14, 4, 5],
  xsmall: [256, 10, 4],
  little: [320, 14, 5, 5.6],
  small: [384, 12, 6],
  medium: [512, 12, 8],
  mediumd: [512, 20, 8],
  betwixt: [640, 12, 10],
  base: [768, 12, 12],
  large: [1024, 24, 16],
  huge: [1280, 32, 16],
  giant: [1408, 40, 16, 48 / 11],
  gigantic: [1664, 48, 16, 64 / 13],
}

/** Kinds of timm's ViTs by what stands in their names between the patches and the size of images. */
const timmKinds: readonly (readonly [RegExp, (size: string, registers: number) => Record<string, unknown> | null])[] = [
  [/^$/, () => ({})],
  [/^_clip(_quickgelu)?$/, () => ({ pre_norm: true, norm_eps: 1e-5 })],
  [
    /^_gap$/,
    size => ({
      class_token: false,
      global_pool: 'avg',
      fc_norm: false,
      ...(['medium', 'betwixt'].includes(size) && { qkv_bias: false, init_values: 1e-6 }),
      ...(size === 'base' && { num_heads: 16 }),
    }),
  ],
  [
    /^_reg\d+_gap$/,
    (size, registers) => ({
      class_token: false,
      global_pool: 'avg',
      no_embed_class: true,
      reg_tokens: registers,
      ...(size !== 'base' && { init_values: 1e-5 }),
    }),
  ],
]

/** The arguments that timm's function of this name gives its VisionTransformer; null for other networks. */
function timmVit(name: string): Record<string, unknown> | null {
  const found =
    /^(vit|deit|deit3)_([a-z]+)_patch(\d+)((?:_clip|_quickgelu|_reg\d+|_gap)*)_(\d+|dinov2)(?:_in21k|_sam|_dino|_miil|_miil_in21k)?$/.exec(
      name,
    )
  if (found === null) return null
  const [, kind, size, patch, middle, image] = found as unknown as [string, string, string, string, string, string]
  const sizes = Object.hasOwn(timmSizes, size) ? timmSizes[size]! : undefined
  if (sizes === undefined) return null
  const registers = Number(/_reg(\d+)/.exec(middle)?.[1] ?? 0)
  const [embed_dim, depth, num_heads, mlp_ratio] = sizes
  const dino = image === 'dinov2'
  const special = dino
    ? /^(_reg\d+)?$/.test(middle) && ['small', 'base', 'large'].includes(size)
      ? { init_values: 1e-5, ...(registers > 0 && { reg_tokens: registers, no_embed_class: true }) }
      : null
    : timmKinds.find(([form]) => form.test(middle))?.[1](size, registers)
  if (!special) return null
  return {
    img_size: dino ? 518 : Number(image),
    patch_size: Number(patch),
    ...{ embed_dim, depth, num_heads },
    ...(mlp_ratio !== undefined && { mlp_ratio }),
    ...(middle.includes('_quickgelu') && { act_layer: 'quick_gelu' }),
    ...(kind === 'deit3' && { no_embed_class: true, init_values: 1e-6 }),
    ...(/_miil/.test(name) && { qkv_bias: false }),
    ...special,
  }
}
