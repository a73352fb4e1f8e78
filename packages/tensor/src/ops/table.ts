import { piecewiseOp, recurrenceOp } from '../autodiff/series.js'
import type { Op } from '../core/tensor.js'
import { addOp } from './arithmetic/add.js'
import { addAlignedOp } from './arithmetic/addAligned.js'
import { addScaledOp } from './arithmetic/addScaled.js'
import { affineOp } from './arithmetic/affine.js'
import { branchOp } from './arithmetic/branch.js'
import { cauchyOp, correlateOp } from './arithmetic/cauchy.js'
import { equalOp, greaterEqualOp, greaterOp, lessEqualOp, lessOp, notEqualOp } from './arithmetic/compare.js'
import { divOp, seriesDivOp } from './arithmetic/div.js'
import { matmulOp } from './arithmetic/matmul.js'
import { argmaxOp, maxOp, minOp } from './arithmetic/max.js'
import { maximumOp, minimumOp } from './arithmetic/maximum.js'
import { meanOp } from './arithmetic/mean.js'
import { mulOp } from './arithmetic/mul.js'
import { negOp } from './arithmetic/neg.js'
import { signOp, stepOp } from './arithmetic/sign.js'
import { subOp } from './arithmetic/sub.js'
import { meanSquareOp, sumSquaresOp } from './arithmetic/sumSquares.js'
import { throughOp } from './arithmetic/through.js'
import { absOp } from './functions/abs.js'
import { acosOp, asinOp, atanOp } from './functions/arc.js'
import { clipOp, hardSigmoidOp, hardSwishOp } from './functions/clip.js'
import { mapGradOp } from './functions/elementwise.js'
import { erfOp, erfSlopeOp } from './functions/erf.js'
import { expm1Op, expOp } from './functions/exp.js'
import { geluOp } from './functions/gelu.js'
import { geluTanhOp } from './functions/geluTanh.js'
import { coshOp, sinhOp } from './functions/hyperbolic.js'
import { logOp } from './functions/log.js'
import { log1pOp } from './functions/log1p.js'
import { logSoftmaxGradOp, logSoftmaxOp } from './functions/logSoftmax.js'
import { mishOp, softsignOp } from './functions/mish.js'
import { normalCdfOp, normalDensityOp } from './functions/normalCdf.js'
import { powerOp, powOp } from './functions/power.js'
import { reciprocalOp } from './functions/reciprocal.js'
import { reluOp } from './functions/relu.js'
import { rsqrtOp } from './functions/rsqrt.js'
import { sigmoidOp } from './functions/sigmoid.js'
import { siluOp } from './functions/silu.js'
import { softmaxGradOp, softmaxOp, softmaxSeriesOp } from './functions/softmax.js'
import { softplusOp } from './functions/softplus.js'
import { sqrtOp } from './functions/sqrt.js'
import { tanhOp } from './functions/tanh.js'
import { cosOp, sinOp } from './functions/trig.js'
import { attentionOp } from './layers/attention.js'
import { batchNormOp, batchNormTrainingOp } from './layers/batchNorm.js'
import { conv2dInputGradOp, conv2dOp, conv2dWeightGradOp } from './layers/conv2d.js'
import { gluOp } from './layers/glu.js'
import { linearOp } from './layers/linear.js'
import { crossEntropyGradOp, crossEntropyOp, mseOp } from './layers/losses.js'
import { layerNormOp, rmsNormOp } from './layers/norm.js'
import { avgPool2dGradOp, avgPool2dOp, maxPool2dIndicesOp, maxPool2dOp } from './layers/pool2d.js'
import { concatOp } from './structure/concat.js'
import { gatherOp, scatterAddOp } from './structure/gather.js'
import { reshapeOp } from './structure/reshape.js'
import { embedOp, sliceOp } from './structure/slice.js'
import { argsortOp } from './structure/sort.js'
import { stopGradientOp } from './structure/stopGradient.js'
import { broadcastToOp, sumOp } from './structure/sum.js'
import { transposeOp } from './structure/transpose.js'
import { whereOp } from './structure/where.js'

/** Every op. A test walks this table and demands all rules of all of them; an op file that is missing here
 *  fails it by name. */
// biome-ignore lint/suspicious/noExplicitAny: ops differ in their attributes
export const opTable: readonly Op<any>[] = [
  absOp,
  addOp,
  addAlignedOp,
  addScaledOp,
  affineOp,
  asinOp,
  acosOp,
  atanOp,
  attentionOp,
  batchNormOp,
  batchNormTrainingOp,
  branchOp,
  broadcastToOp,
  cauchyOp,
  equalOp,
  notEqualOp,
  lessOp,
  lessEqualOp,
  greaterOp,
  greaterEqualOp,
  throughOp,
  clipOp,
  concatOp,
  conv2dOp,
  conv2dInputGradOp,
  conv2dWeightGradOp,
  correlateOp,
  cosOp,
  coshOp,
  divOp,
  recurrenceOp,
  mapGradOp,
  piecewiseOp,
  erfOp,
  erfSlopeOp,
  expOp,
  expm1Op,
  gatherOp,
  scatterAddOp,
  geluOp,
  geluTanhOp,
  gluOp,
  hardSigmoidOp,
  hardSwishOp,
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
  argsortOp,
  maximumOp,
  minimumOp,
  mishOp,
  mulOp,
  negOp,
  layerNormOp,
  rmsNormOp,
  normalCdfOp,
  normalDensityOp,
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
  sinhOp,
  sliceOp,
  embedOp,
  softmaxOp,
  softmaxGradOp,
  softmaxSeriesOp,
  softplusOp,
  softsignOp,
  sqrtOp,
  stepOp,
  stopGradientOp,
  subOp,
  sumOp,
  sumSquaresOp,
  meanOp,
  meanSquareOp,
  tanhOp,
  transposeOp,
  whereOp,
  powerOp(-1.5),
]
