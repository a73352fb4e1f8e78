import {
  activations,
  type architectures,
  type Config,
  type Examples,
  gpt2,
  heNormal,
  type Initialiser,
  residualMlp,
  resnet,
  vit,
} from '@unravel/resnet'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { UsageError } from './errors.js'
import { integer } from './values.js'

/** Sizes and forms of a network, as `unravel train` takes them. */
export interface NetworkOptions {
  readonly model: keyof typeof models
  readonly depth: number
  readonly width: number
  readonly hidden?: number
  readonly activation: keyof typeof activations
  readonly norm?: 'none' | 'layer' | 'rms' | 'batch'
  readonly layers?: readonly number[]
  readonly widths: readonly number[]
  readonly block: 'basic' | 'bottleneck'
  readonly stem: 'cifar' | 'imagenet'
  readonly preactivation?: true
  readonly heads: number
  readonly patch: number
  readonly context: number
}

type Name = keyof Omit<NetworkOptions, 'model'>

interface Family {
  readonly architecture: (typeof architectures)[string]
  /** The options that it takes. */
  readonly takes: readonly Name[]
  /** Whether it learns text, not images. */
  readonly text?: true
  /** Whether it learns images alone, not vectors. */
  readonly images?: true
  /** How its weights start where neither the scale nor an option says it (default: LeCun normal). */
  readonly weights?: Initialiser
  config(options: NetworkOptions, data: Examples): Config
}

/** The families that `unravel train` trains. */
const models = {
  'residual-mlp': {
    architecture: residualMlp,
    takes: ['depth', 'width', 'hidden', 'activation', 'norm'],
    config({ depth, width, hidden = width, activation, norm = 'none' }, { shape, classes }) {
      const input = shape.reduce((a, b) => a * b, 1)
      const sizes = { input, width, hidden, output: classes, depth }
      return { architecture: 'residual-mlp', ...sizes, activation, norm, norm_eps: 1e-5 }
    },
  },
  resnet: {
    architecture: resnet,
    takes: ['layers', 'widths', 'block', 'norm', 'stem', 'preactivation'],
    images: true,
    weights: heNormal,
    config({ layers = [3, 3, 3], widths, block, norm = 'batch', stem, preactivation = false }, { shape, classes }) {
      if (norm !== 'batch' && norm !== 'none') throw new UsageError(`--norm ${norm}: a resnet has 'batch' or 'none'`)
      const channels = shape.length === 3 ? shape[0]! : 1
      return {
        architecture: 'resnet',
        ...{
          block,
          layers: [...layers],
          widths: [...widths],
          stem,
          preactivation,
          norm,
          classes,
          in_channels: channels,
        },
      }
    },
  },
  vit: {
    architecture: vit,
    takes: ['layers', 'width', 'heads', 'hidden', 'patch'],
    images: true,
    config(options, { shape, classes }) {
      const { width, heads, hidden = 4 * width, patch } = options
      const [height, across] = shape.slice(-2) as [number, number]
      if (height % patch !== 0 || across % patch !== 0) {
        throw new UsageError(`--patch ${patch}: images are ${height}×${across}; expected a divisor of both`)
      }
      return {
        architecture: 'vit',
        ...{ img_size: [height, across], patch_size: patch, in_chans: shape.length === 3 ? shape[0]! : 1 },
        ...{ num_classes: classes, embed_dim: width, depth: layersOf(options, 6), num_heads: heads },
        ...{ intermediate_size: hidden, qkv_bias: true, norm_eps: 1e-6 },
      }
    },
  },
  gpt2: {
    architecture: gpt2,
    takes: ['layers', 'width', 'heads', 'hidden', 'context'],
    text: true,
    config(options, { shape, classes }) {
      const { width, heads, hidden = 4 * width } = options
      return {
        architecture: 'gpt2',
        ...{ vocab_size: classes, n_positions: shape[0]!, n_embd: width, n_layer: layersOf(options, 4), n_head: heads },
        ...{ n_inner: hidden, layer_norm_epsilon: 1e-5, activation_function: 'gelu_new' },
      }
    },
  },
} as const satisfies Record<string, Family>

export const modelNames = Object.keys(models) as (keyof typeof models)[]
export const familyOf = ({ model }: Pick<NetworkOptions, 'model'>): Family => models[model]

