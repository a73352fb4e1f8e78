import { ShapeError } from '../errors.js'
import { apply, backendOf, commonDType, type Op } from '../op.js'
import { type Dense, fromData, type Tensor } from '../tensor.js'
import { add } from './add.js'
import { gather } from './gather.js'
import { logSoftmax } from './logSoftmax.js'
import { mul } from './mul.js'
import { neg } from './neg.js'
import { reshape } from './reshape.js'
import { sub } from './sub.js'
import { mean } from './sum.js'

export const crossEntropyOp: Op = {
  name: 'crossEntropy',
  signature: '[...,classes], i32[...] -> []',
  infer(inputs) {
    const [logits, labels] = inputs as [Tensor, Tensor]
    const fits = logits.rank === labels.rank + 1 && labels.shape.every((n, i) => n === logits.shape[i])
    if (!fits || labels.dtype !== 'i32') throw new ShapeError(crossEntropyOp, inputs, 'one i32 label for every row')
    if (labels.size === 0) throw new ShapeError(crossEntropyOp, inputs, 'the batch is empty')
    return { shape: [], dtype: commonDType(crossEntropyOp, [logits]) }
  },
  run: inputs => body(inputs) as Dense,
  gate: 'take path sums of the logits',
  body,
}

function body([logits, labels]: readonly Tensor[]): Tensor {
  const classes = logits!.shape[logits!.rank - 1]!
  const rows = Int32Array.from({ length: labels!.size }, (_, i) => i)
  const row = fromData(rows, [labels!.size], backendOf(labels!), 'crossEntropy')
  const inRange = checked(reshape(labels!, [-1]), classes)
  const flat = reshape(logSoftmax(logits!), [-1])
  return neg(mean(gather(flat, add(mul(row, classes), inRange))))
}

/** Labels that are classes; throws RangeError naming the first that is not. */
function checked(labels: Tensor, classes: number): Tensor {
  const values = labels.dense()[0]!.dataSync()
  const bad = values.findIndex(v => v < 0 || v >= classes)
  if (bad >= 0) throw new RangeError(`crossEntropy: label ${values[bad]} of row ${bad} is not in 0..${classes - 1}`)
  return labels
}

/** Mean over rows of −log softmax(logits)[label]; logits [...,classes], labels i32 [...]. A scalar []. */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  return apply(crossEntropyOp, [logits, labels], undefined)
}

export const mseOp: Op = {
  name: 'mse',
  signature: '[...], [...] -> []',
  infer(inputs) {
    const [a, b] = inputs as [Tensor, Tensor]
    if (a.size === 0 || a.rank !== b.rank || a.shape.some((n, i) => n !== b.shape[i])) {
      throw new ShapeError(mseOp, inputs, 'prediction and target must have one shape and not be empty')
    }
    return { shape: [], dtype: commonDType(mseOp, inputs) }
  },
  run: inputs => squaredError(inputs) as Dense,
  gate: 'take path sums of the prediction',
  body: squaredError,
}

function squaredError([a, b]: readonly Tensor[]): Tensor {
  const d = sub(a!, b!)
  return mean(mul(d, d))
}

/** Mean of the squared differences of two tensors of one shape. A scalar []. */
export function mse(prediction: Tensor, target: Tensor): Tensor {
  return apply(mseOp, [prediction, target], undefined)
}
