import { mul, sigmoid, type Tensor } from '@unravel/tensor'
import type { Op } from '@unravel/tensor/internals'

/** Random numbers that suit an op: where its derivatives exist and are of moderate size. */
export type Domain =
  | 'real'
  | 'unit'
  | 'positive'
  | 'distinct'
  | 'mask'
  | 'softmax'
  | 'logSoftmax'
  | { readonly ids: number }

export interface Case {
  readonly inputs: readonly { readonly shape: readonly number[]; readonly domain: Domain }[]
  readonly attrs?: unknown
  /** Inputs that paths may run through, one at a time; default: the first. */
  readonly paths?: readonly number[]
}

const real = (...shape: number[]) => ({ shape, domain: 'real' as const })
/** Between −1 and 1 */
const unit = (...shape: number[]) => ({ shape, domain: 'unit' as const })
const positive = (...shape: number[]) => ({ shape, domain: 'positive' as const })
const distinct = (...shape: number[]) => ({ shape, domain: 'distinct' as const })
const mask = (...shape: number[]) => ({ shape, domain: 'mask' as const })
const ids = (n: number, ...shape: number[]) => ({ shape, domain: { ids: n } })

const each = (...inputs: { shape: number[]; domain: Domain }[]): Case[] => inputs.map(x => ({ inputs: [x] }))
const pairs: Case[] = [
  { inputs: [real(2, 3), real(2, 3)], paths: [0, 1] },
  { inputs: [real(3), real(2, 1)], paths: [0, 1] },
]
const selections: Case[] = [{ inputs: [distinct(4, 3), real(3)], paths: [0, 1] }]
const smooth = each(real(2, 3), real(), real(0, 2))
const axes = (...attrs: { axes: number[]; keepdims: boolean }[]): Case[] =>
  attrs.map(a => ({ inputs: [distinct(2, 3, 2)], attrs: a }))

const conv = {
  batch: 2,
  inChannels: 4,
  height: 5,
  width: 4,
  outChannels: 2,
  kernelH: 3,
  kernelW: 2,
  strideH: 2,
  strideW: 1,
  padH: 1,
  padW: 0,
  dilationH: 1,
  dilationW: 2,
  groups: 2,
  outH: 3,
  outW: 2,
}
const window = {
  height: 4,
  width: 5,
  kernelH: 2,
  kernelW: 3,
  strideH: 2,
  strideW: 2,
  padH: 1,
  padW: 0,
  outH: 3,
  outW: 2,
}
const box = { begin: [1, 0], size: [2, 2], step: [1, 2], from: [4, 3] }

