import { type ConvOptions, conv2d, maxPool2d, mean, type Tensor } from '@unravel/tensor'
import { z } from 'zod'
import type { Architecture, TensorSpec, Tensors, TrainingPass } from './architecture.js'
import { harmless, length, only, records, unchanged } from './config.js'
import {
  activationName,
  batchNormLayer,
  checkImages,
  linearLayer,
  linearSpecs,
  namedActivations,
  normSpecs,
  parameter,
  runningSpecs,
} from './layers.js'
import { scaleSchema } from './scale.js'
import type { Tower } from './tower.js'

const MOST_STAGES = 16

const schema = z
  .object({
    architecture: z.literal('resnet'),
    block: z.enum(['basic', 'bottleneck']),
    layers: z
      .array(
        z
          .int()
          .min(1)
          .max(1 << 16),
      )
      .min(1)
      .max(MOST_STAGES),
    widths: z.array(length).min(1).max(MOST_STAGES),
    stem: z.enum(['imagenet', 'cifar']).default('imagenet'),
    preactivation: z.boolean().default(false),
    norm: z.enum(['batch', 'none']).default('batch'),
    classes: length,
    in_channels: length.default(3),
    /** Of every norm; 1e-5, as in torchvision, when absent. */
    norm_eps: z.number().min(0).optional(),
    /** ReLU when absent or null. */
    act_layer: activationName.nullish(),
    /** Bottlenecks with stride have it at their first convolution, not at the 3×3 one. */
    stride_in_1x1: z.boolean().optional(),
    /** Of bottlenecks: stages after the first whose stride becomes a dilation of their 3×3 convolutions. */
    replace_stride_with_dilation: z.array(z.boolean()).nullish(),
    /** Of bottlenecks: groups of the 3×3 convolution, and its channels in each for 64 of `widths`. */
    groups: length.optional(),
    width_per_group: length.optional(),
    stem_width: length.optional(),
    scale: scaleSchema.optional(),
    ...records,
    ...unchanged,
    ...only({
      model_type: ['resnet'],
      global_pool: ['avg'],
      norm_layer: ['BatchNorm2d', 'batchnorm2d', 'batchnorm', null],
      output_stride: [32],
      stem_type: ['', null],
      replace_stem_pool: [false],
      block_reduce_first: [1],
      down_kernel_size: [1],
      avg_down: [false],
      aa_layer: [null],
      block_args: [{}, null],
      model_args: [{}, null],
      downsample_in_first_stage: [false],
    }),
    ...harmless('zero_init_residual', 'zero_init_last', 'drop_rate', 'drop_path_rate', 'drop_block_rate'),
    ...harmless('out_features', 'out_indices', 'num_features'),
  })
  .refine(({ layers, widths }) => layers.length === widths.length, {
    path: ['widths'],
    message: 'expected one width for each of the layers',
  })
  .refine(({ layers, replace_stride_with_dilation: replaced }) => !replaced || replaced.length === layers.length - 1, {
    path: ['replace_stride_with_dilation'],
    message: 'expected true or false for each of the layers after the first',
  })
  .refine(({ block, replace_stride_with_dilation: replaced }) => block === 'bottleneck' || !replaced?.includes(true), {
    path: ['replace_stride_with_dilation'],
    message: 'expected no dilation in basic blocks, as in torchvision',
  })
  .refine(({ block, groups = 1 }) => block === 'bottleneck' || groups === 1, {
    path: ['groups'],
    message: 'expected 1 in basic blocks, as in torchvision',
  })
  .refine(({ block, width_per_group = 64 }) => block === 'bottleneck' || width_per_group === 64, {
    path: ['width_per_group'],
    message: 'expected 64 in basic blocks, as in torchvision',
  })
  .refine(({ widths, width_per_group = 64 }) => widths.every(width => width * width_per_group >= 64), {
    path: ['width_per_group'],
    message: 'expected at least one channel in each group of every stage',
  })
  .refine(({ widths, stem_width: stem }) => stem === undefined || stem === widths[0], {
    path: ['stem_width'],
    message: 'expected the first of widths',
  })

export type ResnetConfig = z.output<typeof schema>

