import * as t from '@unravel/tensor'
import { type Call, shapeOf, type Value } from '../call.js'
import type { HostArray } from '../graph.js'
import { affordable, elementsOf, hostOf } from '../host.js'
import type { Compute, Rows } from './rows.js'

// Convolutions and pools over any number of axes. One and two axes have kernels; over more of them a convolution is a sum over
// the places of its first axis, and a pool is a pool over the last axes and then over the others.

/** Windows over the spatial axes of [b,c,...]: all lists have one entry an axis, `pads` one before and one after. */
interface Windows {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly pads: readonly (readonly [number, number])[]
}

const autoPads = { NOTSET: 'NOTSET', VALID: 'VALID', SAME_UPPER: 'SAME_UPPER', SAME_LOWER: 'SAME_LOWER' } as const

function checkedList(call: Call, name: string, length: number, missing: number): readonly number[] {
  const list = call.list(name) ?? new Array<number>(length).fill(missing)
  const least = name === 'pads' || name === 'output_padding' ? 0 : 1
  if (list.length !== length || list.some(n => !Number.isSafeInteger(n) || n < least)) {
    throw new RangeError(`${name} [${list}] are no ${length} integers of at least ${least}`)
  }
  return list
}

function windowsOf(call: Call, spatial: readonly number[], kernel: readonly number[]): Windows {
  const n = spatial.length
  if (n === 0 || kernel.length !== n) throw new RangeError(`a window of [${kernel}] over axes of [${spatial}]`)
  const strides = checkedList(call, 'strides', n, 1)
  const dilations = checkedList(call, 'dilations', n, 1)
  const auto = call.choice('auto_pad', 'NOTSET', autoPads)
  const given = checkedList(call, 'pads', 2 * n, 0)
  const pads = spatial.map((length, d): [number, number] => {
    if (auto === 'NOTSET') return [given[d]!, given[d + n]!]
    if (auto === 'VALID') return [0, 0]
    const span = dilations[d]! * (kernel[d]! - 1) + 1
    const total = Math.max(0, (Math.ceil(length / strides[d]!) - 1) * strides[d]! + span - length)
    const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)]
    return auto === 'SAME_UPPER' ? [less, more] : [more, less]
  })
  affordable([...call.shape(0).slice(0, 2), ...spatial.map((length, d) => length + pads[d]![0] + pads[d]![1])])
  return { kernel, strides, dilations, pads }
}

const twoOf = <T>(list: readonly T[]): readonly [T, T] => [list[0]!, list[1]!]

/** The windows without their first axis. */
const later = (w: Windows): Windows => ({
  kernel: w.kernel.slice(1),
  strides: w.strides.slice(1),
  dilations: w.dilations.slice(1),
  pads: w.pads.slice(1),
})

/** x [b,c,...] convolved with w [o,c/groups,...] along all axes after the first two. */
function convolved(x: t.Tensor, w: t.Tensor, bias: t.Tensor | undefined, at: Windows, groups: number): t.Tensor {
  const { strides, dilations, pads } = at
  if (strides.length === 1) {
    const [stride, dilation, padding] = [strides[0]!, dilations[0]!, pads[0]!]
    return t.conv1d(x, w, bias, { stride, dilation, padding, groups })
  }
  if (strides.length === 2) {
    const options = { stride: twoOf(strides), dilation: twoOf(dilations), padding: twoOf(pads), groups }
    return t.conv2d(x, w, bias, options)
  }
  const first = t.pad(x, x.shape.map((_, d): readonly [number, number] => (d === 2 ? pads[0]! : [0, 0]))) // biome-ignore format: short
  const [stride, dilation, kernel] = [strides[0]!, dilations[0]!, w.shape[2]!]
  const out = Math.floor((first.shape[2]! - dilation * (kernel - 1) - 1) / stride) + 1
  if (out < 1) throw new RangeError(`the kernel [${w.shape.slice(2)}] is larger than the padded input`)
  const batch = x.shape[0]!
  let sum: t.Tensor | undefined
  for (let k = 0; k < kernel; k++) {
    const planes = t.pick(first, Array.from({ length: out }, (_, i) => i * stride + k * dilation), 2) // biome-ignore format: short
    // Planes are examples: [b·out, c, ...]
    const examples = t.reshape(t.moveAxis(planes, 2, 1), [batch * out, x.shape[1]!, ...x.shape.slice(3)])
    const part = convolved(examples, t.squeeze(t.narrow(w, 2, k, 1), 2), sum ? undefined : bias, later(at), groups)
    sum = sum === undefined ? part : t.add(sum, part)
  }
  const y = t.reshape(sum!, [batch, out, ...sum!.shape.slice(1)])
  return t.moveAxis(y, 1, 2)
}

