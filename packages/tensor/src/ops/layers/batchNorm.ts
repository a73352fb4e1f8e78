import { ShapeError } from '../../core/errors.js'
import { apply, commonDType } from '../../core/op.js'
import type { Dense, Op, Tensor, Ternary } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mean } from '../arithmetic/mean.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { meanSquare } from '../arithmetic/sumSquares.js'
import { rsqrt } from '../functions/rsqrt.js'
import { reshape } from '../structure/reshape.js'
import { checkedEps, normalised } from './normalise.js'

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

/** With the statistics of the batch itself. */
export const batchNormTrainingOp: Op<{ eps: number }, Ternary> = {
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
  run: (inputs, { eps }) => training(inputs, inputs[0], eps) as Dense,
  // The scale of the run is frozen; centring is linear.
  gate: (inputs, { eps }, at) => training(inputs, at.value(inputs[0]), eps),
  body: (inputs, { eps }) => training(inputs, inputs[0], eps),
}

/** Normalises x by its own mean and by the scale of `run`. */
function training([x, w, b]: Ternary, run: Tensor, eps: number): Tensor {
  const axes = shared(x)
  const { d, scale } = normalised(x, run, axes, eps, t => sub(t, mean(t, axes, true)))
  return add(mul(d, mul(across(x, w), scale)), across(x, b))
}

/** Mean and (biased) variance [c] of every channel of x [b,c,...]. */
export function batchMoments(x: Tensor): { mean: Tensor; variance: Tensor } {
  const m = mean(x, shared(x))
  const d = sub(x, across(x, m))
  return { mean: m, variance: meanSquare(d, shared(x)) }
}

/**
 * Batch normalisation of x [b,c,...] with weight [c] and bias [c]: by the running `moments` (mean [c], variance [c])
 * when they are given, which is affine; otherwise by those of the batch itself, as in training.
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  moments?: { mean: Tensor; variance: Tensor },
  eps = 1e-5,
): Tensor {
  const attrs = checkedEps('batchNorm', eps)
  return moments === undefined
    ? apply(batchNormTrainingOp, [x, weight, bias], attrs)
    : apply(batchNormOp, [x, weight, bias, moments.mean, moments.variance], attrs)
}
