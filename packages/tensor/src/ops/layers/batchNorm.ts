import * as reference from '@unravel/kernels/reference'
import type { Deferred } from '../../core/deferred.js'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, checkReals, commonDType, each } from '../../core/op.js'
import { sizeOf } from '../../core/shape.js'
import { allocate, Dense, type Op, type Tensor, type Ternary } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mean } from '../arithmetic/mean.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { meanSquare } from '../arithmetic/sumSquares.js'
import { rsqrt } from '../functions/rsqrt.js'
import { reshape } from '../structure/reshape.js'
import { stopGradient } from '../structure/stopGradient.js'
import { checkedEps, composed, inRange, normalised, plain } from './normalise.js'

/** Axes of a batch [b,c,...] that its channels share, and the shape that aligns [c] with it. */
const shared = (x: Tensor) => x.shape.map((_, i) => i).filter(i => i !== 1)
const across = (x: Tensor, channels: Tensor) => reshape(channels, [-1, ...new Array<number>(x.rank - 2).fill(1)])

function checkChannels(op: Op<never>, inputs: readonly [Tensor, ...Tensor[]]): void {
  const [x, ...parameters] = inputs
  if (x.rank < 2 || parameters.some(p => p.rank !== 1 || p.shape[0] !== x.shape[1])) {
    throw new ShapeError(op, inputs)
  }
}

type Affine = readonly [x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor]

/** With running statistics: an affine map. */
export const batchNormOp: Op<{ eps: number }, Affine> = {
  name: 'batchNorm',
  signature: '[b,c,...], [c], [c], [c], [c] -> [b,c,...]',
  infer(inputs) {
    checkChannels(batchNormOp, inputs)
    return { shape: inputs[0].shape, dtype: commonDType(batchNormOp, inputs) }
  },
  run: (inputs, { eps }) => inference(inputs, eps) as Dense,
  body: (inputs, { eps }) => inference(inputs, eps),
}

function inference([x, w, b, m, v]: Affine, eps: number): Tensor {
  const scale = mul(w, rsqrt(add(v, eps)))
  return add(mul(sub(x, across(x, m)), across(x, scale)), across(x, b))
}

/** Mean and variance [c] of every channel. */
type BatchMoments = { readonly mean: Tensor; readonly variance: Tensor }

interface TrainingAttrs {
  readonly eps: number
  /** Those of the run, where they are known: the op's value and its derivatives are the same without them. */
  readonly moments?: BatchMoments
}

/** With the statistics of the batch itself. */
export const batchNormTrainingOp: Op<TrainingAttrs, Ternary> = {
  name: 'batchNormTraining',
  signature: '[b,c,...], [c], [c] -> [b,c,...]',
  infer(inputs) {
    checkChannels(batchNormTrainingOp, inputs)
    // As in PyTorch: such a batch would normalise every value to the bias.
    if (inputs[0].shape.every((n, axis) => axis === 1 || n === 1)) {
      throw new ShapeError(batchNormTrainingOp, inputs, 'expected more than 1 value per channel when training')
    }
    return { shape: inputs[0].shape, dtype: commonDType(batchNormTrainingOp, inputs) }
  },
  run(inputs, attrs, type) {
    const fused = fusedMoments(inputs[0], attrs)
    if (fused === null) return training(inputs, inputs[0], attrs.eps) as Dense
    return new Dense(type.shape, type.dtype, inputs[0].backend, normalising(inputs, attrs.eps, fused), 'batchNorm')
  },
  vjp({ inputs, attrs }, c) {
    const fused = plain(inputs, c) ? fusedMoments(inputs[0] as Dense, attrs) : null
    if (fused === null) return composed(batchNormTrainingOp, inputs, attrs, c)
    const [x, w] = inputs as readonly [Dense, Dense, Dense]
    const [gx, gw, gb] = each(inputs, t => allocate(t.backend, t.shape, t.dtype, 'batchNorm'))
    kernelOf(x.backend, 'batchNormGrad', reference.batchNormGrad)(
      ...planesOf(x),
      attrs.eps,
      x.buffer,
      fused.mean.buffer,
      fused.variance.buffer,
      w.buffer,
      (c as Dense).buffer,
      gx.buffer,
      gw.buffer,
      gb.buffer,
    )
    return [gx, gw, gb]
  },
  // The scale of the run is frozen; centring is linear.
  gate: (inputs, { eps }, at) => training(inputs, at.value(inputs[0]), eps),
  body: (inputs, { eps }) => training(inputs, inputs[0], eps),
}

