import {
  type Backend,
  concat,
  type DType,
  defaultBackend,
  full,
  js,
  mul,
  type Random,
  reshape,
  scope,
  type Tensor,
  tensor,
  transpose,
  zeros,
} from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import type { Architecture, Config, Model, TensorSpec } from './architecture.js'
import { checkedConfig } from './config.js'
import { specsOf } from './models.js'
import { deepNormBeta } from './residual.js'
import type { ScalePreset, ScaleRule } from './scale.js'

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
  /** How weights start (default LeCun normal; Xavier normal of `deepNorm`, He normal of `fixup`). */
  readonly weights?: Initialiser
  /** How the last weight of every branch starts (default: as the others; zero of `fixup`). */
  readonly branchEnds?: Initialiser
  /** Its learned factors, where it has some, become tensors of the model; its rule becomes the configuration's scale. */
  readonly scale?: ScalePreset
  readonly dtype?: DType
  readonly backend?: Backend
}

/** The factor of a scale rule for the weights inside of branches at the start. */
interface Start {
  readonly weights: Initialiser
  readonly branchEnds?: Initialiser
  readonly classifier?: Initialiser
  /** Of weights inside of branches. */
  readonly branches: number
  /** Of the last ones. */
  readonly ends: number
}

function startOf(rule: ScaleRule | undefined, blocks: number, specs: readonly TensorSpec[]): Start {
  const plain = { weights: lecunNormal, branches: 1, ends: 1 }
  if (rule?.rule === 'deep-norm') {
    const beta = deepNormBeta(blocks)
    return { weights: xavierNormal, branches: beta, ends: beta }
  }
  if (rule?.rule !== 'fixup') return plain
  const layers = specs.filter(({ start }) => start === 'branch' || start === 'branch-end').length / blocks
  return {
    ...{ weights: heNormal, branchEnds: zeroWeights, classifier: zeroWeights, ends: 1 },
    branches: blocks ** (-1 / (2 * layers - 2)),
  }
}

/**
 * A fresh model: weights drawn in the order of the state dict, biases 0, norms the identity, unless the scale preset says
 * otherwise. Weights are drawn by the js kernels and then moved, so that a seed gives the same bits on every backend. Throws
 * RangeError naming every field of the configuration that is wrong.
 */
export function initialise<C extends Config>(
  architecture: Architecture<C>,
  wanted: C,
  { random, weights, branchEnds, scale, dtype = 'f32', backend = defaultBackend() }: InitialiseOptions,
): Model<C> {
  const config = configFor(architecture, scale === undefined ? wanted : { ...wanted, scale: scale.rule })
  const specs = specsOf(architecture, config)
  const begin = startOf(config.scale, architecture.depth(config), Object.values(specs))
  const inside = weights ?? begin.weights
  const ends = branchEnds ?? begin.branchEnds ?? inside
  const learned = scale?.learned ?? (config.scale?.rule === 'layer-scale' ? config.scale.value : undefined)
  const where = { dtype, backend: js() }
  /** A weight [out, in, ...] times `factor`; of queries, keys and values in one, three weights, the factor of the last. */
  const weight = (draw: Initialiser, shape: readonly number[], { attention }: TensorSpec, factor: number): Dense => {
    if (factor === 1 || attention === 'queries or keys') return draw(random, shape, where)
    if (attention === undefined) return multiplied(draw(random, shape, where), factor)
    const third = [shape[0]! / 3, ...shape.slice(1)]
    const [q, k, v] = [1, 1, factor].map(f => multiplied(draw(random, third, where), f)) as [Dense, Dense, Dense]
    const grouped = (t: Dense) => reshape(t, [third[0]! / attention, 1, attention, ...shape.slice(1)])
    return reshape(concat([grouped(q), grouped(k), grouped(v)], 1), shape) as Dense
  }
  const drawn = (draw: Initialiser, spec: TensorSpec, factor = 1) => {
    const { shape, inputsFirst } = spec
    const made = inputsFirst
      ? (transpose(weight(draw, [...shape].reverse(), spec, factor)) as Dense)
      : weight(draw, shape, spec, factor)
    return made.to(backend)
  }
  const tensors = scope(() => {
    const made: Record<string, Tensor> = {}
    for (const [name, spec] of Object.entries(specs)) {
      const { shape, start } = spec
      if (start === 'weight') made[name] = drawn(inside, spec)
      else if (start === 'classifier') made[name] = drawn(begin.classifier ?? inside, spec)
      else if (start === 'branch') made[name] = drawn(inside, spec, begin.branches)
      else if (start === 'branch-end') made[name] = drawn(ends, spec, begin.ends)
      else if (typeof start === 'number') made[name] = full(shape, start, { dtype, backend })
      else if (learned !== undefined) made[name] = full(shape, learned, { dtype, backend })
    }
    return made
  })
  return { architecture, config, tensors }
}

const multiplied = (t: Dense, factor: number): Dense => (factor === 1 ? t : (mul(t, factor) as Dense))

function configFor<C extends Config>(architecture: Architecture<C>, wanted: C): C {
  try {
    return checkedConfig(architecture, wanted).config
  } catch (error) {
    throw new RangeError(`initialise: ${(error as Error).message}`)
  }
}
