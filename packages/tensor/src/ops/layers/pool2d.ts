import type { Pool2dGeometry } from '@unravel/kernels'
import { ShapeError } from '../../core/errors.js'
import { apply, commonDType } from '../../core/op.js'
import { endsWith, sizeOf } from '../../core/shape.js'
import { allocate, type Dense, type Op, type Tensor } from '../../core/tensor.js'
import { linear } from '../structure/builders.js'
import { gatherOp } from '../structure/gather.js'
import { reshape } from '../structure/reshape.js'
import { type ConvOptions, pairOf, windows } from './conv2d.js'

/** Window, stride and padding of both axes; a geometry's planes are counted when it runs. */
type Window = Omit<Pool2dGeometry, 'planes'>

const lead = (x: Tensor) => x.shape.slice(0, -2)
/** The shape of x with `to` in place of its last axes, which must be `from`. */
function replaced(op: Op<Window>, x: Tensor, from: readonly number[], to: readonly number[]): number[] {
  if (!endsWith(x.shape, from)) throw new ShapeError(op, [x], `the last axes must be [${from}]`)
  return [...lead(x), ...to]
}
const full = (w: Window) => [w.height, w.width]
const pooled = (w: Window) => [w.outH, w.outW]
const geometry = (x: Tensor, w: Window): Pool2dGeometry => ({ ...w, planes: sizeOf(lead(x)) })

/** For every window the index into x of its largest element: the gate of max pooling. */
export const maxPool2dIndicesOp: Op<Window> = {
  name: 'maxPool2dIndices',
  signature: '[...,h,w] -> i32[...,u,v]',
  infer: (inputs, w) => {
    commonDType(maxPool2dIndicesOp, inputs)
    return { shape: replaced(maxPool2dIndicesOp, inputs[0]!, full(w), pooled(w)), dtype: 'i32' }
  },
  run([x], w, type) {
    const out = allocate(x!.backend, type.shape, 'i32', 'maxPool2d')
    x!.backend.kernels.maxPool2dIndices(geometry(x!, w), x!.buffer, out.buffer)
    return out
  },
}

/** Selects the largest elements; series and paths select what the run selected. */
export const maxPool2dOp: Op<Window> = {
  name: 'maxPool2d',
  signature: '[b,c,h,w] -> [b,c,u,v]',
  infer: (inputs, w) => ({
    shape: replaced(maxPool2dOp, inputs[0]!, full(w), pooled(w)),
    dtype: commonDType(maxPool2dOp, inputs),
  }),
  run: ([x], w) => select(x!, w) as Dense,
  body: ([x], w) => select(x!, w),
}

const select = (x: Tensor, w: Window): Tensor =>
  apply(gatherOp, [reshape(x, [x.size]), apply(maxPool2dIndicesOp, [x], w)], {
    axis: -1,
    length: x.size,
    inside: true,
  })

export const avgPool2dOp: Op<Window> = linear<Window>({
  name: 'avgPool2d',
  signature: '[...,h,w] -> [...,u,v]',
  infer: (inputs, w) => ({
    shape: replaced(avgPool2dOp, inputs[0]!, full(w), pooled(w)),
    dtype: commonDType(avgPool2dOp, inputs),
  }),
  run([x], w, type) {
    const out = allocate(x!.backend, type.shape, type.dtype, 'avgPool2d')
    x!.backend.kernels.avgPool2d(geometry(x!, w), x!.buffer, out.buffer)
    return out
  },
  vjp: ({ attrs }, c) => apply(avgPool2dGradOp, [c], attrs),
})

export const avgPool2dGradOp: Op<Window> = linear<Window>({
  name: 'avgPool2dGrad',
  signature: '[...,u,v] -> [...,h,w]',
  infer: (inputs, w) => ({
    shape: replaced(avgPool2dGradOp, inputs[0]!, pooled(w), full(w)),
    dtype: commonDType(avgPool2dGradOp, inputs),
  }),
  run([y], w, type) {
    const out = allocate(y!.backend, type.shape, type.dtype, 'avgPool2dGrad')
    y!.backend.kernels.avgPool2dGrad(geometry(y!, w), y!.buffer, out.buffer)
    return out
  },
  vjp: ({ attrs }, c) => apply(avgPool2dOp, [c], attrs),
})

export interface PoolOptions extends Pick<ConvOptions, 'stride' | 'padding'> {}

function windowOf(op: Op<Window>, x: Tensor, kernel: number | readonly [number, number], options: PoolOptions): Window {
  const [kernelH, kernelW] = pairOf(`${op.name}: window`, kernel, 1)
  const [strideH, strideW] = pairOf(`${op.name}: stride`, options.stride ?? kernel, 1)
  const [padH, padW] = pairOf(`${op.name}: padding`, options.padding ?? 0, 0)
  if (x.rank !== 4) throw new ShapeError(op, [x])
  const [height, width] = x.shape.slice(2) as [number, number]
  const outH = windows(height, kernelH, strideH, padH)
  const outW = windows(width, kernelW, strideW, padW)
  if (!(outH >= 1 && outW >= 1)) throw new ShapeError(op, [x], 'the window is larger than the padded input')
  if (padH * 2 > kernelH || padW * 2 > kernelW) throw new ShapeError(op, [x], 'padding is more than half the window')
  return { height, width, kernelH, kernelW, strideH, strideW, padH, padW, outH, outW }
}

/** Largest element of every window of x [b,c,h,w]; stride defaults to the window, padding never wins. */
export function maxPool2d(x: Tensor, kernel: number | readonly [number, number], options: PoolOptions = {}): Tensor {
  return apply(maxPool2dOp, [x], windowOf(maxPool2dOp, x, kernel, options))
}

/** Mean of every window of x [b,c,h,w]; stride defaults to the window, padding counts as zeros. */
export function avgPool2d(x: Tensor, kernel: number | readonly [number, number], options: PoolOptions = {}): Tensor {
  return apply(avgPool2dOp, [x], windowOf(avgPool2dOp, x, kernel, options))
}