/** Normalises x by its own mean and by the scale of `run`. A batch of no values has no moments, and as in PyTorch no gradient. */
function training([x, w, b]: Ternary, run: Tensor, eps: number): Tensor {
  if (x.size === 0) return add(mul(x, across(x, w)), across(x, b))
  const axes = shared(x)
  const { d, scale } = normalised(x, run, axes, eps, t => sub(t, mean(t, axes, true)))
  return add(mul(d, mul(across(x, w), scale)), across(x, b))
}

/** x [b,c,...] as [b,c,n]. */
const planesOf = ({ shape: [b, c, ...inner] }: Tensor) => [b!, c!, sizeOf(inner)] as const

/** Whether the kernels of batch norm are the backend's own. */
const native = ({ backend, dtype }: Tensor) => backend.supports('batchNorm', dtype) === true

interface Fused {
  readonly mean: Dense
  readonly variance: Dense
}

/** The moments for fused kernels; null where ops do it, on backends without them and where squares leave the range. */
function fusedMoments(x: Dense, { eps, moments }: TrainingAttrs): Fused | null {
  if (!native(x)) return null
  const { mean, variance } = (moments ?? batchMoments(x)) as Fused
  return inRange(variance, eps) ? { mean, variance } : null
}

/** Normalised by the moments, computed where that is needed: an activation or a residual step takes it as it is made. */
function normalising([x, w, b]: readonly [Dense, Dense, Dense], eps: number, { mean, variance }: Fused): Deferred {
  const { backend } = x
  const inputs = [x.buffer, mean.buffer, variance.buffer, w.buffer, b.buffer] as const
  const holds = [x, mean, variance, w, b].map(t => t.hold())
  const kernel = kernelOf(backend, 'batchNorm', reference.batchNorm)
  return {
    into(out, phi, scale, add) {
      const whole = add === null || add.length === out.length
      kernel(...planesOf(x), eps, ...inputs, phi, scale, whole ? add : null, out)
      if (whole) return
      const first = backend.view(out, 0, add.length)
      backend.kernels.axpy(first, 1, add, first)
    },
    free() {
      for (const release of holds) release()
    },
  }
}

/** Mean and (biased) variance [c] of every channel of x [b,c,...]. */
export function batchMoments(x: Tensor): BatchMoments {
  checkReals('batchMoments', [x])
  if (x instanceof Dense && x.rank >= 2 && x.dtype !== 'i32' && native(x)) {
    const [m, v] = [0, 1].map(() => allocate(x.backend, [x.shape[1]!], x.dtype, 'batchMoments'))
    const kernel = kernelOf(x.backend, 'batchMoments', reference.batchMoments)
    kernel(...planesOf(x), x.buffer, m!.buffer, v!.buffer)
    return { mean: m!, variance: v! }
  }
  const m = mean(x, shared(x))
  const d = sub(x, across(x, m))
  return { mean: m, variance: meanSquare(d, shared(x)) }
}

/**
 * Batch normalisation of x [b,c,...] with weight [c] and bias [c]: by the running `moments` (mean [c], variance [c])
 * when they are given, which is affine; otherwise by those of the batch itself, as in training.
 */
export function batchNorm(x: Tensor, weight: Tensor, bias: Tensor, moments?: BatchMoments, eps = 1e-5): Tensor {
  const attrs = checkedEps('batchNorm', eps)
  return moments === undefined
    ? apply(batchNormTrainingOp, [x, weight, bias], attrs)
    : apply(batchNormOp, [x, weight, bias, moments.mean, moments.variance], attrs)
}

/** Batch normalisation by the moments of the batch itself, and these, as numbers that no derivative goes through. */
export function batchNormTraining(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  eps = 1e-5,
): { readonly y: Tensor; readonly moments: BatchMoments } {
  const moments = batchMoments(stopGradient(x))
  return { y: apply(batchNormTrainingOp, [x, weight, bias], { ...checkedEps('batchNorm', eps), moments }), moments }
}
