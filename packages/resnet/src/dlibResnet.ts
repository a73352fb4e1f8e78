import {
  add,
  affine,
  avgPool2d,
  conv2d,
  linear,
  maxPool2d,
  mean,
  mul,
  pad,
  relu,
  reshape,
  sub,
  type Tensor,
  tensor,
} from '@unravel/tensor'
import { like } from '@unravel/tensor/internals'
import { z } from 'zod'
import type { Architecture, TensorSpec } from './architecture.js'
import { harmless, length, records } from './config.js'
import { checkImages, normSpecs, parameter, type WeightStart } from './layers.js'
import { scaleSchema } from './scale.js'
import type { Tower } from './tower.js'

export const MOST_STAGES = 16

export interface Window {
  readonly kernel: number
  readonly stride: number
  readonly padding: number
}

/** The windows of dlib's network. Where a layer strides, dlib does not pad. */
export const dlibWindows = {
  stem: { kernel: 7, stride: 2, padding: 0 },
  stemPool: { kernel: 3, stride: 2, padding: 0 },
  conv: { kernel: 3, stride: 1, padding: 1 },
  downConv: { kernel: 3, stride: 2, padding: 0 },
  downPool: { kernel: 2, stride: 2, padding: 0 },
} as const satisfies Record<string, Window>

const schema = z
  .object({
    architecture: z.literal('dlib-resnet'),
    size: z.tuple([length, length]),
    mean: z.array(z.number()).length(3),
    layers: z
      .array(
        z
          .int()
          .min(0)
          .max(1 << 16),
      )
      .min(1)
      .max(MOST_STAGES),
    widths: z.array(length).min(1).max(MOST_STAGES),
    outputs: length,
    scale: scaleSchema.optional(),
    ...records,
    ...harmless('model_type'),
  })
  .refine(({ layers, widths }) => layers.length === widths.length, {
    path: ['widths'],
    message: 'expected one width for each of the layers',
  })
  .refine(({ layers }) => layers.every((count, s) => s === 0 || count > 0), {
    path: ['layers'],
    message: 'expected at least one block in every stage after the first',
  })
  .refine(({ widths }) => widths.every((width, s) => s === 0 || width >= widths[s - 1]!), {
    path: ['widths'],
    message: 'expected no stage narrower than the one before it',
  })
  .refine(({ size, layers }) => size.every(n => fits(n, layers.length - 1)), {
    path: ['size'],
    message: 'expected images as large as the windows of all stages take',
  })

export type DlibResnetConfig = z.output<typeof schema>

/**
 * The residual network of dlib's face recognition (King 2017, dnn_face_recognition_ex): images [batch, 3, rows, columns],
 * RGB in 0..255, to descriptors [batch, outputs]. `layers` counts the blocks of every stage, `widths` are their channels,
 * `size` is [rows, columns] and `mean` the average of each colour. The first block of every stage after the first halves
 * the image.
 *
 * The encoder is (x − mean)/256, `conv1` 7×7 with stride 2, `affine1` (a scale and a shift for each channel, which were a
 * batch norm in training), ReLU, and max pooling 3×3 with stride 2. Block l is
 * h ↦ s(relu(h)) + λ·F(relu(h)) with F = affine2 ∘ conv2 ∘ relu ∘ affine1 ∘ conv1 and the ReLU that ended the block before,
 * as in `resnet`: the skip map is nonlinear, and the first block has no such ReLU. In a block that halves, s is average
 * pooling 2×2; it has no weights. dlib adds tensors of different shapes as though the smaller ended in zeros:
 * s gains channels of zeros, and F, whose windows are larger and not padded, rows and columns of them. The decoder is the
 * last ReLU, the mean over the image, and `fc`, which has no bias.
 *
 * Encoding throws InputError for images of another size.
 */
