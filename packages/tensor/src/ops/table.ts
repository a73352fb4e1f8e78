import type { Op } from '../op.js'
import { absOp } from './abs.js'
import { addOp } from './add.js'
import { addAlignedOp } from './addAligned.js'
import { addScaledOp } from './addScaled.js'
import { affineOp } from './affine.js'
import { attentionOp } from './attention.js'
import { batchNormOp, batchNormTrainingOp } from './batchNorm.js'
import { broadcastToOp } from './broadcastTo.js'
import { cauchyOp } from './cauchy.js'
import { equalOp, greaterEqualOp, greaterOp, lessEqualOp, lessOp, notEqualOp } from './compare.js'
import { concatOp } from './concat.js'
import { conv2dInputGradOp, conv2dOp, conv2dWeightGradOp } from './conv2d.js'
import { correlateOp } from './correlate.js'
import { cosOp } from './cos.js'
import { divOp } from './div.js'
import { mapGradOp, recurrenceOp } from './elementwise.js'
import { erfOp } from './erf.js'
import { expOp } from './exp.js'
import { expm1Op } from './expm1.js'
import { gatherOp, scatterAddOp } from './gather.js'
import { geluOp } from './gelu.js'
import { geluTanhOp } from './geluTanh.js'
import { gluOp } from './glu.js'
import { linearOp } from './linear.js'
import { logOp } from './log.js'
import { log1pOp } from './log1p.js'
import { logSoftmaxGradOp, logSoftmaxOp } from './logSoftmax.js'
import { crossEntropyGradOp, crossEntropyOp, mseOp } from './losses.js'
import { matmulOp } from './matmul.js'
import { argmaxOp, maxOp, minOp } from './max.js'
import { maximumOp, minimumOp } from './maximum.js'
import { mulOp } from './mul.js'
import { negOp } from './neg.js'
import { layerNormOp, rmsNormOp } from './norm.js'
import { normalCdfOp } from './normalCdf.js'
import { avgPool2dGradOp, avgPool2dOp, maxPool2dIndicesOp, maxPool2dOp } from './pool2d.js'
import { powerOp, powOp } from './power.js'
import { reciprocalOp } from './reciprocal.js'
import { reluOp } from './relu.js'
import { reshapeOp } from './reshape.js'
import { rsqrtOp } from './rsqrt.js'
import { seriesDivOp } from './seriesDiv.js'
import { sigmoidOp } from './sigmoid.js'
import { signOp } from './sign.js'
import { siluOp } from './silu.js'
import { sinOp } from './sin.js'
import { embedOp, sliceOp } from './slice.js'
import { softmaxGradOp, softmaxOp, softmaxSeriesOp } from './softmax.js'
import { softplusOp } from './softplus.js'
import { sqrtOp } from './sqrt.js'
import { stepOp } from './step.js'
import { stopGradientOp } from './stopGradient.js'
import { subOp } from './sub.js'
import { sumOp } from './sum.js'
import { sumSquaresOp } from './sumSquares.js'
import { tanhOp } from './tanh.js'
import { transposeOp } from './transpose.js'
import { whereOp } from './where.js'

/** Every op there is. A test walks this table and demands all rules of all of them; an op file that is missing here
 *  fails it by name. */
// biome-ignore lint/suspicious/noExplicitAny: ops differ in their attributes
export const opTable: readonly Op<any>[] = [
  absOp,
  addOp,
  addAlignedOp,
  addScaledOp,
  affineOp,
  attentionOp,
  batchNormOp,
  batchNormTrainingOp,
  broadcastToOp,
  cauchyOp,
  equalOp,
  notEqualOp,
  lessOp,
  lessEqualOp,
  greaterOp,
  greaterEqualOp,
  concatOp,
  conv2dOp,
  conv2dInputGradOp,
  conv2dWeightGradOp,
  correlateOp,
  cosOp,
  divOp,
  recurrenceOp,
  mapGradOp,
  erfOp,
  expOp,
  expm1Op,
  gatherOp,
  scatterAddOp,
  geluOp,
  geluTanhOp,
  gluOp,
  linearOp,
  logOp,
  log1pOp,
  logSoftmaxOp,
  logSoftmaxGradOp,
  crossEntropyOp,
  crossEntropyGradOp,
  mseOp,
  matmulOp,
  maxOp,
  minOp,
  argmaxOp,
  maximumOp,
  minimumOp,
  mulOp,
  negOp,
  layerNormOp,
  rmsNormOp,
  normalCdfOp,
  maxPool2dIndicesOp,
  maxPool2dOp,
  avgPool2dOp,
  avgPool2dGradOp,
  powOp,
  reciprocalOp,
  reluOp,
  reshapeOp,
  rsqrtOp,
  seriesDivOp,
  sigmoidOp,
  signOp,
  siluOp,
  sinOp,
  sliceOp,
  embedOp,
  softmaxOp,
  softmaxGradOp,
  softmaxSeriesOp,
  softplusOp,
  sqrtOp,
  stepOp,
  stopGradientOp,
  subOp,
  sumOp,
  sumSquaresOp,
  tanhOp,
  transposeOp,
  whereOp,
  powerOp(-1.5),
]
