import type { Pool2dGeometry } from '@unravel/kernels'
import * as reference from '@unravel/kernels/reference'
import { arrayOf } from '../../core/dtype.js'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, backendOf, checkTensors, commonDType } from '../../core/op.js'
import { endsWith, sizeOf } from '../../core/shape.js'
import { allocate, type Dense, fromData, type Op, type Tensor, type Unary } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { linear } from '../structure/builders.js'
import { gatherOp } from '../structure/gather.js'
import { pad } from '../structure/pad.js'
import { pick } from '../structure/pick.js'
import { reshape } from '../structure/reshape.js'
import { type ConvOptions, spanOf } from './conv2d.js'
import { common, type Pair, pairOf, sidesOf } from './padding.js'

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
export const maxPool2dIndicesOp: Op<Window, Unary> = {
  name: 'maxPool2dIndices',
  signature: '[...,h,w] -> i32[...,u,v]',
  infer: (inputs, w) => {
    commonDType(maxPool2dIndicesOp, inputs)
    return { shape: replaced(maxPool2dIndicesOp, inputs[0], full(w), pooled(w)), dtype: 'i32' }
  },
  run([x], w, type) {
    const out = allocate(x.backend, type.shape, 'i32', 'maxPool2d')
    kernelOf(x.backend, 'maxPool2dIndices', reference.maxPool2dIndices)(geometry(x, w), x.buffer, out.buffer)
    return out
  },
}

/** Selects the largest elements; series and paths select what the run selected. */
export const maxPool2dOp: Op<Window, Unary> = {
  name: 'maxPool2d',
  signature: '[b,c,h,w] -> [b,c,u,v]',
  infer: (inputs, w) => ({
    shape: replaced(maxPool2dOp, inputs[0], full(w), pooled(w)),
    dtype: commonDType(maxPool2dOp, inputs),
  }),
  run: ([x], w) => select(x, w) as Dense,
  body: ([x], w) => select(x, w),
}

const select = (x: Tensor, w: Window): Tensor =>
  apply(gatherOp, [reshape(x, [x.size]), apply(maxPool2dIndicesOp, [x], w)], {
    axis: -1,
    length: x.size,
    inside: true,
  })

export const avgPool2dOp: Op<Window, Unary> = linear<Window>({
  name: 'avgPool2d',
  signature: '[...,h,w] -> [...,u,v]',
  infer: (inputs, w) => ({
    shape: replaced(avgPool2dOp, inputs[0], full(w), pooled(w)),
    dtype: commonDType(avgPool2dOp, inputs),
  }),
  run([x], w, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'avgPool2d')
    kernelOf(x.backend, 'avgPool2d', reference.avgPool2d)(geometry(x, w), x.buffer, out.buffer)
    return out
  },
  vjp: ({ attrs }, c) => apply(avgPool2dGradOp, [c], attrs),
})

export const avgPool2dGradOp: Op<Window, Unary> = linear<Window>({
  name: 'avgPool2dGrad',
  signature: '[...,u,v] -> [...,h,w]',
  infer: (inputs, w) => ({
    shape: replaced(avgPool2dGradOp, inputs[0], pooled(w), full(w)),
    dtype: commonDType(avgPool2dGradOp, inputs),
  }),
  run([y], w, type) {
    const out = allocate(y.backend, type.shape, type.dtype, 'avgPool2dGrad')
    kernelOf(y.backend, 'avgPool2dGrad', reference.avgPool2dGrad)(geometry(y, w), y.buffer, out.buffer)
    return out
  },
  vjp: ({ attrs }, c) => apply(avgPool2dOp, [c], attrs),
})

export interface PoolOptions extends Pick<ConvOptions, 'stride' | 'padding' | 'dilation'> {
  /** Whether a last window that reaches over the padded edge counts, as PyTorch's ceil_mode (default: no). */
  readonly ceilMode?: boolean
}
export interface AvgPoolOptions extends PoolOptions {
  /** Whether zeros of the padding count among the elements that a mean is of (default: yes). */
  readonly countIncludePad?: boolean
}

/** The windows along one axis of n elements. */
interface Axis {
  readonly n: number
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly sides: readonly [number, number]
  /** How many windows. */
  readonly out: number
}

