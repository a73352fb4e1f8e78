import { add, broadcastTo, concat, conv2d, gelu, narrow, reshape, type Tensor, transpose } from '@unravel/tensor'
import { z } from 'zod'
import type { Architecture, TensorSpec } from './architecture.js'
import { checkImages, layerNormLayer, linearLayer, linearSpecs, normSpecs, parameter, selfAttention } from './layers.js'
import { scaleSchema } from './scale.js'
import type { Tower } from './tower.js'

const length = z
  .int()
  .min(1)
  .max(1 << 24)
/** One number for a square, or [height, width]. */
const size = z.union([length, z.tuple([length, length])], { error: 'expected a positive integer or two' })
const pair = (s: z.output<typeof size>): readonly [number, number] => (typeof s === 'number' ? [s, s] : s)

const schema = z
  .looseObject({
    architecture: z.literal('vit'),
    img_size: size,
    patch_size: size,
    in_chans: length.default(3),
    num_classes: length,
    embed_dim: length,
    depth: z
      .int()
      .min(0)
      .max(1 << 19),
    num_heads: length,
    mlp_ratio: z
      .number()
      .positive()
      .max(1 << 10)
      .default(4),
    qkv_bias: z.boolean().default(true),
    norm_eps: z.number().min(0).default(1e-6),
    class_token: z.literal(true).optional(),
    global_pool: z.literal('token').optional(),
    scale: scaleSchema.optional(),
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
  depth: config => 2 * config.depth,
  input: ({ img_size, in_chans }) => ({ shape: [in_chans, ...pair(img_size)], kind: 'real' }),

  tensors(config) {
    const { in_chans: channels, embed_dim: width, depth, num_classes: classes } = config
    const [patchH, patchW] = pair(config.patch_size)
    const [height, imageWidth] = pair(config.img_size)
    const patches = Math.floor(height / patchH) * Math.floor(imageWidth / patchW)
    const inner = Math.floor(width * config.mlp_ratio)
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
    }
    return Object.assign(specs, normSpecs('norm', width), linearSpecs('head', classes, width))
  },

  tower(config, tensors, scales): Tower {
    const { embed_dim: width, num_heads: heads, norm_eps: eps } = config
    const stride = pair(config.patch_size)
    const norm = (name: string, h: Tensor) => layerNormLayer(tensors, name, h, eps)
    const dense = (name: string, x: Tensor) => linearLayer(tensors, name, x)
    const attention = (block: string, h: Tensor) =>
      dense(`${block}attn.proj`, selfAttention(dense(`${block}attn.qkv`, norm(`${block}norm1`, h)), heads))
    const mlp = (block: string, h: Tensor) =>
      dense(`${block}mlp.fc2`, gelu(dense(`${block}mlp.fc1`, norm(`${block}norm2`, h))))
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
