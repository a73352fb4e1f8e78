import type { TypedArray } from '@unravel/kernels'
import * as reference from '@unravel/kernels/reference'
import { arrayOf } from '../../core/dtype.js'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { shown } from '../../core/messages.js'
import { apply, backendOf, commonDType } from '../../core/op.js'
import { endsWith, sameShape, sizeOf } from '../../core/shape.js'
import { allocate, type Binary, type Dense, fromData, type Op, type Tensor, type Ternary } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { affine } from '../arithmetic/affine.js'
import { div } from '../arithmetic/div.js'
import { mean } from '../arithmetic/mean.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { sub } from '../arithmetic/sub.js'
import { meanSquare } from '../arithmetic/sumSquares.js'
import { logSoftmax } from '../functions/logSoftmax.js'
import { rowsOf } from '../functions/rows.js'
import { softmax } from '../functions/softmax.js'
import { gather, gatherOp } from '../structure/gather.js'
import { expandDims, reshape, reshapeLast } from '../structure/reshape.js'
import { broadcastLast, sum } from '../structure/sum.js'
import { where } from '../structure/where.js'

export const crossEntropyOp: Op<void, Binary> = {
  name: 'crossEntropy',
  signature: '[...,classes], i32[...] -> []',
  infer(inputs) {
    const [logits, labels] = inputs
    const fits = logits.rank === labels.rank + 1 && labels.shape.every((n, i) => n === logits.shape[i])
    if (!fits || labels.dtype !== 'i32') throw new ShapeError(crossEntropyOp, inputs, 'one i32 label for every row')
    if (labels.size === 0) throw new ShapeError(crossEntropyOp, inputs, 'the batch is empty')
    return { shape: [], dtype: commonDType(crossEntropyOp, [logits]) }
  },
  run([logits, labels], _, type) {
    const [rows, classes] = rowsOf(logits.shape)
    checkedLabels(labels, classes)
    const losses = allocate(logits.backend, [rows], type.dtype, 'crossEntropy')
    kernelOf(logits.backend, 'crossEntropy', reference.crossEntropy)(
      rows,
      classes,
      logits.buffer,
      labels.buffer,
      losses.buffer,
    )
    return mean(losses) as Dense
  },
  vjp: ({ inputs: [logits, labels] }, c) => [
    apply(crossEntropyGradOp, [logits, labels, shares(c, labels)], undefined),
    null,
  ],
  gate: 'take path sums of the logits',
  body([logits, labels]) {
    const places = placesOf(labels, logits.shape[logits.rank - 1]!)
    const flat = reshape(logSoftmax(logits), [-1])
    return neg(mean(apply(gatherOp, [flat, places], { axis: -1, length: flat.size, inside: true })))
  },
}

/** Each row's share of a cotangent of the mean over rows. */
function shares(c: Tensor, labels: Tensor): Tensor {
  const single = labels.shape.map(() => 1)
  return broadcastLast(reshapeLast(affine(c, 1 / labels.size, 0), 0, single), labels.shape)
}

/** ȳ ↦ ȳ (softmax(x) − [j = label]) for one ȳ a row, under leading axes of ȳ. */
export const crossEntropyGradOp: Op<void, Ternary> = {
  name: 'crossEntropyGrad',
  signature: '[...,classes], i32[...], [...] -> [...,classes]',
  infer(inputs) {
    const [logits, labels, c] = inputs
    const fits = sameShape(labels.shape, logits.shape.slice(0, -1)) && endsWith(c.shape, labels.shape)
    if (logits.rank === 0 || !fits || labels.dtype !== 'i32') throw new ShapeError(crossEntropyGradOp, inputs)
    const lead = c.shape.slice(0, c.rank - labels.rank)
    return { shape: [...lead, ...logits.shape], dtype: commonDType(crossEntropyGradOp, [logits, c]) }
  },
  run([logits, labels, c], _, type) {
    const [rows, classes] = rowsOf(logits.shape)
    checkedLabels(labels, classes)
    const out = allocate(logits.backend, type.shape, type.dtype, 'crossEntropyGrad')
    const lead = sizeOf(c.shape.slice(0, c.rank - labels.rank))
    kernelOf(logits.backend, 'crossEntropyGrad', reference.crossEntropyGrad)(
      lead,
      rows,
      classes,
      logits.buffer,
      labels.buffer,
      c.buffer,
      out.buffer,
    )
    return out
  },
  gate: 'it is used by derivatives only',
  body([logits, labels, c]) {
    const chosen = oneHot(labels, logits)
    const p = softmax(logits)
    // p − 1 of the label as the sum of the other probabilities, which is accurate where p rounds to 1
    const others = neg(sum(where(chosen, 0, p), -1, true))
    return mul(expandDims(c, -1), where(chosen, others, p))
  },
}