const conv: Compute = call => {
  const [x, w] = [call.tensor(0), call.tensor(1)]
  const at = windowsOf(call, x.shape.slice(2), w.shape.slice(2))
  return call.out(convolved(x, w, call.optional(2), at, call.attribute('group', 1)))
}

/** The adjoint of `convolved`: w is [c, o/groups, ...]; `more` elements come after the last one of every axis, and the pads
 *  are cut off. */
function transposed(
  x: t.Tensor,
  w: t.Tensor,
  bias: t.Tensor | undefined,
  at: Windows,
  groups: number,
  more: readonly number[],
): t.Tensor {
  const { strides, dilations, pads } = at
  if (strides.length === 1) {
    const wide = { ...at, ...{ kernel: [1, ...at.kernel], strides: [1, ...strides], dilations: [1, ...dilations] } }
    const y = transposed(
      ...([t.expandDims(x, 2), t.expandDims(w, 2), bias] as const),
      ...([{ ...wide, pads: [[0, 0], ...pads] }, groups, [0, ...more]] as const), // biome-ignore format: one axis more
    )
    return t.squeeze(y, 2)
  }
  if (strides.length === 2) {
    const [stride, dilation] = [twoOf(strides), twoOf(dilations)]
    // Elements more than a stride leaves open are zeros that no window reaches.
    const inside = twoOf(more.map((n, d) => Math.min(n, Math.max(strides[d]!, dilations[d]!) - 1)))
    const rest = more.map((n, d) => n - inside[d]!)
    // Negative pads, of an output that is larger than what windows reach, add zeros.
    const cut = pads.map(p => p.map(n => Math.max(0, n)) as unknown as readonly [number, number])
    const grow = pads.map(([b, a], d): [number, number] => [Math.max(0, -b), Math.max(0, -a) + rest[d]!])
    const options = { stride, dilation, padding: twoOf(cut), outputPadding: inside, groups }
    if (grow.every(([b, a]) => b + a === 0)) return t.convTranspose2d(x, w, bias, options)
    const y = t.pad(t.convTranspose2d(x, w, undefined, options), [[0, 0], [0, 0], ...grow]) // biome-ignore format: axes
    return bias === undefined ? y : t.add(y, t.reshape(bias, [bias.size, 1, 1]))
  }
  // Along the first axis: every plane of x makes one of y at every place of the kernel.
  const [batch, channels, planes] = x.shape as [number, number, number]
  const [stride, dilation, kernel] = [strides[0]!, dilations[0]!, w.shape[2]!]
  const examples = t.reshape(t.moveAxis(x, 2, 1), [batch * planes, channels, ...x.shape.slice(3)])
  const whole = (planes - 1) * stride + dilation * (kernel - 1) + 1 + more[0]!
  let sum: t.Tensor | undefined
  for (let k = 0; k < kernel; k++) {
    const weight = t.squeeze(t.narrow(w, 2, k, 1), 2)
    const made = transposed(examples, weight, undefined, later(at), groups, more.slice(1))
    const axis = t.moveAxis(t.reshape(made, [batch, planes, ...made.shape.slice(1)]), 1, 2)
    const spaced = spread(axis, stride)
    const before = k * dilation
    const placed = t.pad(
      spaced,
      spaced.shape.map((n, d): [number, number] => (d === 2 ? [before, whole - before - n] : [0, 0])),
    )
    sum = sum === undefined ? placed : t.add(sum, placed)
  }
  const [begin, end] = pads[0]!
  const y = t.narrow(sum!, 2, begin, whole - begin - end)
  return bias === undefined ? y : t.add(y, t.reshape(bias, [bias.size, ...strides.map(() => 1)]))
}

/** x with stride − 1 zeros between its elements along axis 2. */
function spread(x: t.Tensor, stride: number): t.Tensor {
  if (stride === 1) return x
  const n = x.shape[2]!
  const apart = t.pad(
    t.expandDims(x, 3),
    [...x.shape, 1].map((_, d): [number, number] => [0, d === 3 ? stride - 1 : 0]),
  )
  const shape = x.shape.map((length, d) => (d === 2 ? n * stride : length))
  return t.narrow(t.reshape(t.moveAxis(apart, 3, 3), shape), 2, 0, (n - 1) * stride + 1)
}

