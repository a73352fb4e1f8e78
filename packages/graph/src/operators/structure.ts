import * as t from '@unravel/tensor'
import { like } from '@unravel/tensor/internals'
import { type Call, isFlow, type Value } from '../call.js'
import type { ElementType } from '../graph.js'
import { affordable, broadcastShape, elementsOf, hostOf, isFloat, scalarOf } from '../host.js'
import { elementType } from '../onnx/tensor.js'
import { cast } from './elementwise.js'
import type { Compute, Rows } from './rows.js'

const reshaped = (call: Call, shape: readonly number[]): Value => call.moved([call.value(0)], x => t.reshape(x, shape))

const reshape: Compute = call => {
  const from = call.shape(0)
  const wanted = call.listOr('shape', 1) ?? []
  const keep = call.attribute('allowzero', 0) === 0
  return reshaped(call, wanted.map((n, d) => (n === 0 && keep ? (from[d] ?? 0) : n))) // biome-ignore format: short
}

const flatten: Compute = call => {
  const shape = call.shape(0)
  const axis = call.attribute('axis', 1)
  const at = axis === shape.length ? axis : call.axis(axis, shape.length)
  return reshaped(call, [elementsOf(shape.slice(0, at)), elementsOf(shape.slice(at))])
}

const squeeze: Compute = call => {
  const shape = call.shape(0)
  const axes = call.listOr('axes', 1)?.map(a => call.axis(a, shape.length))
  const wrong = axes?.find(a => shape[a] !== 1)
  if (wrong !== undefined) throw new RangeError(`axis ${wrong} of [${shape}] is not of length 1`)
  return reshaped(call, shape.filter((n, d) => (axes === undefined ? n !== 1 : !axes.includes(d)))) // biome-ignore format: short
}

const unsqueeze: Compute = call => {
  const named = call.listOr('axes', 1) ?? []
  const rank = call.shape(0).length + named.length
  const axes = new Set(named.map(a => call.axis(a, rank)))
  if (axes.size < named.length) throw new RangeError(`axes [${named}] name one twice`)
  const rest = [...call.shape(0)]
  return reshaped(call, Array.from({ length: rank }, (_, d) => (axes.has(d) ? 1 : rest.shift()!))) // biome-ignore format: short
}

const concat: Compute = call => {
  const rank = call.shape(0).length
  // Below version 4 the axis had a default.
  const axis = call.axis(call.attribute('axis', call.node.version < 4 ? 1 : undefined), rank)
  return call.moved(call.values, (...parts) => t.concat(parts, axis))
}

const split: Compute = call => {
  const axis = call.axis(call.attribute('axis', 0), call.shape(0).length)
  const n = call.shape(0)[axis]!
  const count = call.node.outputs.length
  // The last part may be shorter.
  const length = Math.ceil(n / count)
  const even = () => Array.from({ length: count }, (_, i) => Math.max(0, Math.min(length, n - i * length)))
  const lengths = call.listOr('split', 1) ?? even()
  if (lengths.length !== count || lengths.reduce((a, b) => a + b, 0) !== n) {
    throw new RangeError(`lengths [${lengths}] do not cut axis ${axis} of [${call.shape(0)}] into ${count} parts`)
  }
  let begin = 0
  return lengths.map(part => {
    const from = begin
    begin += part
    return call.moved([call.value(0)], x => t.narrow(x, axis, from, part))
  })
}

/** Elements from `start` to before `end` in steps that may be negative, clipped as Python's slices are. */
function sliced(
  call: Call,
  starts: readonly number[],
  ends: readonly number[],
  axes?: readonly number[],
  steps?: readonly number[],
) {
  const shape = call.shape(0)
  const rank = shape.length
  const along = axes ?? starts.map((_, i) => i)
  const cuts = along.map((a, i) => {
    const axis = call.axis(a, rank)
    const n = shape[axis]!
    const step = steps?.[i] ?? 1
    if (step === 0) throw new RangeError(`the step along axis ${axis} is 0`)
    const [low, high] = step > 0 ? [0, n] : [-1, n - 1]
    const clip = (p: number) => Math.min(Math.max(p < 0 ? p + n : p, low), high)
    const [from, to] = [clip(starts[i]!), clip(ends[i]!)]
    return { axis, step, from, count: Math.max(0, Math.ceil((to - from) / step)) }
  })
  return call.moved([call.value(0)], x =>
    cuts.reduce((y, { axis, step, from, count }) => {
      if (count === 0) return t.narrow(y, axis, 0, 0)
      // Backwards: the elements from the last one on, turned around.
      const first = step > 0 ? from : from + (count - 1) * step
      const range = (v: number | null, other: number | null) => y.shape.map((_, d) => (d === axis ? v : other))
      const stop = first + (count - 1) * Math.abs(step) + 1
      const begin = range(first, 0) as number[]
      const taken = t.slice(y, begin, range(stop, null), range(Math.abs(step), 1) as number[])
      return step > 0 ? taken : t.flip(taken, axis)
    }, x),
  )
}

