import {
  affine,
  batchNorm,
  gelu,
  geluTanh,
  js,
  layerNorm,
  linear,
  maximum,
  mean,
  mul,
  narrow,
  relu,
  reshape,
  rsqrt,
  scaledDotProductAttention,
  scope,
  sigmoid,
  silu,
  softplus,
  sub,
  type Tensor,
  tanh,
  tensor,
  transpose,
} from '@unravel/tensor'
import { batchNormTraining } from '@unravel/tensor/internals'
import { z } from 'zod'
import { InputError, type TensorSpec, type Tensors, type TrainingPass } from './architecture.js'

/** Activations by the names of Hugging Face and timm. */
export const namedActivations = {
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu_tanh: geluTanh,
  gelu,
  gelu_python: gelu,
  /** x·σ(1.702x) */
  quick_gelu: (x: Tensor) => affine(silu(affine(x, 1.702, 0)), 1 / 1.702, 0),
  relu,
  sigmoid,
  silu,
  swish: silu,
  softplus,
  tanh,
  linear: (x: Tensor) => x,
} as const
type NamedActivation = keyof typeof namedActivations
export const activationName = z.enum(Object.keys(namedActivations) as [NamedActivation, ...NamedActivation[]])

type Specs = Record<string, TensorSpec>
/** How a weight starts, by where it is. */
export type WeightStart = Extract<TensorSpec['start'], string>

export const parameter = (shape: readonly number[], start: TensorSpec['start']): TensorSpec => ({
  shape,
  kind: 'parameter',
  start,
})

/** `{name}.weight [out, in]` and `{name}.bias [out]` */
export const linearSpecs = (name: string, out: number, from: number, start: WeightStart = 'weight'): Specs => ({
  [`${name}.weight`]: parameter([out, from], start),
  [`${name}.bias`]: parameter([out], 0),
})

/** `{name}.weight [width]` and `{name}.bias [width]` of a norm */
export const normSpecs = (name: string, width: number): Specs => ({
  [`${name}.weight`]: parameter([width], 1),
  [`${name}.bias`]: parameter([width], 0),
})

/** `{name}.running_mean [width]` and `{name}.running_var [width]` of a batch norm */
export const runningSpecs = (name: string, width: number): Specs => ({
  [`${name}.running_mean`]: { shape: [width], kind: 'buffer', start: 0 },
  [`${name}.running_var`]: { shape: [width], kind: 'buffer', start: 1 },
})

/** x Wᵀ + b for x [..., in], with the tensors of `name`. */
export const linearLayer = (tensors: Tensors, name: string, x: Tensor): Tensor =>
  linear(x, tensors[`${name}.weight`]!, tensors[`${name}.bias`])

/**
 * Scaled weight standardisation of a weight [out, in, ...] (Brock et al. 2021): γ·gain·(W − μ)/(σ√fan_in) with mean and
 * deviation of every output, γ = `gamma`. As in the authors' program σ²·fan_in counts as no less than 1e-4.
 */
export function standardised(weight: Tensor, gain: Tensor, gamma: number): Tensor {
  const axes = Array.from({ length: weight.rank - 1 }, (_, i) => i + 1)
  const centred = sub(weight, mean(weight, axes, true))
  const fanIn = weight.size / weight.shape[0]!
  const spread = mul(mean(mul(centred, centred), axes, true), fanIn)
  return mul(mul(centred, rsqrt(maximum(spread, 1e-4))), mul(gain, gamma))
}

/** γ of an activation φ: 1/√Var φ(z) of standard normal z, by Simpson's rule on both sides of 0. */
export function activationGain(phi: (x: Tensor) => Tensor): number {
  const [n, bound] = [2 ** 14, 12]
  const step = (2 * bound) / n
  const points = Float64Array.from({ length: n + 1 }, (_, i) => i * step - bound)
  const values = scope(() => phi(tensor(points, { backend: js() })))
  const y = values.dataSync()
  let [first, second] = [0, 0]
  points.forEach((z, i) => {
    const weight = (i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2) * (step / 3)
    const density = (weight * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI)
    first += density * y[i]!
    second += density * y[i]! ** 2
  })
  values.dispose()
  return 1 / Math.sqrt(second - first ** 2)
}