const convTranspose: Compute = call => {
  const [x, w] = [call.tensor(0), call.tensor(1)]
  const spatial = x.shape.slice(2)
  const kernel = w.shape.slice(2)
  const n = spatial.length
  const [strides, dilations] = [checkedList(call, 'strides', n, 1), checkedList(call, 'dilations', n, 1)]
  const more = checkedList(call, 'output_padding', n, 0)
  const auto = call.choice('auto_pad', 'NOTSET', autoPads)
  const given = checkedList(call, 'pads', 2 * n, 0)
  const shape = call.list('output_shape')
  const wanted = shape?.slice(-n) ?? (auto.startsWith('SAME') ? spatial.map((l, d) => l * strides[d]!) : undefined)
  const pads = spatial.map((length, d): [number, number] => {
    if (wanted === undefined) return auto === 'VALID' ? [0, 0] : [given[d]!, given[d + n]!]
    const total = (length - 1) * strides[d]! + more[d]! + dilations[d]! * (kernel[d]! - 1) + 1 - wanted[d]!
    if (total < 0) return [0, total]
    const [less, rest] = [Math.floor(total / 2), Math.ceil(total / 2)]
    return auto === 'SAME_UPPER' ? [less, rest] : [rest, less]
  })
  const at: Windows = { kernel, strides, dilations, pads }
  const whole = spatial.map((n, d) => (n - 1) * strides[d]! + dilations[d]! * (kernel[d]! - 1) + 1 + more[d]!)
  affordable([x.shape[0]!, w.shape[1]!, ...whole.map((n, d) => n + Math.max(0, -pads[d]![1]))])
  return call.out(transposed(x, w, call.optional(2), at, call.attribute('group', 1), more))
}

type Pool = (x: t.Tensor, at: Windows, ceilMode: boolean) => t.Tensor

/** A pool over two axes at a time, from the last ones. */
function pooled(x: t.Tensor, at: Windows, pool: (x: t.Tensor, two: Windows) => t.Tensor): t.Tensor {
  const n = at.kernel.length
  const none = { kernel: [1], strides: [1], dilations: [1], pads: [[0, 0]] as const }
  if (n === 1) {
    const y = pool(t.expandDims(x, 2), joined(none, at))
    return t.squeeze(y, 2)
  }
  if (n === 2) return pool(x, at)
  // The last two, with all others as channels; then those, with the last two as one.
  const two = (from: number) => ({
    kernel: at.kernel.slice(from),
    strides: at.strides.slice(from),
    dilations: at.dilations.slice(from),
    pads: at.pads.slice(from),
  })
  const [h, w] = x.shape.slice(-2) as [number, number]
  const lead = x.shape.slice(0, -2)
  const y = pool(t.reshape(x, [lead[0]!, elementsOf(lead.slice(1)), h, w]), two(n - 2))
  const rest = { ...two(0), ...cut(at, n - 2) }
  const [u, v] = y.shape.slice(-2) as [number, number]
  // [b, c, others..., u·v]: pooled over the others one after the other.
  let z = t.reshape(y, [...lead, u * v])
  rest.kernel.forEach((_, d) => {
    const axis = 2 + d
    const before = elementsOf(z.shape.slice(1, axis))
    const after = elementsOf(z.shape.slice(axis + 1))
    const single = {
      kernel: [at.kernel[d]!, 1],
      strides: [at.strides[d]!, 1],
      dilations: [at.dilations[d]!, 1],
      pads: [at.pads[d]!, [0, 0] as const],
    }
    const part = pool(t.reshape(z, [z.shape[0]!, before, z.shape[axis]!, after]), single)
    z = t.reshape(part, [...z.shape.slice(0, axis), part.shape[2]!, ...z.shape.slice(axis + 1)])
  })
  return t.reshape(z, [...z.shape.slice(0, -1), u, v])
}

const cut = (w: Windows, n: number): Windows => ({
  kernel: w.kernel.slice(0, n),
  strides: w.strides.slice(0, n),
  dilations: w.dilations.slice(0, n),
  pads: w.pads.slice(0, n),
})