/**
 * Convolutional residual networks with torchvision's names: images [batch, in_channels, height, width] to logits
 * [batch, classes]. `layers` counts the blocks of every stage, `widths` are the channels of their 3×3 convolutions; a
 * bottleneck puts out four times as many. The first block of every stage after the first has stride 2, in a bottleneck
 * at its 3×3 convolution, unless the configuration says otherwise.
 *
 * The encoder is the stem: conv1, bn1, ReLU, and for `imagenet` max pooling. The decoder pools globally; then `fc`.
 *
 * - After He et al. 2016a (arXiv 1512.03385), as in torchvision, with the ReLU after the addition. That is not of the form
 *   skip + λ·branch, so **the skip map is nonlinear**: a block is h ↦ s(relu(h)) + λ·F(relu(h)), where the ReLU is that
 *   which ended the block before, s the identity or `downsample`, and F conv1, bn1, ReLU, conv2, bn2 (a bottleneck: a
 *   third conv and bn). The first block takes the stem's output, already rectified, as it is; the decoder starts with the
 *   last ReLU. At λ = 0 a ReLU sits on its kink wherever the one before it, across an identity, gave 0: the kink radius of
 *   `taylor` is 0 then, and `gated`, `gradient` and `subsets` are what to use. (So it is for `preactivation` without
 *   norms, after the ReLU of the stem.)
 * - `preactivation`, after He et al. 2016b (arXiv 1603.05027): F is bn1, ReLU, conv1, bn2, ReLU, conv2 (, bn3, ReLU,
 *   conv3), with `bn1` as wide as the block's input; the skip map is the identity or the linear `downsample.0` of the
 *   input itself, without norm; the decoder starts with the norm `bn` and a ReLU.
 *
 * Without norms (`norm: none`) the convolutions may have biases. Norms use the running statistics.
 * Encoding throws InputError for inputs of other channels or axes.
 */
export const resnet: Architecture<ResnetConfig> = {
  name: 'resnet',
  schema,
  synonyms: {
    batch_norm_eps: 'norm_eps',
    bn_eps: 'norm_eps',
    hidden_act: 'act_layer',
    num_classes: 'classes',
    num_labels: 'classes',
    in_chans: 'in_channels',
    num_channels: 'in_channels',
    depths: 'layers',
    channels: 'widths',
    layer_type: 'block',
    downsample_in_bottleneck: 'stride_in_1x1',
    cardinality: 'groups',
    base_width: 'width_per_group',
    embedding_size: 'stem_width',
  },
  depth: config => config.layers.reduce((a, b) => a + b, 0),
  input: config => ({ shape: [config.in_channels, 'height', 'width'], kind: 'real' }),

  scaleNames: config => blocksOf(config).map(({ name }) => `${name}scale`),

  tensors(config) {
    const { preactivation, widths, classes } = config
    const specs: Record<string, TensorSpec> = {}
    const conv = (
      name: string,
      out: number,
      from: number,
      kernel: number,
      start: 'weight' | 'branch-end' = 'weight',
    ) => {
      specs[`${name}.weight`] = parameter([out, from, kernel, kernel], start)
      if (config.norm === 'none') specs[`${name}.bias`] = { ...parameter([out], 0), optional: true }
    }
    const norm = (name: string, width: number) => {
      if (config.norm === 'batch') Object.assign(specs, normSpecs(name, width), runningSpecs(name, width))
    }
    conv('conv1', widths[0]!, config.in_channels, stemKernel(config))
    norm('bn1', widths[0]!)
    for (const block of blocksOf(config)) {
      const { name, convolutions } = block
      convolutions.forEach(({ from, out, kernel, groups }, i) => {
        conv(`${name}conv${i + 1}`, out, from / groups, kernel, i === convolutions.length - 1 ? 'branch-end' : 'weight')
        norm(`${name}bn${i + 1}`, preactivation ? from : out)
      })
      if (!block.downsample) continue
      conv(`${name}downsample.0`, block.out, block.from, 1)
      if (!preactivation) norm(`${name}downsample.1`, block.out)
    }
    const last = widths[widths.length - 1]! * expansion(config)
    if (preactivation) norm('bn', last)
    return Object.assign(specs, linearSpecs('fc', classes, last))
  },

  tower(config, tensors, scales, training): Tower {
    const { preactivation } = config
    const phi = namedActivations[config.act_layer ?? 'relu']
    const { conv, norm } = layersOf(config, tensors, training)
    return {
      encode(x) {
        checkImages('resnet', x, resnet.input(config).shape)
        const kernel = stemKernel(config)
        const stride = config.stem === 'imagenet' ? 2 : 1
        const h = phi(norm('bn1', conv('conv1', x, { stride, padding: (kernel - 1) / 2 })))
        return config.stem === 'imagenet' ? maxPool2d(h, 3, { stride: 2, padding: 1 }) : h
      },
      blocks: blocksOf(config).map((block, l) => {
        const { name, stride, convolutions } = block
        const rectified = (h: Tensor) => (preactivation || l === 0 ? h : phi(h))
        const shortened = (h: Tensor) => {
          if (!block.downsample) return h
          const y = conv(`${name}downsample.0`, h, { stride })
          return preactivation ? y : norm(`${name}downsample.1`, y)
        }
        const branch = (h: Tensor) =>
          convolutions.reduce((x, { kernel, stride, dilation, groups }, i) => {
            const padding = (dilation * (kernel - 1)) / 2
            const convolved = (y: Tensor) => conv(`${name}conv${i + 1}`, y, { stride, padding, dilation, groups })
            if (preactivation) return convolved(phi(norm(`${name}bn${i + 1}`, x)))
            const y = norm(`${name}bn${i + 1}`, convolved(x))
            return i === convolutions.length - 1 ? y : phi(y)
          }, rectified(h))
        const plain = !block.downsample && (preactivation || l === 0)
        return { scale: scales[l]!, branch, ...(plain ? {} : { skip: h => shortened(rectified(h)) }) }
      }),
      decode: h => linearLayer(tensors, 'fc', mean(phi(preactivation ? norm('bn', h) : h), [2, 3])),
    }
  },
}

