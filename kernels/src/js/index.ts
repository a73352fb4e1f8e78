import type { Backend, DType, Kernels, TypedArray } from '../contract.js'
import { arrays } from '../shared/dtypes.js'
import { conv2d, conv2dInputGrad, conv2dWeightGrad } from './conv2d.js'
import { cast, copy, fill } from './copy.js'
import { gather, scatterAdd } from './gather.js'
import { affine, axpy, map, power } from './map.js'
import { linear, matmul } from './matmul.js'
import { layerNorm, layerNormGrad, rmsNorm, rmsNormGrad } from './norm.js'
import { adamw, mapGrad, sgd } from './optimise.js'
import { avgPool2d, avgPool2dGrad, maxPool2dIndices } from './pool2d.js'
import { random } from './random.js'
import { argmax, reduce } from './reduce.js'
import { cauchy, correlate, series, seriesDiv, seriesPower, seriesSinCos, seriesSoftmax } from './series.js'
import { crossEntropy, crossEntropyGrad, logSoftmax, logSoftmaxGrad, softmax, softmaxGrad } from './softmax.js'
import { argsort } from './sort.js'
import { where } from './where.js'
import { zip } from './zip.js'

/** The reference kernels, on ordinary typed arrays; sums are accumulated in f64 and rounded once. */
export const jsKernels: Kernels<TypedArray> = {
  fill,
  cast,
  copy,
  map,
  affine,
  power,
  zip,
  where,
  reduce,
  argmax,
  argsort,
  matmul,
  linear,
  axpy,
  mapGrad,
  sgd,
  adamw,
  conv2d,
  conv2dInputGrad,
  conv2dWeightGrad,
  maxPool2dIndices,
  avgPool2d,
  avgPool2dGrad,
  softmax,
  logSoftmax,
  softmaxGrad,
  logSoftmaxGrad,
  crossEntropy,
  crossEntropyGrad,
  layerNorm,
  layerNormGrad,
  rmsNorm,
  rmsNormGrad,
  gather,
  scatterAdd,
  random,
  cauchy,
  correlate,
  series,
  seriesPower,
  seriesSinCos,
  seriesDiv,
  seriesSoftmax,
}

const none: ReadonlyMap<string, number> = new Map()

const backend: Backend<TypedArray> = {
  name: 'js',
  kernels: jsKernels,
  supports: () => true,
  alloc: (dtype: DType, length) => new arrays[dtype](length),
  // Typed arrays are the garbage collector's: there is nothing to count, free or watch.
  retain() {},
  release() {},
  watch() {},
  unwatch() {},
  view: (buffer, offset, length) => buffer.subarray(offset, offset + length) as TypedArray,
  write: (buffer, data) => buffer.set(data),
  read: buffer => Promise.resolve(buffer.slice() as TypedArray),
  readSync: buffer => buffer.slice() as TypedArray,
  memory: () => ({ bytes: 0, buffers: 0, reserved: 0 }),
  policy: 'fallback',
  fallbacks: () => none,
}

/** The plain TypeScript backend: every kernel in every dtype of the contract. Buffers are typed arrays, whose memory is the
 *  garbage collector's; `memory()` therefore reports nothing. */
export const js = (): Backend<TypedArray> => backend