const joined = (a: Windows, b: Windows): Windows => ({
  kernel: [...a.kernel, ...b.kernel],
  strides: [...a.strides, ...b.strides],
  dilations: [...a.dilations, ...b.dilations],
  pads: [...a.pads, ...b.pads],
})

/** Pads that are more than half of a window, which pools of tensors refuse, as elements of x. */
function withPads(x: t.Tensor, at: Windows, value: number): [x: t.Tensor, at: Windows] {
  const wide = at.pads.some(([b, a], d) => 2 * Math.max(b, a) > at.dilations[d]! * (at.kernel[d]! - 1) + 1)
  if (!wide) return [x, at]
  return [t.pad(x, [[0, 0], [0, 0], ...at.pads], value), { ...at, pads: at.pads.map(() => [0, 0] as const) }] // biome-ignore format: axes
}

const optionsOf = (at: Windows, ceilMode: boolean) => ({
  stride: twoOf(at.strides),
  dilation: twoOf(at.dilations),
  padding: twoOf(at.pads),
  ceilMode,
})

const pool =
  (f: (call: Call) => Pool): Compute =>
  call => {
    const kernel = call.list('kernel_shape') ?? []
    const at = windowsOf(call, call.shape(0).slice(2), kernel)
    const ceil = call.attribute('ceil_mode', 0) !== 0
    return call.computed([call.value(0)], x => f(call)(x, at, ceil))
  }

const largest: Compute = pool(
  () => (x, at, ceil) =>
    pooled(x, at, (y, two) => {
      const [whole, inside] = withPads(y, two, -Infinity)
      return t.maxPool2d(whole, twoOf(two.kernel), optionsOf(inside, ceil))
    }),
)

/** The largest elements, and, where the second output is read, their places among all elements. */
const maxPool: Compute = call => {
  const y = largest(call) as Value
  if (!call.node.outputs[1]) return y
  const shape = call.shape(0)
  const at = windowsOf(call, shape.slice(2), call.list('kernel_shape') ?? [])
  return [y, placesOf(call.numbers(0), shape, shapeOf(y), at, call.attribute('storage_order', 0) !== 0)]
}

/** For every window the place of its first largest element, counted in row-major order or, of every plane, in column-major. */
function placesOf(
  x: readonly number[],
  shape: readonly number[],
  out: readonly number[],
  at: Windows,
  columns: boolean,
): HostArray {
  const spatial = shape.slice(2)
  const plane = elementsOf(spatial)
  const windows = elementsOf(out.slice(2))
  const cells = elementsOf(at.kernel)
  const split = (i: number, by: readonly number[]) => by.map((n, d) => Math.floor(i / elementsOf(by.slice(d + 1))) % n)
  const joinedBy = (index: readonly number[], by: readonly number[]) => index.reduce((p, i, d) => p * by[d]! + i, 0)
  const places = Array.from({ length: elementsOf(out) }, (_, o) => {
    const base = Math.floor(o / windows) * plane
    const window = split(o % windows, out.slice(2))
    let best: number[] | undefined
    for (let c = 0; c < cells; c++) {
      const cell = split(c, at.kernel)
      const p = window.map((w, d) => w * at.strides[d]! + cell[d]! * at.dilations[d]! - at.pads[d]![0])
      if (p.some((i, d) => i < 0 || i >= spatial[d]!)) continue
      if (best === undefined || x[base + joinedBy(p, spatial)]! > x[base + joinedBy(best, spatial)]!) best = p
    }
    const index = best ?? spatial.map(() => 0)
    return base + (columns ? joinedBy(index.toReversed(), spatial.toReversed()) : joinedBy(index, spatial))
  })
  return hostOf('i64', out, places)
}

/** Zeros with elements at the places that MaxPool found. */
const maxUnpool: Compute = call => {
  const shape = call.shape(0)
  const spatial = shape.slice(2)
  const kernel = call.list('kernel_shape') ?? []
  const strides = checkedList(call, 'strides', spatial.length, 1)
  const pads = checkedList(call, 'pads', 2 * spatial.length, 0)
  const natural = spatial.map((n, d) => (n - 1) * strides[d]! + kernel[d]! - pads[d]! - pads[d + spatial.length]!)
  const out = call.has(2) ? call.numbers(2) : [...shape.slice(0, 2), ...natural]
  // Places are those of the natural output: a larger one has other rows.
  const from = [...shape.slice(0, 2), ...natural]
  const at = Int32Array.from(call.numbers(1), p => {
    let [rest, place] = [p, 0]
    from.forEach((_, d) => {
      const step = elementsOf(from.slice(d + 1))
      place = place * out[d]! + Math.floor(rest / step)
      rest %= step
    })
    return place
  })
  return call.computed([call.value(0)], x => {
    const index = t.tensor(at, { backend: x.backend })
    return t.reshape(t.scatterAdd(t.reshape(x, [x.size]), index, elementsOf(out)), out)
  })
}

