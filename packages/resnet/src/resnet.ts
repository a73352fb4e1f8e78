import { add, avgPool2d, type ConvOptions, conv2d, maxPool2d, mean, mul, type Tensor } from '@unravel/tensor'
import { shown } from '@unravel/tensor/internals'
import { z } from 'zod'
import type { Architecture, TensorSpec, Tensors, TrainingPass } from './architecture.js'
import { harmless, hasClassifier, labelCount, length, only, records, unchanged } from './config.js'
import {
  activationGain,
  activationName,
  batchNormLayer,
  checkImages,
  linearLayer,
  linearSpecs,
  namedActivations,
  normSpecs,
  parameter,
  runningSpecs,
  standardised,
  type WeightStart,
} from './layers.js'
import { nfDeviations } from './residual.js'
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
    /** None: the output is what `fc` would read. */
    classes: z
      .int()
      .min(0)
      .max(1 << 24),
    in_channels: length.default(3),
    /** Of every norm; 1e-5, as in torchvision, when absent. */
    norm_eps: z.number().min(0).optional(),
    /** ReLU when absent or null. */
    act_layer: activationName.nullish(),
    /** Of the activations inside of a branch, where it is another. */
    inner_act: activationName.optional(),
    /** Bottlenecks with stride have it at their first convolution, not at the 3×3 one. */
    stride_in_1x1: z.boolean().optional(),
    /** Of bottlenecks: stages after the first whose stride becomes a dilation of their 3×3 convolutions. */
    replace_stride_with_dilation: z.array(z.boolean()).nullish(),
    /** Of bottlenecks: groups of the 3×3 convolution, and its channels in each for 64 of `widths`. */
    groups: length.optional(),
    width_per_group: length.optional(),
    /** Channels that the stem puts out; the first of widths when absent. */
    embedding_size: length.optional(),
    /** `deep`: three 3×3 convolutions in place of the 7×7 one of an `imagenet` stem, of stem_width, stem_width and twice as
     *  many channels; the first has three quarters of that in a `deep_tiered` one. */
    stem_type: z.enum(['', 'deep', 'deep_tiered']).nullish(),
    /** 64 when absent. Without effect on stems that are not deep. */
    stem_width: length.optional(),
    /** Whether shortcuts with stride average 2×2 elements before a convolution without. */
    avg_down: z.boolean().optional(),
    /** Whether the first stage, too, begins with stride 2. */
    downsample_in_first_stage: z.boolean().optional(),
    /** Channels of the stages' outputs, as widths and block have them. */
    hidden_sizes: z.array(length).optional(),
    scale: scaleSchema.optional(),
    ...records,
    ...unchanged,
    ...only({
      model_type: ['resnet'],
      global_pool: ['avg'],
      norm_layer: ['BatchNorm2d', 'batchnorm2d', 'batchnorm', null],
      output_stride: [32],
      replace_stem_pool: [false],
      block_reduce_first: [1],
      down_kernel_size: [1],
      aa_layer: [null],
      block_args: [{}, null],
      model_args: [{}, null],
      do_pooling: [true],
    }),
    ...harmless('zero_init_residual', 'zero_init_last', 'drop_rate', 'drop_path_rate', 'drop_block_rate'),
    ...harmless('out_features', 'out_indices', 'num_features', 'stage_names'),
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
  .refine(
    ({ hidden_sizes: sizes, widths, block }) =>
      sizes === undefined || String(sizes) === String(widths.map(width => width * expansion({ block }))),
    { path: ['hidden_sizes'], message: 'expected widths, four times as large of bottlenecks' },
  )
  .refine(({ stem, stem_type: type }) => !type || stem === 'imagenet', {
    path: ['stem_type'],
    message: 'expected none in a stem "cifar"',
  })
  .refine(({ stem_type: type, embedding_size: size }) => !type || size === undefined, {
    path: ['embedding_size'],
    message: 'expected none with a stem_type: the stem puts out twice stem_width',
  })
  .refine(({ stem_type: type, stem_width: width = 64 }) => type !== 'deep_tiered' || width >= 4, {
    path: ['stem_width'],
    message: 'expected at least 4 in a stem "deep_tiered"',
  })
  .refine(({ avg_down, replace_stride_with_dilation: replaced }) => !avg_down || !replaced?.includes(true), {
    path: ['avg_down'],
    message: 'expected false where replace_stride_with_dilation is true',
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
 * - After He et al. 2016a (arXiv 1512.03385), as in torchvision, with the ReLU after the addition. This is not of the form
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
 * Without norms (`norm: none`) the convolutions may have biases. Norms use the running statistics. The scale rules `fixup`
 * (a scalar bias before every convolution and activation, and a multiplier at the end of a branch, in place of the biases) and,
 * of pre-activation networks, `nf` (h ↦ s(h/β) + λ·F(h/β) where s is `downsample`, else h + λ·F(h/β), with standardised
 * weights) are for these.
 * Encoding throws InputError for inputs of other channels or axes.
 *
 * Folders of Hugging Face (`model_type` resnet, of ResNetForImageClassification or ResNetModel, whose output here is pooled) and
 * of timm (`resnet50`, `resnet18d`, `resnext50_32x4d`, `wide_resnet50_2` and the like) are read as they are.
 */
export const resnet: Architecture<ResnetConfig> = {
  name: 'resnet',
  modelTypes: ['resnet'],
  huggingFace,
  timm: timmResnet,
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
  },
  depth: config => config.layers.reduce((a, b) => a + b, 0),
  input: config => ({ shape: [config.in_channels, 'height', 'width'], kind: 'real' }),

  scaleNames: config => blocksOf(config).map(({ name }) => `${name}scale`),
  channels: config => blocksOf(config).map(({ out }) => [out, 1, 1]),
  refuses({ norm, preactivation }, form) {
    if (form === 'deep-norm') return 'its layer norms are of transformers and MLPs'
    if (norm !== 'none') return `it is in place of norms, and "norm" is "${norm}"`
    if (form === 'nf' && !preactivation) return 'it is of pre-activation blocks, and "preactivation" is false'
    return undefined
  },

  tensors(config) {
    const { preactivation, widths, classes, scale } = config
    const specs: Record<string, TensorSpec> = {}
    const conv = (name: string, out: number, from: number, kernel: number, start: WeightStart = 'weight') => {
      specs[`${name}.weight`] = parameter([out, from, kernel, kernel], start)
      if (scale?.rule === 'nf') specs[`${name}.gain`] = parameter([out, 1, 1, 1], 1)
      const biased = config.norm === 'none' && scale?.rule !== 'fixup'
      if (biased) specs[`${name}.bias`] = { ...parameter([out], 0), optional: true }
    }
    const norm = (name: string, width: number) => {
      if (config.norm === 'batch') Object.assign(specs, normSpecs(name, width), runningSpecs(name, width))
    }
    const scalars = (start: number, ...names: string[]) => {
      if (scale?.rule === 'fixup') for (const name of names) specs[name] = parameter([], start)
    }
    const stem = stemOf(config)
    stem.forEach(({ name, from, out, kernel }, i) => {
      conv(name, out, from, kernel)
      norm(i === stem.length - 1 ? 'bn1' : `conv1.${3 * i + 1}`, out)
    })
    scalars(0, 'bias1')
    for (const block of blocksOf(config)) {
      const { name, convolutions } = block
      convolutions.forEach(({ from, out, kernel, groups }, i) => {
        conv(`${name}conv${i + 1}`, out, from / groups, kernel, i === convolutions.length - 1 ? 'branch-end' : 'branch')
        norm(`${name}bn${i + 1}`, preactivation ? from : out)
        scalars(0, `${name}bias${i + 1}a`, `${name}bias${i + 1}b`)
      })
      scalars(1, `${name}multiplier`)
      if (!block.downsample) continue
      const at = config.avg_down ? 1 : 0
      conv(`${name}downsample.${at}`, block.out, block.from, 1)
      if (!preactivation) norm(`${name}downsample.${at + 1}`, block.out)
    }
    const last = widths[widths.length - 1]! * expansion(config)
    if (preactivation) norm('bn', last)
    if (preactivation) scalars(0, 'bias3')
    scalars(0, 'bias2')
    return classes === 0 ? specs : Object.assign(specs, linearSpecs('fc', classes, last, 'classifier'))
  },

  // Names of Hugging Face.
  standsFor(stored) {
    const name = stored.replace(/^resnet\.(?=embedder|encoder)/, '')
    for (const [theirs, ours] of hfNames) {
      if (theirs.test(name))
        return name.replace(theirs, ours).replace(/(\d+)#/g, (_, n: string) => String(Number(n) + 1))
    }
    return name
  },

  tower(config, tensors, scales, training): Tower {
    const { preactivation, scale, avg_down: averaged } = config
    const phi = namedActivations[config.act_layer ?? 'relu']
    const inner = namedActivations[config.inner_act ?? config.act_layer ?? 'relu']
    const gamma = scale?.rule === 'nf' ? activationGain(phi) : 1
    const { conv, norm } = layersOf(config, tensors, training)
    const biased = (name: string, x: Tensor) => (tensors[name] === undefined ? x : add(x, tensors[name]))
    const all = blocksOf(config)
    const deviations =
      scale?.rule === 'nf' &&
      nfDeviations(
        scale,
        all.map(block => block.downsample),
      )
    return {
      encode(x) {
        checkImages('resnet', x, resnet.input(config).shape)
        const stem = stemOf(config)
        const h = stem.reduce((x, { name, kernel, stride }, i) => {
          const y = conv(name, x, { stride, padding: (kernel - 1) / 2 })
          if (i < stem.length - 1) return phi(norm(`conv1.${3 * i + 1}`, y))
          return times(phi(biased('bias1', norm('bn1', y))), gamma)
        }, x)
        return config.stem === 'imagenet' ? maxPool2d(h, 3, { stride: 2, padding: 1 }) : h
      },
      blocks: all.map((block, l) => {
        const { name, stride, convolutions } = block
        const rectified = (h: Tensor) => (preactivation || l === 0 ? h : phi(h))
        const spread = (h: Tensor) => (deviations ? mul(h, 1 / deviations[l]!) : h)
        const shortened = (h: Tensor) => {
          if (!block.downsample) return h
          const at = `${name}downsample.`
          const x = spread(biased(`${name}bias1a`, h))
          if (!averaged) {
            const y = conv(`${at}0`, x, { stride })
            return preactivation ? y : norm(`${at}1`, y)
          }
          // Means of the elements that are there, at the edges of images of odd sizes too.
          const pooled = stride === 1 ? x : avgPool2d(x, 2, { stride, ceilMode: true, countIncludePad: false })
          const y = conv(`${at}1`, pooled, {})
          return preactivation ? y : norm(`${at}2`, y)
        }
        const branch = (h: Tensor) => {
          const y = convolutions.reduce(
            (x, { kernel, stride, dilation, groups }, i) => {
              const padding = (dilation * (kernel - 1)) / 2
              const convolved = (y: Tensor) =>
                conv(`${name}conv${i + 1}`, y, { stride, padding, dilation, groups }, gamma)
              const [before, after] = [`${name}bias${i + 1}a`, `${name}bias${i + 1}b`]
              if (preactivation) {
                return convolved(biased(after, inner(biased(before, norm(`${name}bn${i + 1}`, x)))))
              }
              const y = norm(`${name}bn${i + 1}`, convolved(biased(before, x)))
              return i === convolutions.length - 1 ? y : inner(biased(after, y))
            },
            spread(rectified(h)),
          )
          if (scale?.rule !== 'fixup') return y
          const multiplied = mul(y, tensors[`${name}multiplier`]!)
          return preactivation ? multiplied : biased(`${name}bias${convolutions.length}b`, multiplied)
        }
        const plain = !block.downsample && (preactivation || l === 0)
        return { scale: scales[l]!, branch, ...(plain ? {} : { skip: h => shortened(rectified(h)) }) }
      }),
      decode(h) {
        const pooled = mean(phi(preactivation ? biased('bias3', norm('bn', h)) : h), [2, 3])
        return config.classes === 0 ? pooled : linearLayer(tensors, 'fc', biased('bias2', pooled))
      },
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

const expansion = ({ block }: { readonly block: 'basic' | 'bottleneck' }): number => (block === 'bottleneck' ? 4 : 1)

/** The convolutions of the stem. */
function stemOf(config: ResnetConfig) {
  const { in_channels: channels, stem_type: type, stem_width: width = 64, stem } = config
  const out = embeddingOf(config)
  if (!type)
    return [
      { name: 'conv1', from: channels, out, kernel: stem === 'imagenet' ? 7 : 3, stride: stem === 'imagenet' ? 2 : 1 },
    ]
  const first = type === 'deep_tiered' ? 3 * Math.floor(width / 4) : width
  return [
    { name: 'conv1.0', from: channels, out: first, kernel: 3, stride: 2 },
    { name: 'conv1.3', from: first, out: width, kernel: 3, stride: 1 },
    { name: 'conv1.6', from: width, out, kernel: 3, stride: 1 },
  ]
}

/** Channels that the stem puts out. */
const embeddingOf = ({
  stem_type: type,
  stem_width: width = 64,
  embedding_size: size,
  widths,
}: ResnetConfig): number => (type ? 2 * width : (size ?? widths[0]!))

function blocksOf(config: ResnetConfig): ConvBlock[] {
  const {
    groups = 1,
    width_per_group: perGroup = 64,
    stride_in_1x1: early,
    replace_stride_with_dilation: dilated,
  } = config
  const plain = { stride: 1, dilation: 1, groups: 1 }
  let from = embeddingOf(config)
  // Of the 3×3 convolutions of a stage; its first block still has that of the stage before, as in torchvision.
  let dilation = 1
  return config.layers.flatMap((count, s) =>
    Array.from({ length: count }, (_, b) => {
      const out = config.widths[s]! * expansion(config)
      const halves = (s > 0 || config.downsample_in_first_stage === true) && b === 0
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

const times = (x: Tensor, factor: number): Tensor => (factor === 1 ? x : mul(x, factor))

/** Convolutions and norms by the names of their tensors; a norm is the identity where there are none. `gamma` is the gain of
 *  the activation before a convolution, for standardised weights. */
function layersOf(config: ResnetConfig, tensors: Tensors, training?: TrainingPass) {
  return {
    conv(name: string, x: Tensor, options: ConvOptions, gamma = 1): Tensor {
      const [weight, gain] = [tensors[`${name}.weight`]!, tensors[`${name}.gain`]]
      return conv2d(
        x,
        gain === undefined ? weight : standardised(weight, gain, gamma),
        tensors[`${name}.bias`],
        options,
      )
    },
    norm: (name: string, x: Tensor): Tensor =>
      config.norm === 'batch' ? batchNormLayer(tensors, name, x, config.norm_eps ?? 1e-5, training) : x,
  }
}

/** Names of Hugging Face's tensors, and ours; a number before # is one more in ours. */
const hfNames: readonly (readonly [RegExp, string])[] = [
  [/^embedder\.embedder\.convolution\./, 'conv1.'],
  [/^embedder\.embedder\.normalization\./, 'bn1.'],
  [/^encoder\.stages\.(\d+)\.layers\.(\d+)\.shortcut\.convolution\./, 'layer$1#.$2.downsample.0.'],
  [/^encoder\.stages\.(\d+)\.layers\.(\d+)\.shortcut\.normalization\./, 'layer$1#.$2.downsample.1.'],
  [/^encoder\.stages\.(\d+)\.layers\.(\d+)\.layer\.(\d+)\.convolution\./, 'layer$1#.$2.conv$3#.'],
  [/^encoder\.stages\.(\d+)\.layers\.(\d+)\.layer\.(\d+)\.normalization\./, 'layer$1#.$2.bn$3#.'],
  [/^classifier\.1\./, 'fc.'],
]

/** The fields of Hugging Face's ResNetConfig by our names, with its defaults. Its branches have ReLU whatever hidden_act is. */
function huggingFace(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const classifies = hasClassifier(config, 'ResNetForImageClassification', 'ResNetModel')
  const { num_labels: _, hidden_act: act = 'relu', ...own } = config
  const { layer_type: block = 'bottleneck', hidden_sizes: sizes = [256, 512, 1024, 2048] } = config
  const divisor = block === 'bottleneck' ? 4 : 1
  const divides = Array.isArray(sizes) && sizes.every(size => typeof size === 'number' && size % divisor === 0)
  if (!divides) throw new Error(`hidden_sizes is ${shown(sizes)}; expected multiples of ${divisor}`)
  return {
    ...{ depths: [3, 4, 6, 3], embedding_size: 64, num_channels: 3 },
    ...own,
    ...{ block, act_layer: act, inner_act: 'relu', hidden_sizes: sizes },
    widths: sizes.map(size => size / divisor),
    classes: classifies ? labelCount(config) : 0,
  }
}

const timmLayers: Readonly<Record<string, readonly number[]>> = {
  10: [1, 1, 1, 1],
  14: [1, 1, 1, 1],
  18: [2, 2, 2, 2],
  26: [2, 2, 2, 2],
  34: [3, 4, 6, 3],
  50: [3, 4, 6, 3],
  101: [3, 4, 23, 3],
  152: [3, 8, 36, 3],
  200: [3, 24, 36, 3],
}
/** Stems and shortcuts by the letter at the end of a name. */
const timmLetters: Readonly<Record<string, Record<string, unknown>>> = {
  '': {},
  c: { stem_width: 32, stem_type: 'deep' },
  d: { stem_width: 32, stem_type: 'deep', avg_down: true },
  s: { stem_width: 64, stem_type: 'deep' },
  t: { stem_width: 32, stem_type: 'deep_tiered', avg_down: true },
}

/** The arguments that timm's function of this name gives its ResNet; null for other networks. */
function timmResnet(name: string, args: Readonly<Record<string, unknown>>): Record<string, unknown> | null {
  const found = /^(?:tv_)?(wide_resnet|resnet|resnext)(\d+)([cdst]?)(_2|_(\d+)x(\d+)d)?$/.exec(name)
  if (found === null) return null
  const [, kind, depth, letter, , cardinality, width] = found as unknown as string[]
  const layers = Object.hasOwn(timmLayers, depth!) ? timmLayers[depth!] : undefined
  const grouped = cardinality !== undefined
  const suffix = kind === 'resnet' ? found[4] === undefined : kind === 'resnext' ? grouped : found[4] === '_2'
  if (layers === undefined || !suffix) return null
  const stem = timmLetters[letter!]!
  return {
    block: ['10', '18', '34'].includes(depth!) ? 'basic' : 'bottleneck',
    layers,
    widths: [64, 128, 256, 512],
    ...stem,
    // The stem puts out as many channels whatever those of the stages are.
    ...(!(args.stem_type ?? stem.stem_type) && { embedding_size: 64 }),
    ...(kind === 'wide_resnet' && { width_per_group: 128 }),
    ...(grouped && { groups: Number(cardinality), width_per_group: Number(width) }),
  }
}