const gather: Compute = call => {
  const axis = call.axis(call.attribute('axis', 0), call.shape(0).length)
  const { shape, at } = call.places(1, call.shape(0)[axis]!)
  return call.moved([call.value(0)], x => {
    const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)]
    return t.reshape(t.pick(x, at, axis), [...before, ...shape, ...after])
  })
}

/** Row-major steps of the axes of a shape. */
const stridesOf = (shape: readonly number[]): number[] => shape.map((_, d) => elementsOf(shape.slice(d + 1)))

/** Elements of a value at places among all of them. */
const picked = (call: Call, at: ArrayLike<number>, shape: readonly number[]): Value =>
  call.moved([call.value(0)], x => t.reshape(t.pick(t.reshape(x, [x.size]), at, 0), shape))

const gatherElements: Compute = call => {
  const shape = call.shape(0)
  const axis = call.axis(call.attribute('axis', 0), shape.length)
  const index = call.places(1, shape[axis]!)
  return picked(call, alongAxis(shape, index, axis), index.shape)
}

/** For places along an axis, each at its own place along the others: places among all elements. */
function alongAxis(
  shape: readonly number[],
  index: { shape: readonly number[]; at: Int32Array },
  axis: number,
): Int32Array {
  const [to, from] = [stridesOf(index.shape), stridesOf(shape)]
  return index.at.map((p, i) => {
    let place = p * from[axis]!
    for (let d = 0; d < shape.length; d++)
      if (d !== axis) place += (Math.floor(i / to[d]!) % index.shape[d]!) * from[d]!
    return place
  })
}

/** Tuples of places [..., k] along the axes after the first `batch`: where each points, and how many elements it means. */
function tuples(
  call: Call,
  batch: number,
): { readonly first: Int32Array; readonly length: number; readonly lead: readonly number[] } {
  const shape = call.shape(0)
  const { shape: by } = call.value(1) as { shape: readonly number[] }
  const k = by.at(-1) ?? 0
  const numbers = call.numbers(1)
  const strides = stridesOf(shape)
  const perBatch = elementsOf(by.slice(batch, -1))
  const first = Int32Array.from({ length: numbers.length / Math.max(1, k) }, (_, i) => {
    let place = Math.floor(i / Math.max(1, perBatch)) * (batch === 0 ? 0 : strides[batch - 1]!)
    for (let j = 0; j < k; j++) {
      const n = shape[batch + j]!
      const p = numbers[i * k + j]!
      if (!(p >= -n && p < n)) throw new RangeError(`index ${p} is outside of axis ${batch + j} of [${shape}]`)
      place += (p < 0 ? p + n : p) * strides[batch + j]!
    }
    return place
  })
  return { first, length: elementsOf(shape.slice(batch + k)), lead: by.slice(0, -1) }
}

const spread = (first: Int32Array, length: number): Int32Array =>
  Int32Array.from({ length: first.length * length }, (_, i) => first[Math.floor(i / length)]! + (i % length))

const gatherND: Compute = call => {
  const batch = call.attribute('batch_dims', 0)
  const k = call.shape(1).at(-1) ?? 0
  const { first, length, lead } = tuples(call, batch)
  return picked(call, spread(first, length), [...lead, ...call.shape(0).slice(batch + k)])
}