interface Convolution {
  readonly from: number
  readonly out: number
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly groups: number
}

/** One block: its tensors' prefix, its channels, and the convolutions of its branch. */
interface ConvBlock {
  readonly name: string
  readonly from: number
  readonly out: number
  readonly stride: number
  readonly downsample: boolean
  readonly convolutions: readonly Convolution[]
}

const expansion = (config: ResnetConfig): number => (config.block === 'bottleneck' ? 4 : 1)
const stemKernel = (config: ResnetConfig): number => (config.stem === 'imagenet' ? 7 : 3)

function blocksOf(config: ResnetConfig): ConvBlock[] {
  const {
    groups = 1,
    width_per_group: perGroup = 64,
    stride_in_1x1: early,
    replace_stride_with_dilation: dilated,
  } = config
  const plain = { stride: 1, dilation: 1, groups: 1 }
  let from = config.widths[0]!
  // Of the 3×3 convolutions of a stage; its first block still has that of the stage before, as in torchvision.
  let dilation = 1
  return config.layers.flatMap((count, s) =>
    Array.from({ length: count }, (_, b) => {
      const out = config.widths[s]! * expansion(config)
      const halves = s > 0 && b === 0
      const stride = halves && !dilated?.[s - 1] ? 2 : 1
      const inner = Math.floor((config.widths[s]! * perGroup) / 64) * groups
      const convolutions: Convolution[] =
        config.block === 'basic'
          ? [
              { ...plain, from, out, kernel: 3, stride },
              { ...plain, from: out, out, kernel: 3 },
            ]
          : [
              { ...plain, from, out: inner, kernel: 1, stride: early ? stride : 1 },
              { from: inner, out: inner, kernel: 3, stride: early ? 1 : stride, dilation, groups },
              { ...plain, from: inner, out, kernel: 1 },
            ]
      if (halves && stride === 1) dilation *= 2
      const downsample = stride !== 1 || from !== out
      const block = { name: `layer${s + 1}.${b}.`, from, out, stride, downsample, convolutions }
      from = out
      return block
    }),
  )
}

/** Convolutions and norms by the names of their tensors; a norm is the identity where there are none. */
function layersOf(config: ResnetConfig, tensors: Tensors, training?: TrainingPass) {
  return {
    conv: (name: string, x: Tensor, options: ConvOptions): Tensor =>
      conv2d(x, tensors[`${name}.weight`]!, tensors[`${name}.bias`], options),
    norm: (name: string, x: Tensor): Tensor =>
      config.norm === 'batch' ? batchNormLayer(tensors, name, x, config.norm_eps ?? 1e-5, training) : x,
  }
}
