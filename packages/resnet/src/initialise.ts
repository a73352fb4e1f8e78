import {
  type Backend,
  type Dense,
  type DType,
  defaultBackend,
  full,
  js,
  type Random,
  scope,
  type Tensor,
  tensor,
  transpose,
  zeros,
} from '@unravel/tensor'
import type { Architecture, Config, Model, TensorSpec } from './architecture.js'
import { checkedConfig } from './config.js'
import { specsOf } from './models.js'
import type { ScalePreset } from './scale.js'

/** Draws a fresh weight `[out, in, ...]`. */
export type Initialiser = (
  random: Random,
  shape: readonly number[],
  where: { readonly dtype?: DType; readonly backend?: Backend },
) => Dense

/** Inputs and outputs of one unit of a weight `[out, in, ...receptive field]`. */
function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const field = shape.slice(2).reduce((a, b) => a * b, 1)
  return { fanIn: (shape[1] ?? 1) * field, fanOut: (shape[0] ?? 1) * field }
}

/**
 * scale·u + shift for draws u of a stream, rounded once, whatever the backend: a seed gives the bits that the js kernels make.
 * The wasm kernels draw the same stream several times as fast.
 */
function scaledDraws(
  kind: 'normal' | 'uniform',
  random: Random,
  shape: readonly number[],
  scale: number,
  shift: number,
  where: { readonly dtype?: DType; readonly backend?: Backend },
): Dense {
  const fast = defaultBackend()
  const drawn = random[kind](shape, 0, 1, { ...where, ...(fast.name === 'wasm' ? { backend: fast } : {}) })
  const data = drawn.dataSync().map(u => u * scale + shift) as Float32Array | Float64Array
  drawn.dispose()
  return tensor(data, { ...where, shape })
}

const normal =
  (variance: (fanIn: number, fanOut: number) => number): Initialiser =>
  (random, shape, where) => {
    const { fanIn, fanOut } = fans(shape)
    return scaledDraws('normal', random, shape, Math.sqrt(variance(fanIn, fanOut)), 0, where)
  }
const uniform =
  (variance: (fanIn: number, fanOut: number) => number): Initialiser =>
  (random, shape, where) => {
    const { fanIn, fanOut } = fans(shape)
    const bound = Math.sqrt(3 * variance(fanIn, fanOut))
    return scaledDraws('uniform', random, shape, 2 * bound, -bound, where)
  }

/** Variance 2/fan_in, for ReLU (He et al. 2015). */
export const heNormal = normal(fanIn => 2 / fanIn)
export const heUniform = uniform(fanIn => 2 / fanIn)
/** Variance 2/(fan_in + fan_out) (Glorot & Bengio 2010). */
export const xavierNormal = normal((fanIn, fanOut) => 2 / (fanIn + fanOut))
export const xavierUniform = uniform((fanIn, fanOut) => 2 / (fanIn + fanOut))
/** Variance 1/fan_in (LeCun et al. 1998). */
export const lecunNormal = normal(fanIn => 1 / fanIn)
export const lecunUniform = uniform(fanIn => 1 / fanIn)
export const zeroWeights: Initialiser = (_, shape, where) => zeros(shape, where)

export const initialisers = {
  'he-normal': heNormal,
  'he-uniform': heUniform,
  'xavier-normal': xavierNormal,
  'xavier-uniform': xavierUniform,
  'lecun-normal': lecunNormal,
  'lecun-uniform': lecunUniform,
  zero: zeroWeights,
} as const

export interface InitialiseOptions {
  readonly random: Random
  /** How weights start (default LeCun normal). */
  readonly weights?: Initialiser
  /** How the last weight of every branch starts (default: as the others; zero, for branches that start silent). */
  readonly branchEnds?: Initialiser
  /** Its learned scalars, where it has some, become tensors of the model; its rule becomes the configuration's scale. */
  readonly scale?: ScalePreset
  readonly dtype?: DType
  readonly backend?: Backend
}

/**
 * A fresh model: weights drawn in the order of the state dict, biases 0, norms the identity. Weights are drawn by the js
 * kernels and then moved, so that a seed gives the same bits on every backend. Throws RangeError naming every field of the
 * configuration that is wrong.
 */
export function initialise<C extends Config>(
  architecture: Architecture<C>,
  wanted: C,
  {
    random,
    weights = lecunNormal,
    branchEnds = weights,
    scale,
    dtype = 'f32',
    backend = defaultBackend(),
  }: InitialiseOptions,
): Model<C> {
  const config = configFor(architecture, wanted)
  const drawn = (draw: Initialiser, { shape, inputsFirst }: TensorSpec) => {
    const weight = (shape: readonly number[]) => draw(random, shape, { dtype, backend: js() })
    return (inputsFirst ? (transpose(weight([...shape].reverse())) as Dense) : weight(shape)).to(backend)
  }
  const tensors = scope(() => {
    const made: Record<string, Tensor> = {}
    for (const [name, spec] of Object.entries(specsOf(architecture, config))) {
      const { shape, start } = spec
      if (start === 'weight') made[name] = drawn(weights, spec)
      else if (start === 'branch-end') made[name] = drawn(branchEnds, spec)
      else if (typeof start === 'number') made[name] = full(shape, start, { dtype, backend })
      else if (scale?.learned !== undefined) made[name] = full(shape, scale.learned, { dtype, backend })
    }
    return made
  })
  return { architecture, config: scale === undefined ? config : { ...config, scale: scale.rule }, tensors }
}

function configFor<C extends Config>(architecture: Architecture<C>, wanted: C): C {
  try {
    return checkedConfig(architecture, wanted).config
  } catch (error) {
    throw new RangeError(`initialise: ${(error as Error).message}`)
  }
}