/** x with elements at places replaced by, or combined with, updates. */
function scattered(call: Call, at: Int32Array): Value {
  const combine = call.choice('reduction', 'none', combinations)
  const [data, updates] = [call.value(0), call.value(2)]
  const size = elementsOf(call.shape(0))
  if (combine === 'none') {
    // Of several updates of one element the last one stays.
    const source = Int32Array.from({ length: size }, (_, i) => i)
    at.forEach((p, i) => {
      source[p] = size + i
    })
    return call.moved([data, updates], (x, u) =>
      t.reshape(t.pick(t.concat([t.reshape(x, [x.size]), t.reshape(u, [u.size])], 0), source, 0), x.shape),
    )
  }
  if (combine === 'add') {
    return call.computed([data, updates], (x, u) => {
      const index = t.tensor(at, { backend: x.backend })
      return t.add(x, t.reshape(t.scatterAdd(t.reshape(u, [u.size]), index, x.size), x.shape))
    })
  }
  // One update a time for each element: as many rounds as an element has updates.
  const rounds: Map<number, number>[] = []
  at.forEach((p, i) => {
    let r = 0
    while (rounds[r]?.has(p)) r++
    rounds[r] ??= new Map()
    rounds[r]!.set(p, i)
  })
  return call.computed([data, updates], (x, u) => {
    const flat = t.reshape(u, [u.size])
    return rounds.reduce((y, round) => {
      const mask = new Float64Array(size)
      const source = new Int32Array(size)
      for (const [p, i] of round) [mask[p], source[p]] = [1, i]
      const chosen = t.reshape(t.pick(flat, source, 0), x.shape)
      return t.where(t.tensor(mask, { shape: x.shape, ...like(x) }), combine(y, chosen), y)
    }, x)
  })
}

const scatterElements: Compute = call => {
  const shape = call.shape(0)
  const axis = call.axis(call.attribute('axis', 0), shape.length)
  return scattered(call, alongAxis(shape, call.places(1, shape[axis]!), axis))
}

const scatterND: Compute = call => {
  const { first, length } = tuples(call, 0)
  return scattered(call, spread(first, length))
}

const modes: Readonly<Record<string, 0 | 'reflect' | 'edge' | 'wrap'>> = {
  ...{ constant: 0, reflect: 'reflect', edge: 'edge', wrap: 'wrap' },
}
const combinations: Readonly<Record<string, 'none' | 'add' | typeof t.maximum>> = {
  ...{ none: 'none', add: 'add', mul: t.mul, max: t.maximum, min: t.minimum },
}

/** Padding; negative pads cut off. */
function padded(call: Call, pads: readonly number[], value: number, axes?: readonly number[]): Value {
  const rank = call.shape(0).length
  const named = axes?.map(a => call.axis(a, rank)) ?? Array.from({ length: rank }, (_, d) => d)
  if (pads.length !== 2 * named.length)
    throw new RangeError(`${pads.length} pads for ${named.length} axes; expected two each`)
  const widths = Array.from({ length: rank }, (): [number, number] => [0, 0])
  named.forEach((axis, i) => {
    widths[axis] = [pads[i]!, pads[i + named.length]!]
  })
  const mode = call.choice('mode', 'constant', modes)
  const cut = (x: t.Tensor) =>
    widths.reduce((y, [before, after], d) => {
      const n = y.shape[d]!
      const [from, less] = [Math.max(0, -before), Math.max(0, -after)]
      return from + less === 0 ? y : t.narrow(y, d, from, n - from - less)
    }, x)
  affordable(call.shape(0).map((n, d) => Math.max(0, n + widths[d]![0] + widths[d]![1])))
  const outside = widths.map(([b, a]): [number, number] => [Math.max(0, b), Math.max(0, a)])
  if (mode !== 0 || isFlow(call.value(0))) {
    return call.moved([call.value(0)], x => t.pad(cut(x), outside, mode === 0 ? value : mode))
  }
  // The element that stands for the padding is one more.
  const fill = hostOf(call.type(0), [1], [value])
  return call.moved([call.value(0), fill], (x, f) =>
    t.where(t.pad(t.onesLike(cut(x)), outside), t.pad(cut(x), outside), t.broadcastTo(f, t.pad(cut(x), outside).shape)),
  )
}

const constantOfShape: Compute = call => {
  const shape = affordable(call.numbers(0))
  const { type, data } = call.constant('value')?.read() ?? { type: 'f32' as const, data: Float32Array.of(0) }
  if (!isFloat(type)) return call.moved([hostOf(type, [1], [data[0]!])], x => t.broadcastTo(x, shape))
  return { type, tensor: t.full(shape, Number(data[0]), like(call.run)) }
}

/** How many of start, start + delta, … are before limit; differences of 64 bits are exact. */
function countOf(start: bigint, limit: bigint, delta: bigint): number {
  if (delta === 0n) throw new RangeError('the step of a range is 0')
  const [span, step] = delta > 0n ? [limit - start, delta] : [start - limit, -delta]
  return span <= 0n ? 0 : Number((span + step - 1n) / step)
}