/** For every op by name the inputs it is tried on. */
export const cases: Record<string, readonly Case[]> = {
  abs: each(distinct(2, 3)),
  acos: each(unit(2, 3), unit()),
  add: pairs,
  addAligned: [
    { inputs: [real(3, 2), real(2, 2)], attrs: { offset: 1, scale: 0.5, rank: 1 } },
    { inputs: [real(2, 2, 3), real(1, 1, 3)], attrs: { offset: 0, scale: 1, rank: 2 } },
    { inputs: [real(1, 2), real(1, 2)], attrs: { offset: 3, scale: -2, rank: 1 } },
    { inputs: [real(2, 3, 2), real(2, 2)], attrs: { offset: 0, scale: 1, rank: 1 } },
  ],
  addScaled: pairs.map(c => ({ ...c, attrs: { scale: -0.5 } })),
  affine: [{ inputs: [real(2, 3)], attrs: { scale: -1.5, shift: 0.5 } }],
  argmax: [{ inputs: [distinct(2, 3)], attrs: { axis: -2 } }],
  argsort: [{ inputs: [distinct(2, 3)], attrs: { axis: -2, descending: true } }],
  asin: each(unit(2, 3), unit()),
  atan: smooth,
  avgPool2d: [{ inputs: [real(2, 1, 4, 5)], attrs: window }],
  avgPool2dGrad: [{ inputs: [real(2, 1, 3, 2)], attrs: window }],
  batchNorm: [{ inputs: [real(2, 3, 2), real(3), real(3), real(3), positive(3)], attrs: { eps: 1e-3 } }],
  batchNormTraining: [{ inputs: [real(4, 3), real(3), real(3)], attrs: { eps: 1e-3 } }],
  branch: [{ inputs: [real(2, 3)], attrs: { scale: -0.4 } }],
  broadcastTo: [
    { inputs: [real(2, 1)], attrs: { shape: [2, 3] } },
    { inputs: [real(1, 1)], attrs: { shape: [4, 2] } },
  ],
  cauchy: [{ inputs: [real(3, 2), real(2, 2)], attrs: { orders: 4, rank: 1 } }],
  clip: [
    { inputs: [distinct(2, 3)], attrs: { min: -0.9, max: 1.1, closed: true } },
    { inputs: [distinct(2, 3)], attrs: { min: 0.3, max: Infinity, closed: true } },
    { inputs: [distinct(2, 3)], attrs: { min: 0, max: 6, closed: false } },
  ],
  concat: [{ inputs: [real(2, 3), real(2, 1), real(2, 2)], attrs: { axis: -1 }, paths: [0, 1, 2] }],
  conv2d: [{ inputs: [real(2, 4, 5, 4), real(2, 2, 3, 2)], attrs: conv, paths: [0, 1] }],
  conv2dInputGrad: [{ inputs: [real(2, 2, 3, 2), real(2, 2, 3, 2)], attrs: conv, paths: [0, 1] }],
  conv2dWeightGrad: [{ inputs: [real(2, 4, 5, 4), real(2, 2, 3, 2)], attrs: conv, paths: [0, 1] }],
  correlate: [{ inputs: [real(4, 2), real(3, 2)], attrs: { orders: 4, rank: 1 } }],
  cos: smooth,
  cosh: smooth,
  crossEntropy: [{ inputs: [real(3, 4), ids(4, 3)] }, { inputs: [real(2, 2, 3), ids(3, 2, 2)] }],
  crossEntropyGrad: [
    { inputs: [real(3, 4), ids(4, 3), real(3)] },
    { inputs: [real(2, 2, 3), ids(3, 2, 2), real(2, 2, 2)] },
  ],
  div: [
    { inputs: [real(2, 3), positive(2, 3)], paths: [0] },
    { inputs: [real(3), positive(2, 1)], paths: [0] },
  ],
  embed: [{ inputs: [real(2, 2)], attrs: box }],
  equal: [{ inputs: [real(2, 3), real(3)] }],
  erf: smooth,
  erfSlope: smooth,
  exp: smooth,
  expm1: smooth,
  gather: [
    { inputs: [real(4, 2), ids(4, 3)], attrs: { axis: -2, length: 4 } },
    { inputs: [real(2, 3), ids(3, 2, 2)], attrs: { axis: -1, length: 3 } },
  ],
  gelu: smooth,
  geluTanh: smooth,
  glu: [
    { inputs: [real(2, 3), real(2, 3)], attrs: { gate: 'sigmoid' } },
    { inputs: [real(2, 3), real(3)], attrs: { gate: 'silu' } },
  ],
  greater: [{ inputs: [real(2, 3), real(3)] }],
  greaterEqual: [{ inputs: [real(2, 3), real(3)] }],
  hardSigmoid: each(distinct(2, 3)),
  hardSwish: each(distinct(2, 3)),
  layerNorm: [{ inputs: [real(2, 4), real(4), real(4)], attrs: { eps: 1e-3 } }],
  less: [{ inputs: [real(2, 3), real(3)] }],
  lessEqual: [{ inputs: [real(2, 3), real(3)] }],
  linear: [
    { inputs: [real(2, 3), real(4, 3), real(4)], attrs: {} },
    { inputs: [real(3), real(4, 3)], attrs: {} },
    { inputs: [real(2, 3, 2, 3), real(4, 3), real(4)], attrs: { stackOf: 2 }, paths: [] },
  ],
  log: each(positive(2, 3)),
  log1p: each(positive(2, 3)),
  logSoftmax: each(real(2, 3)),
  logSoftmaxGrad: [{ inputs: [{ shape: [4, 3], domain: 'logSoftmax' }, real(4, 3)] }],
  mapGrad: [
    {
      inputs: [real(2, 3), real(2, 3), real(2, 3)],
      attrs: {
        name: 'tanh',
        grad: 'tanh',
        derivative: (x: Tensor) => mul(mul(sigmoid(mul(x, 2)), sigmoid(mul(x, -2))), 4),
      },
    },
  ],
  matmul: [
    { inputs: [real(2, 3), real(3, 4)], attrs: { transposeA: false, transposeB: false }, paths: [0, 1] },
    { inputs: [real(2, 2, 3), real(4, 3)], attrs: { transposeA: false, transposeB: true }, paths: [0, 1] },
    { inputs: [real(2, 3, 2), real(2, 1, 3, 2)], attrs: { transposeA: true, transposeB: false }, paths: [0, 1] },
    { inputs: [real(3, 2), real(2, 4, 3)], attrs: { transposeA: true, transposeB: true }, paths: [0, 1] },
  ],
  max: axes({ axes: [-2], keepdims: false }, { axes: [-3, -1], keepdims: true }),
  maxPool2d: [{ inputs: [distinct(2, 1, 4, 5)], attrs: window }],
  maxPool2dIndices: [{ inputs: [distinct(2, 1, 4, 5)], attrs: window }],
  maximum: selections,
  min: axes({ axes: [-1], keepdims: false }),
  minimum: selections,
  mish: smooth,
  softsign: smooth,
  mse: [{ inputs: [real(2, 3), real(2, 3)] }],
  mul: pairs,
  neg: smooth,
  normalCdf: smooth,
  normalDensity: smooth,
  notEqual: [{ inputs: [real(2, 3), real(3)] }],
  piecewise: [{ inputs: [real(2, 3), real(2, 3), real(4, 2, 3)] }],
  pow: [{ inputs: [positive(2, 3), real(3)] }],
  power: each(positive(2, 3)),
  reciprocal: each(positive(2, 3)),
  // Every elementwise op with a fused recurrence tries it.
  recurrence: [],
  relu: each(distinct(2, 3)),
  reshape: [{ inputs: [real(2, 3)], attrs: { from: [2, 3], to: [3, 2] } }],
  rmsNorm: [{ inputs: [real(2, 4), real(4)], attrs: { eps: 1e-3 } }],
  rsqrt: each(positive(2, 3)),
  scaledDotProductAttention: [
    {
      inputs: [real(2, 3, 2), real(3, 2), real(3, 4), real(3, 3)],
      attrs: { causal: 'lowerRight', scale: 1, biased: true },
      paths: [2],
    },
    {
      inputs: [real(2, 2), real(3, 2), real(3, 4), mask(2, 3), real(2, 3)],
      attrs: { causal: false, scale: 1, biased: true },
      paths: [2],
    },
    { inputs: [real(2, 3, 2), real(2, 3, 2), real(2, 3, 2)], attrs: { causal: 'lowerRight', scale: 0.7 }, paths: [2] },
    { inputs: [real(2, 2), real(3, 2), real(3, 4)], attrs: { causal: false, scale: 1 }, paths: [2] },
    { inputs: [real(4, 2), real(2, 2), real(2, 1)], attrs: { causal: 'lowerRight', scale: 1 }, paths: [2] },
    { inputs: [real(2, 2), real(3, 2), real(3, 4)], attrs: { causal: 'upperLeft', scale: 1 }, paths: [2] },
    {
      inputs: [real(2, 3, 2), real(3, 2), real(3, 4), mask(3, 3)],
      attrs: { causal: 'lowerRight', scale: 1 },
      paths: [2],
    },
  ],
  scatterAdd: [{ inputs: [real(3, 2), ids(4, 3)], attrs: { length: 4, after: 1 } }],
  seriesDiv: [{ inputs: [real(3, 2), positive(2, 2)], attrs: { orders: 4 } }],
  sigmoid: smooth,
  sign: each(distinct(2, 3)),
  silu: smooth,
  sin: smooth,
  sinh: smooth,
  slice: [{ inputs: [real(4, 3)], attrs: box }],
  softmax: each(real(2, 3)),
  softmaxGrad: [{ inputs: [{ shape: [4, 3], domain: 'softmax' }, real(4, 3)] }],
  softmaxSeries: [{ inputs: [real(2, 2, 3)], attrs: { orders: 3 } }],
  softplus: smooth,
  sqrt: each(positive(2, 3)),
  step: each(distinct(2, 3)),
  stopGradient: smooth,
  sub: pairs,
  through: [{ inputs: [real(2, 3), real(3)], paths: [0] }],
  sum: axes(
    { axes: [-2], keepdims: false },
    { axes: [-3, -1], keepdims: true },
    { axes: [-3, -2, -1], keepdims: false },
  ),
  mean: axes({ axes: [-2], keepdims: false }, { axes: [-3, -1], keepdims: true }),
  meanSquare: axes({ axes: [-2], keepdims: false }, { axes: [-3, -1], keepdims: true }),
  sumSquares: axes(
    { axes: [-2], keepdims: false },
    { axes: [-3, -1], keepdims: true },
    { axes: [-3, -2, -1], keepdims: false },
  ),
  tanh: smooth,
  transpose: [{ inputs: [real(2, 3, 2)], attrs: { perm: [2, 0, 1] } }],
  where: [{ inputs: [mask(2, 3), real(2, 3), real(3)], paths: [1, 2] }],
}

export const casesOf = (op: Op<unknown>): readonly Case[] | undefined => cases[op.name]