const averagePool: Compute = pool(call => {
  const countIncludePad = call.attribute('count_include_pad', 0) !== 0
  return (x, at, ceil) =>
    pooled(x, at, (y, two) => {
      const [whole, inside] = withPads(y, two, 0)
      const mean = (z: t.Tensor) => t.avgPool2d(z, twoOf(two.kernel), { ...optionsOf(inside, ceil), countIncludePad })
      // Wide pads are elements by now: means of what is inside are means of all over the share that is.
      if (whole === y || countIncludePad) return mean(whole)
      return t.div(mean(whole), mean(withPads(t.onesLike(y), two, 0)[0]))
    })
})

/** (Σ |x|^p)^(1/p) of every window, scaled by its largest element: the elements at every place of the kernel beside each other. */
const lpPool: Compute = pool(call => {
  const p = call.attribute('p', 2)
  return (x, { kernel, strides, dilations, pads }, ceil) => {
    if (kernel.some(k => !Number.isSafeInteger(k) || k < 1)) throw new RangeError(`kernel_shape is [${kernel}]`)
    const spans = kernel.map((k, d) => dilations[d]! * (k - 1) + 1)
    const lengths = spans.map((span, d) => {
      const [before, after] = pads[d]!
      const n = x.shape[d + 2]!
      const steps = (n + before + after - span) / strides[d]!
      if (steps < 0) throw new RangeError(`a window of [${kernel}] is larger than [${x.shape}] with its pads`)
      // The last window of ceil_mode begins in the input or the pads before it.
      const most = Math.ceil((n + before) / strides[d]!)
      return ceil ? Math.min(Math.ceil(steps) + 1, most) : Math.floor(steps) + 1
    })
    affordable([...kernel, ...x.shape.slice(0, 2), ...lengths])
    const widths = spans.map((span, d): [number, number] => {
      const end = (lengths[d]! - 1) * strides[d]! + span
      return [pads[d]![0], Math.max(pads[d]![1], end - x.shape[d + 2]! - pads[d]![0])]
    })
    let parts = [t.pad(x, [[0, 0], [0, 0], ...widths])] // biome-ignore format: axes
    kernel.forEach((count, d) => {
      const places = (k: number) => Array.from({ length: lengths[d]! }, (_, i) => i * strides[d]! + k * dilations[d]!)
      parts = parts.flatMap(part => Array.from({ length: count }, (_, k) => t.pick(part, places(k), d + 2)))
    })
    return t.norm(t.stack(parts, 0), 0, false, p)
  }
})

const global =
  (f: (x: t.Tensor, axes: readonly number[]) => t.Tensor): Compute =>
  call => {
    const x = call.tensor(0)
    return call.out(f(x, x.shape.map((_, d) => d).slice(2))) // biome-ignore format: short
  }

export const windows: Rows = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  MaxUnpool: maxUnpool,
  AveragePool: averagePool,
  LpPool: lpPool,
  GlobalAveragePool: global((x, axes) => t.mean(x, axes, true)),
  GlobalMaxPool: global((x, axes) => t.max(x, axes, true)),
  GlobalLpPool: call => {
    const p = call.attribute('p', 2)
    return global((x, axes) => t.norm(x, axes, true, p))(call)
  },
  ConvInteger: call => {
    const less = (v: number, zero: number) =>
      call.computed(
        call.has(zero) ? [call.value(v), call.value(zero)] : [call.value(v)],
        (x, z) => (z ? t.sub(x, z) : x),
        'i32',
      )
    const at = windowsOf(call, call.shape(0).slice(2), call.shape(1).slice(2))
    return call.computed(
      [less(0, 2), less(1, 3)],
      (x, w) => convolved(x, w, undefined, at, call.attribute('group', 1)),
      'i32',
    )
  },
}

export { convolved, windowsOf }