/** start, start + delta, … before limit. */
const range: Compute = call => {
  const type = call.type(0)
  const [start, limit, delta] = [call.host(0), call.host(1), call.host(2)].map(v => v.data[0]!)
  const count = isFloat(type)
    ? Math.max(0, Math.ceil((Number(limit) - Number(start)) / Number(delta)))
    : countOf(BigInt(start!), BigInt(limit!), BigInt(delta!))
  affordable([count])
  if (isFloat(type)) {
    const values = Float64Array.from({ length: count }, (_, i) => Number(start) + i * Number(delta))
    return call.out(t.tensor(values, like(call.run)), type)
  }
  return hostOf(
    type,
    [count],
    Array.from({ length: count }, (_, i) => BigInt(start!) + BigInt(i) * BigInt(delta!)),
  )
}

const shape: Compute = call => {
  const dims = call.shape(0)
  const clip = (p: number) => Math.min(Math.max(p < 0 ? p + dims.length : p, 0), dims.length)
  const part = dims.slice(clip(call.attribute('start', 0)), clip(call.attribute('end', dims.length)))
  return hostOf('i64', [part.length], part)
}

const oneHot: Compute = call => {
  const depth = call.number(1)
  const { shape: by } = call.host(0)
  const axis = call.axis(call.attribute('axis', -1), by.length + 1)
  const indices = call.numbers(0)
  affordable([indices.length, depth])
  const inner = elementsOf(by.slice(axis))
  const at = new Int32Array(indices.length * depth)
  indices.forEach((p, i) => {
    const place = p < 0 ? p + depth : p
    if (place >= 0 && place < depth) at[(Math.floor(i / inner) * depth + place) * inner + (i % inner)] = 1
  })
  const out = [...by.slice(0, axis), depth, ...by.slice(axis)]
  // Of the two values, off and on.
  return call.moved([call.value(2)], x => t.reshape(t.pick(x, at, 0), out))
}

const eyeLike: Compute = call => {
  const [rows, columns] = call.shape(0) as [number, number]
  affordable([rows, columns])
  const k = call.attribute('k', 0)
  const code = call.node.attributes.dtype
  const type = code === undefined ? call.type(0) : elementType(call.attribute('dtype'), 'EyeLike')
  const ones = Array.from({ length: rows * columns }, (_, i) => ((i % columns) - Math.floor(i / columns) === k ? 1 : 0))
  return ofNumbers(call, type, [rows, columns], ones)
}

const ofNumbers = (call: Call, type: ElementType, dims: readonly number[], values: readonly number[]): Value =>
  isFloat(type)
    ? call.out(t.tensor(Float64Array.from(values), { shape: dims, ...like(call.run) }), type)
    : hostOf(type, dims, values)

const expand: Compute = call => {
  const to = affordable(broadcastShape([call.shape(0), call.numbers(1)]))
  return call.moved([call.value(0)], x => t.broadcastTo(x, to))
}

/** The lower or upper triangles of matrices. */
const triangle: Compute = call => {
  const k = call.has(1) ? call.number(1) : 0
  const upper = call.attribute('upper', 1) !== 0
  const [rows, columns] = call.shape(0).slice(-2) as [number, number]
  const kept = Uint8Array.from({ length: rows * columns }, (_, i) => {
    const offset = (i % columns) - Math.floor(i / columns)
    return (upper ? offset >= k : offset <= k) ? 1 : 0
  })
  const x = call.value(0)
  if (isFlow(x)) {
    const mask = call.tensorOf({ type: 'bool', shape: [rows, columns], data: kept })
    return call.out(t.where(mask, x.tensor, 0))
  }
  const mask = t.tensor(Int32Array.from(kept), { shape: [rows, columns], backend: t.js() })
  return call.moved([x, scalarOf(x.type, 0)], (p, zero) => t.where(mask, p, zero))
}

/** Along the time axis, the first elements of every example of the batch turned around. */
const reverseSequence: Compute = call => {
  const [time, batch] = [call.attribute('time_axis', 0), call.attribute('batch_axis', 1)]
  const dims = call.shape(0)
  const lengths = call.numbers(1)
  const strides = stridesOf(dims)
  const at = Int32Array.from({ length: elementsOf(dims) }, (_, i) => {
    const p = Math.floor(i / strides[time]!) % dims[time]!
    const length = lengths[Math.floor(i / strides[batch]!) % dims[batch]!]!
    return p < length ? i + (length - 1 - 2 * p) * strides[time]! : i
  })
  return picked(call, at, dims)
}