function layersOf({ layers, model }: NetworkOptions, otherwise: number): number {
  if (layers === undefined) return otherwise
  if (layers.length === 1) return layers[0]!
  throw new UsageError(`--layers ${layers}: a ${model} has one number of layers`)
}

/** Adds the options of networks to a command. */
export function withNetworkOptions(command: Command): Command {
  const size = integer(1, 2 ** 24)
  const sizes = (text: string): number[] => {
    const found = text.split(',').map(size)
    if (found.length > 16) throw new InvalidArgumentError('It must be at most 16 integers.')
    return found
  }
  const of = (...names: (keyof typeof models)[]) => `(${names.join(', ')})`
  return command
    .addOption(new Option('--model <family>', 'family of networks').choices(modelNames).default('residual-mlp'))
    .option('--depth <n>', `residual blocks ${of('residual-mlp')}`, integer(0, 2 ** 16), 20)
    .option('--width <n>', `width of the residual stream ${of('residual-mlp', 'vit', 'gpt2')}`, size, 64)
    .option(
      '--hidden <n>',
      `width inside a branch, or of the MLP (default: --width; four times that of vit and gpt2) ${of('residual-mlp', 'vit', 'gpt2')}`,
      size,
    )
    .addOption(
      new Option('--activation <name>', `activation in every branch ${of('residual-mlp')}`)
        .choices(Object.keys(activations))
        .default('gelu'),
    )
    .addOption(
      new Option(
        '--norm <name>',
        `normalization: at the start of every branch (residual-mlp; default: none), or batch or none (resnet; default: batch)`,
      ).choices(['none', 'layer', 'rms', 'batch']),
    )
    .option(
      '--layers <n,…>',
      `blocks of every stage (resnet; default: 3,3,3), or number of layers (vit; default: 6; gpt2; default: 4)`,
      sizes,
    )
    .addOption(
      new Option('--widths <n,…>', `channels of every stage ${of('resnet')}`)
        .argParser(sizes)
        .default([16, 32, 64], '16,32,64'),
    )
    .addOption(
      new Option('--block <kind>', `kind of the blocks ${of('resnet')}`)
        .choices(['basic', 'bottleneck'])
        .default('basic'),
    )
    .addOption(
      new Option('--stem <kind>', `stem of the network: a 3×3 convolution, or a 7×7 one and a pooling ${of('resnet')}`)
        .choices(['cifar', 'imagenet'])
        .default('cifar'),
    )
    .option('--preactivation', `norms and activations before the convolutions of a branch ${of('resnet')}`)
    .option('--heads <n>', `heads of the attention ${of('vit', 'gpt2')}`, size, 4)
    .option('--patch <n>', `side of the patches of an image ${of('vit')}`, size, 4)
    .option('--context <n>', `length of the sequences ${of('gpt2')}`, size, 128)
}

/** Throws UsageError for options of networks that the family does not take, and data that it does not learn. */
export function checkNetwork(options: NetworkOptions, given: (name: string) => boolean): void {
  const { takes } = familyOf(options)
  const stranger = modelNames
    .flatMap((name): readonly Name[] => models[name].takes)
    .find(name => given(name) && !takes.includes(name))
  if (stranger === undefined) return
  const owners = modelNames.filter(name => (models[name].takes as readonly Name[]).includes(stranger))
  throw new UsageError(
    `--${stranger}: it is of ${owners.join(', ')}; a ${options.model} takes ${takes.map(name => `--${name}`).join(', ')}`,
  )
}

/** Throws UsageError where a family of images is given text or vectors, or one of text images. */
export function checkData(options: NetworkOptions, data: string, { inputs, shape }: Examples): void {
  const text = inputs instanceof Int32Array
  const { text: learnsText = false, images = false } = familyOf(options)
  if (images && !text && shape.length !== 2 && shape.length !== 3) {
    throw new UsageError(
      `--data ${data}: its examples are of shape [${shape}]; a ${options.model} takes images [height, width] or [channels, height, width]; choose --model residual-mlp`,
    )
  }
  if (text === learnsText) return
  const others = modelNames.filter(name => (familyOf({ model: name }).text ?? false) === text)
  throw new UsageError(
    `--data ${data}: it is ${text ? 'text' : 'of images'}, which a ${options.model} does not learn; choose --model ${others.join(' or ')}`,
  )
}
