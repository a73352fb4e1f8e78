import type { Conv2dGeometry } from '@unravel/kernels'
import {
  conv2d as forward,
  conv2dInputGrad as inputGrad,
  conv2dWeightGrad as weightGrad,
} from '@unravel/kernels/reference'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, checkTensors, commonDType } from '../../core/op.js'
import { broadcastShapes, endsWith, sizeOf } from '../../core/shape.js'
import { allocate, type Binary, type Op, type Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { bilinear, runItems } from '../structure/builders.js'
import { reshape } from '../structure/reshape.js'
import { unbroadcast } from '../structure/sum.js'
import { type Padding, type Pair, pairOf, sidesOf } from './padding.js'

const reference = { conv2d: forward, conv2dInputGrad: inputGrad, conv2dWeightGrad: weightGrad } as const
type Kernel = keyof typeof reference

type Dims = (g: Conv2dGeometry) => readonly number[]

/** One of the three kernels as a bilinear op; `dims` are the last four axes of its inputs and of its result. */
function convolution(
  name: Kernel,
  signature: string,
  dims: readonly [a: Dims, b: Dims, out: Dims],
  vjp: NonNullable<Op<Conv2dGeometry, Binary>['vjp']>,
): Op<Conv2dGeometry, Binary> {
  const self: Op<Conv2dGeometry, Binary> = bilinear<Conv2dGeometry>({
    name,
    signature,
    infer(inputs, g) {
      const [a, b] = inputs
      const [p, q, out] = dims.map(d => d(g))
      const lead = broadcastShapes(a.shape.slice(0, -4), b.shape.slice(0, -4))
      if (lead === null || !endsWith(a.shape, p!) || !endsWith(b.shape, q!)) {
        throw new ShapeError(self, inputs, `the last axes must be [${p}] and [${q}]`)
      }
      return { shape: [...lead, ...out!], dtype: commonDType(self, inputs) }
    },
    run(inputs, g, type) {
      const [a, b] = inputs
      const kernel = kernelOf(a.backend, name, reference[name])
      const leading = sizeOf(type.shape.slice(0, -4))
      // Images of all leading indices are one batch, where they meet the same weights.
      if (name !== 'conv2dWeightGrad' && a.size === leading * sizeOf(dims[0](g)) && b.size === sizeOf(dims[1](g))) {
        const out = allocate(a.backend, type.shape, type.dtype, name)
        kernel({ ...g, batch: leading * g.batch }, a.buffer, b.buffer, out.buffer)
        return out
      }
      return runItems(name, inputs, 4, type, (a, b, out) => kernel(g, a, b, out))
    },
    vjp: (applied, c) =>
      vjp(applied, c).map((g, i) => g && unbroadcast(g, applied.output.rank, applied.inputs[i]!.shape)),
    instead: 'a convolution with constant weights',
  })
  return self
}

const input = (g: Conv2dGeometry) => [g.batch, g.inChannels, g.height, g.width]
const weight = (g: Conv2dGeometry) => [g.outChannels, g.inChannels / g.groups, g.kernelH, g.kernelW]
const output = (g: Conv2dGeometry) => [g.batch, g.outChannels, g.outH, g.outW]

// ⟨ȳ, x ∗ w⟩ is linear in each of ȳ, x, w: the three ops are one another's adjoints.
export const conv2dOp: Op<Conv2dGeometry, Binary> = convolution(
  'conv2d',
  '[b,c,h,w], [o,i,p,q] -> [b,o,u,v]',
  [input, weight, output],
  ({ inputs: [x, w], attrs, wants }, c) => [
    wants[0] ? apply(conv2dInputGradOp, [c, w], attrs) : null,
    wants[1] ? apply(conv2dWeightGradOp, [x, c], attrs) : null,
  ],
)
export const conv2dInputGradOp: Op<Conv2dGeometry, Binary> = convolution(
  'conv2dInputGrad',
  '[b,o,u,v], [o,i,p,q] -> [b,c,h,w]',
  [output, weight, input],
  ({ inputs: [y, w], attrs, wants }, c) => [
    wants[0] ? apply(conv2dOp, [c, w], attrs) : null,
    wants[1] ? apply(conv2dWeightGradOp, [c, y], attrs) : null,
  ],
)
export const conv2dWeightGradOp: Op<Conv2dGeometry, Binary> = convolution(
  'conv2dWeightGrad',
  '[b,c,h,w], [b,o,u,v] -> [o,i,p,q]',
  [input, output, weight],
  ({ inputs: [x, y], attrs, wants }, c) => [
    wants[0] ? apply(conv2dInputGradOp, [y, c], attrs) : null,
    wants[1] ? apply(conv2dOp, [x, c], attrs) : null,
  ],
)

export interface ConvOptions {
  /** One number, or [vertical, horizontal]. */
  readonly stride?: Pair
  /** Zeros around x: as many on both sides, or `[[top, bottom], [left, right]]`, or 'same' or 'valid'. */
  readonly padding?: Padding
  readonly dilation?: Pair
  readonly groups?: number
}

/** Elements of an axis that a window reaches over. */
export const spanOf = (kernel: number, dilation: number): number => dilation * (kernel - 1) + 1
/**
 * 2-D convolution (cross-correlation, as in PyTorch) of x [b,c,h,w] with weight [o,c/groups,p,q] and bias [o].
 * Throws ShapeError where they do not fit, RangeError for options that are no such numbers.
 */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvOptions = {}): Tensor {
  const [strideH, strideW] = pairOf('conv2d: stride', options.stride ?? 1, 1)
  const [dilationH, dilationW] = pairOf('conv2d: dilation', options.dilation ?? 1, 1)
  const groups = options.groups ?? 1
  const inputs = bias === undefined ? [x, weight] : [x, weight, bias]
  checkTensors('conv2d', inputs)
  const refuse = (detail: string) => new ShapeError(conv2dOp, inputs, detail)
  if (x.rank !== 4 || weight.rank !== 4) throw refuse('both must have four axes')
  const [outChannels, perGroup, kernelH, kernelW] = weight.shape as [number, number, number, number]
  const [batch, inChannels] = x.shape as [number, number]
  const even = Number.isInteger(groups) && perGroup * groups === inChannels && outChannels % groups === 0
  if (!even) throw refuse(`groups ${groups} do not fit`)
  if (kernelH === 0 || kernelW === 0) throw refuse('a side of the kernel is 0')
  const sides = sidesOf(
    'conv2d: padding',
    options.padding ?? 0,
    [x.shape[2]!, x.shape[3]!],
    [spanOf(kernelH, dilationH), spanOf(kernelW, dilationW)],
    [strideH, strideW],
  )
  const [padH, padW] = [sides[0][0], sides[1][0]]
  const [height, width] = x.shape.slice(2) as [number, number]
  const count = (n: number, [before, after]: readonly [number, number], span: number, stride: number) =>
    Math.floor((n + before + after - span) / stride) + 1
  const outH = count(height, sides[0], spanOf(kernelH, dilationH), strideH)
  const outW = count(width, sides[1], spanOf(kernelW, dilationW), strideW)
  if (!(outH >= 1 && outW >= 1)) throw refuse('the kernel is larger than the padded input')
  if (bias !== undefined && (bias.rank !== 1 || bias.shape[0] !== outChannels)) throw refuse('bias must be [o]')
  const g: Conv2dGeometry = {
    batch,
    inChannels,
    height,
    width,
    outChannels,
    kernelH,
    kernelW,
    strideH,
    strideW,
    padH,
    padW,
    dilationH,
    dilationW,
    groups,
    outH,
    outW,
  }
  const y = apply(conv2dOp, [x, weight], g)
  return bias === undefined ? y : add(y, reshape(bias, [outChannels, 1, 1]))
}