/** Layer norm of x [..., width], with the tensors of `name`. */
export const layerNormLayer = (tensors: Tensors, name: string, x: Tensor, eps: number): Tensor =>
  layerNorm(x, tensors[`${name}.weight`]!, tensors[`${name}.bias`], eps)

/**
 * Batch norm of x [batch, channels, ...] with the tensors of `name`: by the running statistics, or in training by those
 * of the batch, which are reported. Throws InputError in training on fewer than two values a channel.
 */
export function batchNormLayer(
  tensors: Tensors,
  name: string,
  x: Tensor,
  eps: number,
  training?: TrainingPass,
): Tensor {
  const weight = tensors[`${name}.weight`]!
  const bias = tensors[`${name}.bias`] ?? mul(weight, 0)
  if (training === undefined) {
    const moments = { mean: tensors[`${name}.running_mean`]!, variance: tensors[`${name}.running_var`]! }
    return batchNorm(x, weight, bias, moments, eps)
  }
  const count = x.size / x.shape[1]!
  // As in PyTorch: one value would be normalised to the bias, and teach the running variance zeros; none would teach it NaN.
  if (count <= 1) {
    throw new InputError(
      `${name}: expected more than 1 value per channel when training, got a batch [${x.shape.join(', ')}]; ` +
        'train with larger batches or without batch norm',
    )
  }
  const { y, moments } = batchNormTraining(x, weight, bias, eps)
  training.moments(name, moments, count)
  return y
}

/** Throws InputError unless x is [batch, ...shape]; a length that is a name may be any. */
export function checkImages(family: string, x: Tensor, shape: readonly (number | string)[]): void {
  if (x.rank === shape.length + 1 && shape.every((n, i) => typeof n === 'string' || n === x.shape[i + 1])) return
  throw new InputError(`${family} takes images [batch, ${shape.join(', ')}], got [${x.shape.join(', ')}]`)
}

/**
 * Multi-head self-attention (Vaswani et al. 2017) of `qkv` [batch, positions, 3·width], queries, keys and values one
 * after the other and each divided among `heads`: [batch, positions, width], heads side by side.
 */
export function selfAttention(
  qkv: Tensor,
  heads: number,
  options: {
    readonly causal?: boolean
    readonly scale?: number
    /** Norms of the queries and of the keys of every head. */
    readonly norms?: { queries(x: Tensor): Tensor; keys(x: Tensor): Tensor } | undefined
  } = {},
): Tensor {
  const [batch, positions, three] = qkv.shape as [number, number, number]
  const size = three / 3 / heads
  const split = transpose(reshape(qkv, [batch, positions, 3, heads, size]), [2, 0, 3, 1, 4])
  const part = (i: number) => reshape(narrow(split, 0, i, 1), [batch, heads, positions, size])
  const { norms, ...settings } = options
  const [q, k] = norms === undefined ? [part(0), part(1)] : [norms.queries(part(0)), norms.keys(part(1))]
  const mixed = scaledDotProductAttention(q, k, part(2), settings)
  return reshape(transpose(mixed, [0, 2, 1, 3]), [batch, positions, heads * size])
}

/** Throws InputError unless `ids` is i32 [batch, sequence] of numbers below `vocabulary`. */
export function checkIds(family: string, ids: Tensor, vocabulary: number): void {
  if (ids.dtype !== 'i32' || ids.rank !== 2) {
    throw new InputError(`${family} takes i32 ids [batch, sequence], got ${ids.dtype}[${ids.shape}]`)
  }
  const values = ids.dense()[0]!.dataSync()
  const bad = values.findIndex((id: number) => id < 0 || id >= vocabulary)
  if (bad < 0) return
  const at = `[${Math.floor(bad / ids.shape[1]!)}, ${bad % ids.shape[1]!}]`
  throw new InputError(`${family}: id ${values[bad]} at ${at} is outside 0..${vocabulary - 1}, the model's vocabulary`)
}