export const dlibResnet: Architecture<DlibResnetConfig> = {
  name: 'dlib-resnet',
  schema,
  depth: config => config.layers.reduce((a, b) => a + b, 0),
  input: config => ({ shape: [3, ...config.size], kind: 'real' }),
  channels: config => blocksOf(config).map(({ width }) => [width, 1, 1]),

  tensors(config) {
    const { widths, outputs } = config
    const specs: Record<string, TensorSpec> = {}
    const conv = (name: string, shape: readonly number[], start: WeightStart) => {
      specs[`${name}.weight`] = parameter(shape, start)
      specs[`${name}.bias`] = { ...parameter([shape[0]!], 0), optional: true }
    }
    const { stem, conv: inner } = dlibWindows
    conv('conv1', [widths[0]!, 3, stem.kernel, stem.kernel], 'weight')
    Object.assign(specs, normSpecs('affine1', widths[0]!))
    for (const { name, from, width } of blocksOf(config)) {
      conv(`${name}conv1`, [width, from, inner.kernel, inner.kernel], 'branch')
      Object.assign(specs, normSpecs(`${name}affine1`, width))
      conv(`${name}conv2`, [width, width, inner.kernel, inner.kernel], 'branch-end')
      Object.assign(specs, normSpecs(`${name}affine2`, width))
    }
    specs['fc.weight'] = parameter([outputs, widths[widths.length - 1]!], 'classifier')
    return specs
  },

  tower(config, tensors, scales): Tower {
    const conv = (name: string, x: Tensor, { stride, padding }: Window): Tensor =>
      conv2d(x, tensors[`${name}.weight`]!, tensors[`${name}.bias`], { stride, padding })
    const scaled = (name: string, x: Tensor): Tensor =>
      add(mul(x, channels(tensors[`${name}.weight`]!)), channels(tensors[`${name}.bias`]!))
    return {
      encode(x) {
        checkImages('dlib-resnet', x, dlibResnet.input(config).shape)
        const average = tensor(config.mean, { shape: [3, 1, 1], ...like(x) })
        const centred = affine(sub(x, average), 1 / 256, 0)
        const { kernel, stride } = dlibWindows.stemPool
        return maxPool2d(relu(scaled('affine1', conv('conv1', centred, dlibWindows.stem))), kernel, { stride })
      },
      blocks: blocksOf(config).map(({ name, from, width, down }, l) => {
        const rectified = (h: Tensor) => (l === 0 ? h : relu(h))
        const branch = (h: Tensor) => {
          const x = conv(`${name}conv1`, rectified(h), down ? dlibWindows.downConv : dlibWindows.conv)
          const y = scaled(`${name}affine2`, conv(`${name}conv2`, relu(scaled(`${name}affine1`, x)), dlibWindows.conv))
          return down ? ending(y, [width, ...h.shape.slice(2).map(n => windows(n, dlibWindows.downPool))]) : y
        }
        const shortened = (h: Tensor) => {
          if (!down) return h
          const { kernel, stride } = dlibWindows.downPool
          const pooled = avgPool2d(h, kernel, { stride })
          return width === from ? pooled : ending(pooled, [width, ...pooled.shape.slice(2)])
        }
        return { scale: scales[l]!, branch, ...(down || l > 0 ? { skip: (h: Tensor) => shortened(rectified(h)) } : {}) }
      }),
      decode: h => linear(mean(relu(h), [2, 3]), tensors['fc.weight']!),
    }
  },
}

const windows = (n: number, { kernel, stride, padding }: Window): number =>
  Math.floor((n + 2 * padding - kernel) / stride) + 1

/** Whether images of n rows (or columns) reach through the stem and `halvings` blocks that halve. */
function fits(n: number, halvings: number): boolean {
  const { stem, stemPool, downConv, downPool } = dlibWindows
  let rows = windows(n, stem)
  if (rows >= 1) rows = windows(rows, stemPool)
  for (let i = 0; i < halvings && rows >= 1; i++) rows = windows(rows, downConv) >= 1 ? windows(rows, downPool) : 0
  return rows >= 1
}

/** [c] as [c, 1, 1], which goes with images. */
const channels = (t: Tensor): Tensor => reshape(t, [t.size, 1, 1])

/** x [batch, ...] with zeros at the end of every axis, to [batch, ...shape]. */
const ending = (x: Tensor, shape: readonly number[]): Tensor =>
  x.shape.slice(1).every((n, i) => n === shape[i])
    ? x
    : pad(x, [[0, 0], ...shape.map((n, i) => [0, n - x.shape[i + 1]!] as const)])

function blocksOf({ layers, widths }: DlibResnetConfig) {
  let from = widths[0]!
  return layers
    .flatMap((count, s) => Array.from({ length: count }, (_, b) => ({ width: widths[s]!, down: s > 0 && b === 0 })))
    .map(({ width, down }, l) => {
      const block = { name: `blocks.${l}.`, from, width, down }
      from = width
      return block
    })
}
