import * as t from '@unravel/tensor'
import { like } from '@unravel/tensor/internals'
import { type Call, isFlow } from '../call.js'
import { affordable, elementsOf, isFloat } from '../host.js'
import { truncate } from './elementwise.js'
import type { Compute, Rows } from './rows.js'

// Resampling along one axis after the other: element i of the result is Σ_k w_k(i)·x[p_k(i)] over a few neighbours. Linear in x,
// and so its own gate.

/** Where the result's elements stand among those of an axis, and what is asked beyond that. */
interface Axis {
  readonly from: number
  readonly to: number
  /** Elements of the result for one of the input. */
  readonly scale: number
  /** The part of the axis that tf_crop_and_resize takes, from 0 to 1. */
  readonly roi: readonly [number, number]
}

/** ONNX's coordinate_transformation_mode: the place in the input of element i. */
const coordinates: Readonly<Record<string, (i: number, a: Axis) => number>> = {
  half_pixel: (i, a) => (i + 0.5) / a.scale - 0.5,
  half_pixel_symmetric: (i, a) => {
    // The output is cut to whole elements: its middle stays that of the input.
    const whole = a.from * a.scale
    return (a.from / 2) * (1 - a.to / whole) + (i + 0.5) / a.scale - 0.5
  },
  pytorch_half_pixel: (i, a) => (a.to > 1 ? (i + 0.5) / a.scale - 0.5 : 0),
  // The length before it is cut to whole elements: n·scale − 1 steps.
  align_corners: (i, a) => (a.to === 1 ? 0 : (i * (a.from - 1)) / (a.from * a.scale - 1)),
  asymmetric: (i, a) => i / a.scale,
  tf_half_pixel_for_nn: (i, a) => (i + 0.5) / a.scale,
  tf_crop_and_resize: (i, { from, to, scale, roi: [begin, end] }) =>
    to > 1
      ? begin * (from - 1) + (i * (end - begin) * (from - 1)) / (from * scale - 1)
      : 0.5 * (begin + end) * (from - 1),
}

const roundings: Readonly<Record<string, (x: number) => number>> = {
  floor: Math.floor,
  ceil: Math.ceil,
  round_prefer_floor: x => Math.ceil(x - 0.5),
  round_prefer_ceil: x => Math.floor(x + 0.5),
}

const interpolations: Readonly<Record<string, How['mode']>> = {
  ...({ nearest: 'nearest', linear: 'linear', bilinear: 'linear', cubic: 'cubic' } as const),
}

/** The common ratio of axes, of the ratios that the sizes would give each. */
const policies: Readonly<Record<string, typeof Math.min | null>> = {
  ...{ stretch: null, not_larger: Math.min, not_smaller: Math.max },
}

/** Weights of neighbours at distances d: the tent, and Keys' cubic with parameter a. */
const tent = (d: number) => Math.max(0, 1 - Math.abs(d))
const cubic = (a: number) => (signed: number) => {
  const d = Math.abs(signed)
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
}

/** Neighbours of every element of a result: lists of places and weights, one pair a neighbour. */
interface Taps {
  readonly places: readonly number[]
  readonly weights: readonly number[]
}

interface How {
  readonly mode: 'nearest' | 'linear' | 'cubic'
  readonly place: (i: number, a: Axis) => number
  readonly rounding: (x: number) => number
  readonly a: number
  readonly excludeOutside: boolean
  readonly antialias: boolean
  /** The value outside of the input, for tf_crop_and_resize. */
  readonly outside: number | undefined
}

function tapsOf(axis: Axis, how: How): Taps[] {
  const { from, to } = axis
  const at = Array.from({ length: to }, (_, i) => how.place(i, axis))
  const inside = (p: number) => Math.min(Math.max(p, 0), from - 1)
  if (how.mode === 'nearest') {
    // A scale such as 1/0.6 puts an element a rounding away from the middle.
    const near = at.map(p => inside(how.rounding(Math.round(p * 2 ** 40) / 2 ** 40)))
    return [{ places: near, weights: near.map(() => 1) }]
  }
  // Without aliasing the weights are as wide as the elements of the result.
  const wide = how.antialias && axis.scale < 1 ? axis.scale : 1
  const weight = how.mode === 'linear' ? tent : cubic(how.a)
  const reach = Math.ceil((how.mode === 'linear' ? 1 : 2) / wide)
  const clampAt = how.mode === 'linear' && !how.antialias
  const offsets = Array.from({ length: 2 * reach }, (_, k) => k - reach + 1)
  const sums = new Array<number>(to).fill(0)
  const normalise = how.excludeOutside || how.antialias
  const rows = offsets.map(k => {
    const places = at.map(p => Math.floor(clampAt ? inside(p) : p) + k)
    const weights = places.map((place, i) => {
      const out = place < 0 || place >= from
      const p = clampAt ? inside(at[i]!) : at[i]!
      const w = normalise && out ? 0 : weight((place - p) * wide)
      sums[i]! += w
      return w
    })
    return { places: places.map(inside), weights }
  })
  const used = rows.filter(r => r.weights.some(w => w !== 0))
  return normalise ? used.map(r => ({ ...r, weights: r.weights.map((w, i) => w / sums[i]!) })) : used
}