function axesOf(op: Op<Window>, x: Tensor, kernel: Pair, options: PoolOptions): readonly [Axis, Axis] {
  checkTensors(op.name, [x])
  const kernels = pairOf(`${op.name}: window`, kernel, 1)
  const strides = pairOf(`${op.name}: stride`, options.stride ?? kernel, 1)
  const dilations = pairOf(`${op.name}: dilation`, options.dilation ?? 1, 1)
  if (x.rank !== 4) throw new ShapeError(op, [x])
  const size = x.shape.slice(2) as [number, number]
  const spans = kernels.map((k, d) => spanOf(k, dilations[d]!)) as [number, number]
  const sides = sidesOf(`${op.name}: padding`, options.padding ?? 0, size, spans, strides)
  const axis = (d: 0 | 1): Axis => {
    const [before, after] = sides[d]
    if (Math.max(before, after) * 2 > spans[d]) {
      throw new ShapeError(op, [x], 'padding is more than half the window')
    }
    const steps = (size[d] + before + after - spans[d]) / strides[d]
    let out = (options.ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1
    // A window begins inside of x or of the padding before it.
    if (options.ceilMode && (out - 1) * strides[d] >= size[d] + before) out--
    if (!(out >= 1)) throw new ShapeError(op, [x], 'the window is larger than the padded input')
    return { n: size[d], kernel: kernels[d], stride: strides[d], dilation: dilations[d], sides: sides[d], out }
  }
  return [axis(0), axis(1)]
}

/** Whether a kernel counts the same windows: alike on both sides, without gaps, none beyond the padding. */
const plain = ({ n, kernel, stride, dilation, sides: [before, after], out }: Axis) =>
  before === after && dilation === 1 && (out - 1) * stride + kernel <= n + 2 * before

const windowOf = ([v, h]: readonly [Axis, Axis]): Window => ({
  ...{ height: v.n, width: h.n, kernelH: v.kernel, kernelW: h.kernel, strideH: v.stride, strideW: h.stride },
  ...{ padH: common(v.sides), padW: common(h.sides), outH: v.out, outW: h.out },
})

/** The same windows one beside the other, after `unrolled`. */
const apart = ([v, h]: readonly [Axis, Axis]): Window => ({
  ...{ height: v.out * v.kernel, width: h.out * h.kernel, kernelH: v.kernel, kernelW: h.kernel },
  ...{ strideH: v.kernel, strideW: h.kernel, padH: 0, padW: 0, outH: v.out, outW: h.out },
})

/** The places of the elements of every window along an axis, before 0 and from n on where they are padding. */
const placesOf = ({ kernel, stride, dilation, sides, out }: Axis): number[] =>
  Array.from({ length: out * kernel }, (_, p) => Math.floor(p / kernel) * stride + (p % kernel) * dilation - sides[0])

/** Places with those of the padding moved to an element of the same window, which leaves its maximum as it is. */
function insidePlaces(axis: Axis, x: Tensor): number[] {
  const { n, kernel, stride, dilation, sides } = axis
  return placesOf(axis).map((place, p) => {
    if (place >= 0 && place < n) return place
    const begin = Math.floor(p / kernel) * stride - sides[0]
    const skipped = Math.max(0, Math.ceil(-begin / dilation))
    const near = begin + skipped * dilation
    if (skipped >= kernel || near >= n) throw new ShapeError(maxPool2dOp, [x], 'a window lies in the padding')
    return near
  })
}

/** Largest element of every window of x [b,c,h,w]; stride defaults to the window, padding never wins. */
export function maxPool2d(x: Tensor, kernel: Pair, options: PoolOptions = {}): Tensor {
  const axes = axesOf(maxPool2dOp, x, kernel, options)
  if (axes.every(plain)) return apply(maxPool2dOp, [x], windowOf(axes))
  return apply(maxPool2dOp, [axes.reduce((t, a, d) => pick(t, insidePlaces(a, x), d - 2), x)], apart(axes))
}

/** How many elements of every window along an axis a mean is of. */
function counts({ n, kernel, stride, dilation, sides: [before, after], out }: Axis, includePad: boolean): number[] {
  const [first, end] = includePad ? [-before, n + after] : [0, n]
  return Array.from({ length: out }, (_, o) => {
    const places = Array.from({ length: kernel }, (_, i) => o * stride + i * dilation - before)
    return places.filter(p => p >= first && p < end).length
  })
}

/** Mean of every window of x [b,c,h,w]; stride defaults to the window, padding counts as zeros. */
export function avgPool2d(x: Tensor, kernel: Pair, options: AvgPoolOptions = {}): Tensor {
  const axes = axesOf(avgPool2dOp, x, kernel, options)
  const [v, h] = axes
  const includePad = options.countIncludePad ?? true
  const [down, across] = axes.map(a => counts(a, includePad)) as [number[], number[]]
  const unrolled = (t: Tensor, a: Axis, axis: number) => {
    const widths = t.shape.map((_, d): [number, number] => [0, d === t.rank + axis ? 1 : 0])
    return pick(pad(t, widths), placesOf(a).map(p => (p < 0 || p >= a.n ? a.n : p)), axis) // biome-ignore format: short
  }
  const means = axes.every(plain)
    ? apply(avgPool2dOp, [x], windowOf(axes))
    : apply(avgPool2dOp, [axes.reduce((t, a, d) => unrolled(t, a, d - 2), x)], apart(axes))
  if (down.every(n => n === v.kernel) && across.every(n => n === h.kernel)) return means
  const area = v.kernel * h.kernel
  const shares = down.flatMap(p => across.map(q => area / (p * q)))
  return mul(means, fromData(arrayOf(x.dtype, shares, 'avgPool2d'), [v.out, h.out], backendOf(x), 'avgPool2d'))
}
