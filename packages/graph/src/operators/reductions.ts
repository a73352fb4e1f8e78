import * as t from '@unravel/tensor'
import { type Call, hosted, isFlow } from '../call.js'
import { hostOf, isFloat } from '../host.js'
import { truncate } from './elementwise.js'
import { logShare, share } from './frozen.js'
import type { Compute, Rows } from './rows.js'

/** Axes of a reduction: all of them where none is named, unless `noop_with_empty_axes`; an attribute, later an input. */
function axesOf(call: Call): number[] | null {
  const rank = call.shape(0).length
  const named = call.listOr('axes', 1)
  if (named !== undefined && named.length > 0) return named.map(a => call.axis(a, rank))
  return call.attribute('noop_with_empty_axes', 0) === 0 ? Array.from({ length: rank }, (_, i) => i) : null
}

type Reduction = (x: t.Tensor, axes: readonly number[], keepdims: boolean) => t.Tensor

/** `ends` makes the result of integers one again, where f has fractions. */
const reduction =
  (f: Reduction, ends: (y: t.Tensor) => t.Tensor = y => y): Compute =>
  call => {
    const axes = axesOf(call)
    if (axes === null) return call.value(0)
    const keepdims = call.attribute('keepdims', 1) !== 0
    const x = call.value(0)
    const whole = !isFlow(x) && !isFloat(x.type)
    return call.computed([x], v => (whole ? ends(f(v, axes, keepdims)) : f(v, axes, keepdims)))
  }

/** Means, norms and logarithms of integers are cut off towards 0, as onnxruntime does. */
const fractional = (f: Reduction): Compute => reduction(f, truncate)
/** Σ/n: the sum of integers is exact, and so is a quotient that is an integer. */
const mean: Reduction = (x, axes, keepdims) => t.mean(x, axes, keepdims)

const extremum =
  (f: (x: t.Tensor, axis: number) => t.Tensor): Compute =>
  call => {
    const rank = call.shape(0).length
    const axis = call.axis(call.attribute('axis', 0), rank)
    const numbers = call.exact(0)
    const last = call.attribute('select_last_index', 0) !== 0
    const n = numbers.shape[axis]!
    const places = last ? t.sub(n - 1, f(t.flip(numbers, axis), axis)) : f(numbers, axis)
    const kept = call.attribute('keepdims', 1) !== 0 ? t.expandDims(places, axis) : places
    return hosted({ type: 'i64', tensor: kept })
  }

/** Below version 13 axes from `axis` on are one, and so are those before it. */
const flattened =
  (f: (x: t.Tensor) => t.Tensor): Compute =>
  call => {
    const shape = call.shape(0)
    const axis = call.axis(call.attribute('axis', 1), shape.length)
    const size = (part: readonly number[]) => part.reduce((a, b) => a * b, 1)
    const x = t.reshape(call.tensor(0), [size(shape.slice(0, axis)), size(shape.slice(axis))])
    return call.out(t.reshape(f(x), shape))
  }

const along =
  (f: (x: t.Tensor, axis: number) => t.Tensor): Compute =>
  call =>
    call.out(f(call.tensor(0), call.axis(call.attribute('axis', -1), call.shape(0).length)))

/** 1 at the first largest element along an axis, else 0. */
function hardmax(x: t.Tensor, axis: number): t.Tensor {
  const n = x.shape[axis]!
  const place = t.expandDims(t.argmax(x, axis), axis)
  const places = t.reshape(
    t.arange(n, undefined, 1, { backend: x.backend }),
    x.shape.map((_, d) => (d === axis ? n : 1)),
  )
  return t.equal(place, places).to(x.dtype)
}

const topK =
  (k: (call: Call) => number): Compute =>
  call => {
    const axis = call.axis(call.attribute('axis', -1), call.shape(0).length)
    const found = t.topK(call.exact(0), k(call), axis, call.attribute('largest', 1) !== 0)
    return [call.out(found.values), hosted({ type: 'i64', tensor: found.indices })]
  }

const cumulative: Compute = call => {
  const rank = call.shape(0).length
  const axis = call.axis(call.number(1), rank)
  const reverse = call.attribute('reverse', 0) !== 0
  const exclusive = call.attribute('exclusive', 0) !== 0
  return call.computed([call.value(0)], x => {
    const turned = reverse ? t.flip(x, axis) : x
    const sums = t.cumsum(turned, axis)
    const n = x.shape[axis]!
    const widths = x.shape.map((_, d): [number, number] => [d === axis ? 1 : 0, 0])
    const shifted = exclusive && n > 0 ? t.pad(t.narrow(sums, axis, 0, n - 1), widths) : sums
    return reverse ? t.flip(shifted, axis) : shifted
  })
}

/** The largest |x| over axes, which are kept, where sums of such numbers may overflow; else 1. Constant to derivatives. */
export function rangeOf(x: t.Tensor, axes: number | readonly number[]): t.Tensor {
  const largest = t.max(t.abs(t.stopGradient(x)), axes, true)
  return t.where(t.mul(t.greater(largest, 1e30), t.less(largest, Infinity)), largest, 1)
}

/** log Σ x; of numbers whose sum may overflow that of the sum over the largest |x|. */
const logSum: Reduction = (x, axes, keepdims) => {
  if (x.size === 0) return t.log(t.sum(x, axes, keepdims))
  const scale = rangeOf(x, axes)
  return t.add(t.log(t.sum(t.div(x, scale), axes, keepdims)), t.log(keepdims ? scale : t.sum(scale, axes)))
}

/** √Σx²; of integers not scaled by the largest one: a quotient may be rounded, and the root then be below the integer that it is. */
const euclidean: Compute = call =>
  call.inMemory(0) && !isFloat(call.type(0))
    ? fractional((x, axes, keepdims) => t.sqrt(t.sumSquares(x, axes, keepdims)))(call)
    : reduction((x, axes, keepdims) => t.norm(x, axes, keepdims))(call)

/** Places of the elements that are not 0, [rank, n]. */
const nonZero: Compute = call => {
  const { shape, data } = call.host(0)
  const found: number[] = []
  for (let i = 0; i < data.length; i++) if (Number(data[i]) !== 0) found.push(i)
  const strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1))
  const places = shape.flatMap((n, d) => found.map(i => Math.floor(i / strides[d]!) % n))
  return hostOf('i64', [shape.length, found.length], places)
}

export const reductions: Rows = {
  ReduceSum: reduction(t.sum),
  ReduceMean: fractional(mean),
  ReduceMax: reduction(t.max),
  ReduceMin: reduction(t.min),
  ReduceProd: reduction(t.prod),
  ReduceL1: reduction((x, axes, keepdims) => t.sum(t.abs(x), axes, keepdims)),
  ReduceL2: euclidean,
  ReduceSumSquare: reduction(t.sumSquares),
  ReduceLogSum: fractional(logSum),
  ReduceLogSumExp: fractional(t.logsumexp),
  ArgMax: extremum(t.argmax),
  ArgMin: extremum(t.argmin),
  Softmax: { 1: flattened(share), 13: along(share) },
  LogSoftmax: { 1: flattened(logShare), 13: along(logShare) },
  Hardmax: { 1: flattened(x => hardmax(x, 1)), 13: along(hardmax) },
  TopK: { 1: topK(call => call.attribute('k')), 10: topK(call => call.number(1)) },
  CumSum: cumulative,
  NonZero: nonZero,
}
