import type { Conv2dGeometry } from '@unravel/kernels'
import { ShapeError } from '../../core/errors.js'
import { apply, checkTensors } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { expandDims, reshape, squeeze } from '../structure/reshape.js'
import { narrow } from '../structure/slice.js'
import { type ConvOptions, conv2d, conv2dInputGradOp, spanOf } from './conv2d.js'
import { common, pairOf, sidesOf } from './padding.js'

export interface Conv1dOptions {
  readonly stride?: number
  /** Zeros at both ends, or [left, right], or 'same' or 'valid'. */
  readonly padding?: number | readonly [number, number] | 'same' | 'valid'
  readonly dilation?: number
  readonly groups?: number
}

/** 1-D convolution (cross-correlation) of x [b,c,l] with weight [o,c/groups,k] and bias [o]: a `conv2d` of one row. */
export function conv1d(x: Tensor, weight: Tensor, bias?: Tensor, options: Conv1dOptions = {}): Tensor {
  checkTensors('conv1d', bias === undefined ? [x, weight] : [x, weight, bias])
  if (x.rank !== 3 || weight.rank !== 3) {
    throw new ShapeError({ name: 'conv1d', signature: '[b,c,l], [o,i,k] -> [b,o,m]' }, [x, weight])
  }
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options
  const sides = typeof padding === 'string' ? padding : pairOf('conv1d: padding', padding, 0)
  const y = conv2d(expandDims(x, -2), expandDims(weight, -2), bias, {
    stride: [1, stride],
    padding: typeof sides === 'string' ? sides : ([[0, 0], sides] as const),
    dilation: [1, dilation],
    groups,
  })
  return squeeze(y, -2)
}

export interface ConvTransposeOptions extends Omit<ConvOptions, 'padding'> {
  /** How much of the result is cut off: on both sides, or `[[top, bottom], [left, right]]`. */
  readonly padding?: Exclude<ConvOptions['padding'], string>
  /** Rows and columns more at the bottom and right, fewer than the stride or the dilation. */
  readonly outputPadding?: ConvOptions['stride']
}

/**
 * Transposed 2-D convolution of x [b,c,h,w] with weight [c,o/groups,p,q] and bias [o], as PyTorch's: the adjoint of
 * `conv2d`, of (h − 1)·stride + dilation·(p − 1) + 1 + outputPadding rows less the padding.
 */
export function convTranspose2d(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvTransposeOptions = {}): Tensor {
  checkTensors('convTranspose2d', bias === undefined ? [x, weight] : [x, weight, bias])
  const [strideH, strideW] = pairOf('convTranspose2d: stride', options.stride ?? 1, 1)
  const [dilationH, dilationW] = pairOf('convTranspose2d: dilation', options.dilation ?? 1, 1)
  const [moreH, moreW] = pairOf('convTranspose2d: outputPadding', options.outputPadding ?? 0, 0)
  const sides = sidesOf('convTranspose2d: padding', options.padding ?? 0, [0, 0], [0, 0], [1, 1])
  const groups = options.groups ?? 1
  const refuse = (detail: string) =>
    new ShapeError(
      { name: 'convTranspose2d', signature: '[b,c,h,w], [c,i,p,q], [o] -> [b,o,u,v]' },
      bias === undefined ? [x, weight] : [x, weight, bias],
      detail,
    )
  if (x.rank !== 4 || weight.rank !== 4) throw refuse('both must have four axes')
  const [batch, channels, outH, outW] = x.shape as [number, number, number, number]
  const [rows, perGroup, kernelH, kernelW] = weight.shape as [number, number, number, number]
  if (rows !== channels || !Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw refuse(`groups ${groups} do not fit`)
  }
  if (moreH >= Math.max(strideH, dilationH) || moreW >= Math.max(strideW, dilationW)) {
    throw refuse('outputPadding must be less than the stride or the dilation')
  }
  const inChannels = perGroup * groups
  if (bias !== undefined && (bias.rank !== 1 || bias.shape[0] !== inChannels)) throw refuse('bias must be [o]')
  const [padH, padW] = [common(sides[0]), common(sides[1])]
  const height = (outH - 1) * strideH + spanOf(kernelH, dilationH) + moreH - 2 * padH
  const width = (outW - 1) * strideW + spanOf(kernelW, dilationW) + moreW - 2 * padW
  const [top, bottom] = sides[0].map(n => n - padH) as [number, number]
  const [left, right] = sides[1].map(n => n - padW) as [number, number]
  if (height - top - bottom < 1 || width - left - right < 1) throw refuse('the padding cuts everything off')
  const g: Conv2dGeometry = {
    ...{ batch, inChannels, height, width, outChannels: channels, kernelH, kernelW, strideH, strideW },
    ...{ padH, padW, dilationH, dilationW, groups, outH, outW },
  }
  const y = apply(conv2dInputGradOp, [x, weight], g)
  const cut = narrow(narrow(y, -2, top, height - top - bottom), -1, left, width - left - right)
  return bias === undefined ? cut : add(cut, reshape(bias, [inChannels, 1, 1]))
}