/** Labels that are classes; throws RangeError naming the first that is not. */
function checkedLabels(labels: Tensor, classes: number): TypedArray {
  const values = labels.dense()[0]!.dataSync()
  for (let row = 0; row < values.length; row++) {
    const label = values[row]!
    if (label >= 0 && label < classes) continue
    throw new RangeError(`crossEntropy: label ${label} of row ${row} is not in 0..${classes - 1}`)
  }
  return values
}

/** 1 at the label of every row, else 0, in the dtype of the logits. */
function oneHot(labels: Tensor, { shape, dtype }: Tensor): Dense {
  const classes = shape[shape.length - 1]!
  const ones = new Float64Array(labels.size * classes)
  checkedLabels(labels, classes).forEach((label, row) => {
    ones[row * classes + label] = 1
  })
  return fromData(arrayOf(dtype, ones, 'crossEntropy'), shape, backendOf(labels), 'crossEntropy')
}

/** The places of the labels in the flat table of logits. */
function placesOf(labels: Tensor, classes: number): Dense {
  const places = Int32Array.from(checkedLabels(labels, classes), (label, row) => row * classes + label)
  return fromData(places, [labels.size], backendOf(labels), 'crossEntropy')
}

export interface CrossEntropyOptions {
  /** Share ε of every target that is spread evenly over the classes, 0 to 1 (default 0). */
  readonly labelSmoothing?: number
  /** A label whose rows count nothing; it need not be a class. Default: none. */
  readonly ignoreLabel?: number
  /** A weight [classes] of each class. */
  readonly classWeights?: Tensor
}

/**
 * Mean over rows of −log softmax(logits)[label]; logits [...,classes], labels i32 [...]. A scalar []. With options as
 * PyTorch's cross_entropy: a row of label y has the loss −(1 − ε) w_y log p_y − ε/classes Σ_c w_c log p_c, and the mean divides
 * the sum of losses by Σ w_y over the rows that are not ignored: NaN where all are.
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { labelSmoothing: eps = 0, ignoreLabel, classWeights } = options
  if (!(eps >= 0 && eps <= 1)) throw new RangeError(`crossEntropy: labelSmoothing is from 0 to 1, got ${shown(eps)}`)
  if (eps === 0 && ignoreLabel === undefined && classWeights === undefined) {
    return apply(crossEntropyOp, [logits, labels], undefined)
  }
  crossEntropyOp.infer([logits, labels], undefined)
  const classes = logits.shape[logits.rank - 1]!
  if (classWeights !== undefined && (classWeights.rank !== 1 || classWeights.shape[0] !== classes)) {
    throw new ShapeError(crossEntropyOp, [logits, labels, classWeights], `class weights must be [${classes}]`)
  }
  const given = labels.dense()[0]!.dataSync()
  const backend = backendOf(labels)
  const counted = Float64Array.from(given, label => (label === ignoreLabel ? 0 : 1))
  const classOf = Int32Array.from(given, label => (label === ignoreLabel ? 0 : label))
  const safe = fromData(classOf, labels.shape, backend, 'crossEntropy')
  const rows = fromData(arrayOf(logits.dtype, counted, 'crossEntropy'), [labels.size], backend, 'crossEntropy')
  const logP = reshape(logSoftmax(logits), [labels.size, classes])
  const flat = reshape(logP, [-1])
  const picked = apply(gatherOp, [flat, placesOf(safe, classes)], { axis: -1, length: flat.size, inside: true })
  // Ignored rows are left out before the sum: 0·∞ is NaN.
  const weightOfRow = classWeights === undefined ? rows : where(rows, gather(classWeights, reshape(safe, [-1])), 0)
  const own = sum(mul(where(rows, picked, 0), weightOfRow))
  const spread = () => {
    const everyRow = sum(classWeights === undefined ? logP : mul(logP, classWeights), -1)
    return mul(sum(where(rows, everyRow, 0)), eps / classes)
  }
  const total = eps === 0 ? own : add(mul(own, 1 - eps), spread())
  return neg(div(total, sum(weightOfRow)))
}

export const mseOp: Op<void, Binary> = {
  name: 'mse',
  signature: '[...], [...] -> []',
  infer(inputs) {
    const [a, b] = inputs
    if (a.size === 0 || a.rank !== b.rank || a.shape.some((n, i) => n !== b.shape[i])) {
      throw new ShapeError(mseOp, inputs, 'prediction and target must have one shape and not be empty')
    }
    return { shape: [], dtype: commonDType(mseOp, inputs) }
  },
  run: inputs => squaredError(inputs) as Dense,
  gate: 'take path sums of the prediction',
  body: squaredError,
}

function squaredError([a, b]: Binary): Tensor {
  return meanSquare(sub(a, b))
}

/** Mean of the squared differences of two tensors of one shape. A scalar []. */
export function mse(prediction: Tensor, target: Tensor): Tensor {
  return apply(mseOp, [prediction, target], undefined)
}