const compress: Compute = call => {
  const chosen = call.numbers(1).flatMap((c, i) => (c !== 0 ? [i] : []))
  const flat = call.node.attributes.axis === undefined
  const axis = flat ? 0 : call.axis(call.attribute('axis'), call.shape(0).length)
  return call.moved([call.value(0)], x => t.pick(flat ? t.reshape(x, [x.size]) : x, chosen, axis))
}

const depthOrder = (call: Call): t.DepthOrder => {
  const mode = call.text('mode', 'DCR')
  if (mode !== 'DCR' && mode !== 'CRD') throw new RangeError(`mode is DCR or CRD, got ${mode}`)
  return mode
}

/** The distinct elements, sorted or as they come, and their places. */
const unique: Compute = call => {
  const given = call.node.attributes.axis
  const dims = given === undefined ? [elementsOf(call.shape(0))] : call.shape(0)
  const axis = given === undefined ? 0 : call.axis(call.attribute('axis'), dims.length)
  const strides = stridesOf(dims)
  const n = dims[axis]!
  // Integers of 64 bits are compared as they are.
  const values: (number | bigint)[] = Array.from(call.host(0).data as ArrayLike<number>)
  const slices = Array.from({ length: n }, (_, p) => values.filter((_, i) => Math.floor(i / strides[axis]!) % n === p))
  const firsts: number[] = []
  const keys = slices.map(s => s.join())
  const order = (a: number, b: number) => {
    const i = slices[a]!.findIndex((v, j) => v !== slices[b]![j])
    return i < 0 ? 0 : slices[a]![i]! < slices[b]![i]! ? -1 : 1
  }
  keys.forEach((key, p) => {
    if (keys.indexOf(key) === p) firsts.push(p)
  })
  if (call.attribute('sorted', 1) !== 0) firsts.sort(order)
  const inverse = keys.map(key => firsts.findIndex(p => keys[p] === key))
  const list = (numbers: readonly number[]) => hostOf('i64', [numbers.length], numbers)
  return [
    call.moved([call.value(0)], x => t.pick(t.reshape(x, dims), firsts, axis)),
    list(firsts),
    list(inverse),
    list(firsts.map((_, i) => inverse.filter(j => j === i).length)),
  ]
}

export const structure: Rows = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: call => call.moved([call.value(0)], x => t.transpose(x, call.list('perm'))),
  Concat: concat,
  Split: split,
  Slice: {
    1: call => sliced(call, call.list('starts') ?? [], call.list('ends') ?? [], call.list('axes')),
    10: call => sliced(call, call.numbers(1), call.numbers(2), call.listOr('', 3), call.listOr('', 4)),
  },
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatterElements,
  Scatter: scatterElements,
  ScatterND: scatterND,
  Pad: {
    1: call => padded(call, call.list('pads') ?? call.list('paddings') ?? [], call.attribute('value', 0)),
    11: call => padded(call, call.numbers(1), call.has(2) ? call.number(2) : 0, call.listOr('', 3)),
  },
  Expand: expand,
  Tile: {
    1: call => call.moved([call.value(0)], x => t.repeat(x, call.number(1), call.number(2))),
    6: call => {
      const times = call.numbers(1)
      affordable([...call.shape(0), ...times])
      return call.moved([call.value(0)], x => t.tile(x, times))
    },
  },
  DepthToSpace: call =>
    call.moved([call.value(0)], x => t.depthToSpace(x, call.attribute('blocksize'), depthOrder(call))),
  SpaceToDepth: call => call.moved([call.value(0)], x => t.spaceToDepth(x, call.attribute('blocksize'))),
  Trilu: triangle,
  ReverseSequence: reverseSequence,
  Compress: compress,
  Unique: unique,
  OneHot: oneHot,
  EyeLike: eyeLike,
  Shape: shape,
  Size: call => scalarOf('i64', elementsOf(call.shape(0))),
  ConstantOfShape: constantOfShape,
  Range: range,
  Cast: call => cast(call, elementType(call.attribute('to'), 'Cast')),
  CastLike: call => cast(call, call.type(1)),
}