const inOrder = (places: readonly number[], from: number) => places.length === from && places.every((p, i) => p === i)

function alongAxis(x: t.Tensor, axis: number, taps: readonly Taps[]): t.Tensor {
  const from = x.shape[axis]!
  let sum: t.Tensor | undefined
  for (const { places, weights } of taps) {
    const part = inOrder(places, from) ? x : t.pick(x, places, axis)
    const shape = [weights.length, ...new Array<number>(x.rank - axis - 1).fill(1)]
    const same = weights.every(w => w === 1)
    const weighted = same ? part : t.mul(part, t.tensor(Float64Array.from(weights), { shape, ...like(x) }))
    sum = sum === undefined ? weighted : t.add(sum, weighted)
  }
  return sum!
}

/** Sizes from scales, or the other way round, one for each axis that is named. */
function axesOf(
  call: Call,
  scales: readonly number[] | undefined,
  sizes: readonly number[] | undefined,
  roi: readonly number[],
) {
  const shape = call.shape(0)
  const named = call.list('axes')?.map(a => call.axis(a, shape.length)) ?? shape.map((_, d) => d)
  const n = named.length
  const given = sizes ?? scales
  if (given?.length !== n) throw new RangeError(`${given?.length ?? 'no'} scales or sizes for ${n} axes`)
  const policy = call.choice('keep_aspect_ratio_policy', 'stretch', policies)
  const common =
    sizes === undefined || policy === null ? undefined : policy(...sizes.map((s, i) => s / shape[named[i]!]!))
  return named.map((axis, i) => {
    const from = shape[axis]!
    const wanted = sizes?.[i]
    const to =
      wanted === undefined ? Math.floor(from * scales![i]!) : common === undefined ? wanted : Math.round(common * from)
    const scale = wanted === undefined ? scales![i]! : common === undefined ? wanted / from : common
    if (!(to >= 1 && Number.isSafeInteger(to)))
      throw new RangeError(`axis ${axis} of [${shape}] cannot get ${to} elements`)
    return { at: axis, from, to, scale, roi: [roi[i] ?? 0, roi[i + n] ?? 1] as const }
  })
}

const resized = (call: Call, scales?: readonly number[], sizes?: readonly number[], roi: readonly number[] = []) => {
  const mode = call.choice('mode', 'nearest', interpolations)
  const transformation = call.choice('coordinate_transformation_mode', 'half_pixel', coordinates)
  const old = call.node.op === 'Upsample' || call.node.version < 11
  const place = old ? coordinates.asymmetric! : transformation
  const rounding = call.choice('nearest_mode', old ? 'floor' : 'round_prefer_floor', roundings)
  const crop = transformation === coordinates.tf_crop_and_resize
  const how: How = {
    mode,
    ...{ place, rounding },
    a: call.attribute('cubic_coeff_a', -0.75),
    excludeOutside: call.attribute('exclude_outside', 0) !== 0,
    antialias: call.attribute('antialias', 0) !== 0,
    outside: crop ? call.attribute('extrapolation_value', 0) : undefined,
  }
  const axes = axesOf(call, scales, sizes, roi)
  if (axes.some(a => a.from === 0)) throw new RangeError(`[${call.shape(0)}] has nothing to resample`)
  affordable(call.shape(0).map((n, d) => axes.find(a => a.at === d)?.to ?? n))
  const run = (x: t.Tensor) =>
    axes.reduce((y, a) => (a.from === a.to && !crop ? y : alongAxis(y, a.at, tapsOf(a, how))), x)
  const x = call.value(0)
  if (how.mode === 'nearest' && !crop) return call.moved([x], run)
  // Means of integers are cut off towards 0, as in onnxruntime.
  const whole = !isFlow(x) && !isFloat(x.type)
  const y = call.computed([x], whole ? v => truncate(run(v)) : run)
  if (how.outside === undefined || !isFlow(y)) return y
  const shape = y.tensor.shape
  const kept = new Float64Array(elementsOf(shape)).fill(1)
  let step = kept.length
  for (let d = 0; d < shape.length; d++) {
    step /= shape[d]!
    const a = axes.find(b => b.at === d)
    if (a === undefined) continue
    for (let i = 0; i < kept.length; i++) {
      const p = place(Math.floor(i / step) % shape[d]!, a)
      if (p < 0 || p > a.from - 1) kept[i] = 0
    }
  }
  const mask = t.tensor(kept, { shape, ...like(y.tensor) })
  return call.out(t.where(mask, y.tensor, how.outside))
}

const resize: Compute = call => {
  const list = (i: number) => (call.has(i) && elementsOf(call.shape(i)) > 0 ? call.numbers(i) : undefined)
  return resized(call, list(2), list(3), list(1) ?? [])
}

export const resizing: Rows = {
  Resize: { 10: call => resized(call, call.numbers(1)), 11: resize },
  Upsample: {
    7: call => resized(call, call.list('scales') ?? []),
    9: call => resized(call, call.numbers(1)),
  },
}
