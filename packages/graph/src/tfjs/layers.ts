import { shown } from '@unravel/tensor/internals'
import type { Attribute } from '../graph.js'
import type { Attributes, Builder } from './builder.js'
import { fail, field, integer, isRecord, type Json, list, number, text } from './json.js'
import * as windows from './windows.js'

// Layers of Keras, as tfjs runs them (tfjs-layers/src/layers), in ONNX's vocabulary.

/** A value and, where it is known, the number of its axes, the batch among them. */
export interface Flowing {
  readonly value: string
  readonly rank?: number
}

/** Why a layer is not translated, though its class has a row. */
export class LayerRefusal extends Error {}
const refuse = (why: string): never => {
  throw new LayerRefusal(why)
}

/** One application of a layer: its fields and inputs, for the function that translates it, and the operators that this writes. */
export class LayerCall {
  constructor(
    /** @internal */
    readonly b: Builder,
    readonly name: string,
    /** The layer's class. */
    readonly kind: string,
    /** The layer's configuration, as the file has it. */
    readonly config: Json,
    /** The values that the layer is applied to. */
    readonly inputs: readonly string[],
    readonly weight: (name: string, place: number) => string,
  ) {}

  get #what(): string {
    return `${this.kind} ${shown(this.name)}`
  }

  /** The value that the layer is applied to, or one of several. */
  input(i = 0): string {
    return this.inputs[i] ?? fail(`${this.#what} is applied to ${this.inputs.length} values; expected one more`)
  }

  /** How many axes a value has. Throws FormatError where that is not known. */
  rank(value = this.input()): number {
    return this.b.rank(value) ?? fail(`the number of axes of what ${this.#what} is applied to is not known`)
  }

  /** The value that an operator of ONNX's vocabulary (opset 21) makes of others. */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.b.node(op, inputs, attributes)
  }

  /** A real number as a value. */
  real(value: number): string {
    return this.b.real(value)
  }

  /** A list of integers as a value: axes, shapes, pads. */
  integers(values: readonly number[]): string {
    return this.b.integers(values)
  }

  /** A field of the configuration, the first of the names that is there and is not null. */
  field(...names: readonly string[]): unknown {
    return names.map(name => field(this.config, name)).find(value => value !== undefined && value !== null)
  }

  number(name: string, missing: number): number {
    const value = this.field(name)
    return value === undefined ? missing : number(value, `"${name}" of ${this.#what}`)
  }

  bool(name: string, missing: boolean): boolean {
    const value = this.field(name)
    return value === undefined ? missing : value === true
  }

  text(name: string, missing: string): string {
    const value = this.field(name)
    return value === undefined ? missing : text(value, `"${name}" of ${this.#what}`)
  }

  /** Integers, one for each of `count` axes: a list, or one number for all. */
  list(name: string, count: number, missing: readonly number[]): readonly number[] {
    const value = this.field(name)
    if (value === undefined) return missing
    if (typeof value === 'number') return new Array<number>(count).fill(integer(value, `"${name}" of ${this.#what}`))
    const values = list(value, `"${name}" of ${this.#what}`).map(v =>
      integer(v, `an entry of "${name}" of ${this.#what}`),
    )
    return values.length === count
      ? values
      : fail(`"${name}" of ${this.#what} is [${values}]; expected ${count} integers`)
  }

  get channelsLast(): boolean {
    return this.text('data_format', 'channels_last') !== 'channels_first'
  }

  windows(n: number, strides: readonly number[] = new Array<number>(n).fill(1), size?: string): windows.Windows {
    const padding = this.text('padding', 'valid')
    if (padding !== 'same' && padding !== 'valid' && padding !== 'causal') refuse(`its padding is ${shown(padding)}`)
    const dilations = this.list('dilation_rate', n, new Array<number>(n).fill(1))
    const at = { strides: this.list('strides', n, strides), dilations, channelsLast: this.channelsLast }
    if (padding !== 'causal') return { ...at, padding: padding as 'same' | 'valid' }
    const [kernel] = this.list(size ?? 'kernel_size', n, [1])
    if (n !== 1) refuse('its padding is "causal"')
    return { ...at, padding: [[dilations[0]! * (kernel! - 1), 0]] }
  }

  /** Weights by name, in the order in which the layer has them. */
  weights<T extends string>(names: readonly (T | false)[]): Record<T, string> {
    const present = names.filter(name => name !== false)
    return Object.fromEntries(present.map((name, i) => [name, this.weight(name, i)])) as Record<T, string>
  }

  /** The activation of the layer, applied to a value. */
  activated(x: string): string {
    return activation(this, this.field('activation'), x)
  }
}

/** A function that writes what a layer of a class of one's own computes, and says which value that is. */
export type CustomLayer = (layer: LayerCall) => string

type Row = (layer: LayerCall) => string

const clip = (l: LayerCall, x: string, low: number, high: number) => l.node('Clip', [x, l.real(low), l.real(high)])
const one =
  (op: string, attributes: Attributes = {}) =>
  (l: LayerCall, x: string): string =>
    l.node(op, [x], attributes)

const activations: Readonly<Record<string, (l: LayerCall, x: string) => string>> = {
  linear: (_, x) => x,
  relu: one('Relu'),
  relu6: (l, x) => clip(l, x, 0, 6),
  elu: one('Elu'),
  selu: one('Selu'),
  sigmoid: one('Sigmoid'),
  hard_sigmoid: one('HardSigmoid', { alpha: 0.2, beta: 0.5 }),
  tanh: one('Tanh'),
  softplus: one('Softplus'),
  softsign: one('Softsign'),
  softmax: one('Softmax', { axis: -1 }),
  log_softmax: one('LogSoftmax', { axis: -1 }),
  swish: one('Swish'),
  silu: one('Swish'),
  hard_silu: one('HardSwish'),
  hard_swish: one('HardSwish'),
  mish: one('Mish'),
  gelu: one('Gelu'),
  gelu_new: one('Gelu', { approximate: 'tanh' }),
  exponential: one('Exp'),
  leaky_relu: one('LeakyRelu', { alpha: 0.2 }),
}

/** An activation by its name, by an object around it, or by a layer without weights. */
function activation(l: LayerCall, given: unknown, x: string): string {
  if (given === undefined || given === null) return x
  if (typeof given === 'string') {
    const name = given.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase()
    return Object.hasOwn(activations, name) ? activations[name]!(l, x) : refuse(`its activation is ${shown(given)}`)
  }
  const kind = isRecord(given) ? field(given, 'class_name') : undefined
  const config = isRecord(given) ? field(given, 'config') : undefined
  if (typeof config === 'string') return activation(l, config, x)
  if (typeof kind !== 'string') return refuse(`its activation is ${shown(given)}`)
  const name = kind.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase()
  // ReLU and the like are layers, whose configuration counts.
  const row = Object.hasOwn(layers, kind) && stateless.has(kind) ? layers[kind]! : undefined
  if (row !== undefined) return row(new LayerCall(l.b, l.name, kind, isRecord(config) ? config : {}, [x], l.weight))
  return Object.hasOwn(activations, name) ? activations[name]!(l, x) : refuse(`its activation is ${shown(kind)}`)
}

const convolution =
  (n: number): Row =>
  l => {
    const bias = l.bool('use_bias', true)
    const { kernel, bias: added } = l.weights(['kernel', bias && 'bias'])
    return l.activated(windows.conv(l.b, l.input(), kernel, added, l.windows(n), l.number('groups', 1)))
  }

const transposedConvolution =
  (n: number): Row =>
  l => {
    const { kernel, bias } = l.weights(['kernel', l.bool('use_bias', true) && 'bias'])
    const at = l.windows(n)
    const size = l.b.constants.get(kernel)?.shape.slice(0, n) ?? []
    // Without padding the result has at least as many elements as strides of the input.
    const open = size.map((k, d) => Math.max(0, at.strides[d]! - (at.dilations?.[d] ?? 1) * (k - 1) - 1))
    const outputPadding = l.list('output_padding', n, at.padding === 'valid' ? open : new Array<number>(n).fill(0))
    return l.activated(windows.convTranspose(l.b, l.input(), kernel, bias, { ...at, outputPadding }))
  }

/** The channels of the filters of a depthwise convolution. */
function channelsOf(l: LayerCall, filter: string): number {
  return l.b.constants.get(filter)?.shape.at(-2) ?? fail(`the filter of "${l.name}" has no channels`)
}

const depthwiseConvolution =
  (n: number): Row =>
  l => {
    // Keras 3 calls the filter "kernel", as other layers do.
    const { depthwise_kernel: kernel, bias } = l.weights(['depthwise_kernel', l.bool('use_bias', true) && 'bias'])
    return l.activated(windows.depthwise(l.b, l.input(), kernel, bias, l.windows(n), channelsOf(l, kernel)))
  }

const separableConvolution =
  (n: number): Row =>
  l => {
    const names = ['depthwise_kernel', 'pointwise_kernel', l.bool('use_bias', true) && 'bias'] as const
    const { depthwise_kernel: apart, pointwise_kernel: across, bias } = l.weights(names)
    const at = l.windows(n)
    const ones = new Array<number>(n).fill(1)
    const y = windows.depthwise(l.b, l.input(), apart, undefined, at, channelsOf(l, apart))
    return l.activated(
      windows.conv(l.b, y, across, bias, { strides: ones, padding: 'valid', channelsLast: at.channelsLast }),
    )
  }

const pooling =
  (op: 'MaxPool' | 'AveragePool', n: number): Row =>
  l => {
    const size = l.list('pool_size', n, new Array<number>(n).fill(2))
    return windows.pool(l.b, op, l.input(), size, l.windows(n, size))
  }

/** Means or maxima over all axes but the batch and the channels. */
const globalPooling =
  (op: 'ReduceMean' | 'ReduceMax', n: number): Row =>
  l => {
    const first = l.channelsLast ? 1 : 2
    const axes = Array.from({ length: n }, (_, i) => i + first)
    return l.node(op, [l.input(), l.integers(axes)], { keepdims: l.bool('keepdims', false) ? 1 : 0 })
  }

const merging =
  (op: string): Row =>
  l => {
    if (l.inputs.length < 2) fail(`${l.kind} "${l.name}" is applied to ${l.inputs.length} values; expected at least 2`)
    return l.inputs.slice(1).reduce((a, b) => l.node(op, joined(l, a, b)), l.inputs[0]!)
  }

/** Two values of a sum or product; of different ranks the one with fewer axes gets them behind the batch. */
function joined(l: LayerCall, a: string, b: string): [string, string] {
  const [p, q] = [l.b.rank(a), l.b.rank(b)]
  if (p === undefined || q === undefined || p === q) return [a, b]
  const grown = (x: string, by: number) => l.node('Unsqueeze', [x, l.integers(Array.from({ length: by }, (_, i) => i + 1))]) // biome-ignore format: short
  return p < q ? [grown(a, q - p), b] : [a, grown(b, p - q)]
}

/** The place of an axis that a layer names, which may count from the last. */
function axisOf(l: LayerCall, name: string, missing: number): number {
  const value = l.field(name)
  const given = Array.isArray(value) && value.length === 1 ? value[0] : value
  const axis = given === undefined ? missing : integer(given, `"${name}" of ${l.kind} "${l.name}"`)
  const rank = l.rank()
  const at = axis < 0 ? axis + rank : axis
  return at >= 0 && at < rank ? at : fail(`"${name}" of ${l.kind} "${l.name}" is ${axis}; its input has ${rank} axes`)
}

/** Numbers for every channel, of which some layers leave out. */
const filled = (l: LayerCall, value: number, like: string): string => {
  const length = l.b.constants.get(like)?.shape[0] ?? 1
  const data = new Float32Array(length).fill(value)
  return l.b.constant({ type: 'f32', shape: [length], read: () => ({ type: 'f32', shape: [length], data }) })
}

const batchNormalization: Row = l => {
  const [scale, center] = [l.bool('scale', true), l.bool('center', true)]
  const w = l.weights([scale && 'gamma', center && 'beta', 'moving_mean', 'moving_variance'])
  const rank = l.rank()
  const axis = axisOf(l, 'axis', -1)
  if (axis !== rank - 1 && axis !== 1) refuse(`its axis is ${axis} of ${rank}`)
  const inputs = [
    scale ? w.gamma : filled(l, 1, w.moving_mean),
    center ? w.beta : filled(l, 0, w.moving_mean),
    w.moving_mean,
    w.moving_variance,
  ] as const
  return windows.batchNorm(l.b, l.input(), inputs, l.number('epsilon', 1e-3), rank, axis === rank - 1)
}

const layerNormalization: Row = l => {
  const rank = l.rank()
  const given = l.field('axis')
  const axes = (Array.isArray(given) ? given : [given ?? -1]).map(a => integer(a, `"axis" of "${l.name}"`))
  const places = axes.map(a => (a < 0 ? a + rank : a)).sort((a, b) => a - b)
  if (places.some((a, i) => a !== rank - places.length + i)) refuse(`its axes are [${axes}] of ${rank}`)
  const [scale, center] = [l.bool('scale', true), l.bool('center', true)]
  const { gamma, beta } = l.weights([scale && 'gamma', center && 'beta'])
  const attributes = { axis: -places.length, epsilon: l.number('epsilon', 1e-3) }
  if (!scale) {
    // ONNX's norm has a scale: 1 of the shape of the offset, or one number.
    const shape = center ? (l.b.constants.get(beta)?.shape ?? []) : []
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1)
    const ones = l.b.constant({ type: 'f32', shape, read: () => ({ type: 'f32', shape, data }) })
    return l.node('LayerNormalization', [l.input(), ones, ...(center ? [beta] : [])], attributes)
  }
  return l.node('LayerNormalization', [l.input(), gamma, ...(center ? [beta] : [])], attributes)
}

const dense: Row = l => {
  const { kernel, bias } = l.weights(['kernel', l.bool('use_bias', true) && 'bias'])
  const y = l.node('MatMul', [l.input(), kernel])
  return l.activated(bias === undefined ? y : l.node('Add', [y, bias]))
}

/** relu in all that the layer can be: threshold, slope below it, largest value. */
const relu: Row = l => {
  const most = l.field('max_value')
  const [slope, threshold] = [l.number('negative_slope', 0), l.number('threshold', 0)]
  if (threshold !== 0) {
    // x where x ≥ threshold, else slope·(x − threshold)
    const above = l.node('GreaterOrEqual', [l.input(), l.real(threshold)])
    const below = l.node('Mul', [l.node('Sub', [l.input(), l.real(threshold)]), l.real(slope)])
    const y = l.node('Where', [above, l.input(), below])
    return most === undefined ? y : l.node('Min', [y, l.real(number(most, `"max_value" of "${l.name}"`))])
  }
  const y = slope === 0 ? l.node('Relu', [l.input()]) : l.node('LeakyRelu', [l.input()], { alpha: slope })
  if (most === undefined) return y
  const high = number(most, `"max_value" of "${l.name}"`)
  return slope === 0 ? clip(l, l.input(), 0, high) : l.node('Min', [y, l.real(high)])
}

/** Pads or cuts, one pair for every axis: a number, a number an axis, or a pair an axis. */
function pairs(l: LayerCall, name: string, n: number, missing: number): [number, number][] {
  const value = l.field(name)
  const what = `"${name}" of ${l.kind} "${l.name}"`
  const whole = (v: unknown) => integer(v, what, 0)
  if (value === undefined) return Array.from({ length: n }, () => [missing, missing])
  if (typeof value === 'number') return Array.from({ length: n }, () => [whole(value), whole(value)])
  const entries = list(value, what)
  // Of one axis, a pair is that of the axis.
  if (n === 1 && entries.length === 2) return [[whole(entries[0]), whole(entries[1])]]
  if (entries.length !== n) fail(`${what} is ${shown(value)}; expected ${n} entries`)
  return entries.map(entry => {
    if (typeof entry === 'number') return [whole(entry), whole(entry)]
    const pair = list(entry, what)
    return pair.length === 2 ? [whole(pair[0]), whole(pair[1])] : fail(`${what} is ${shown(value)}; expected pairs`)
  })
}

const zeroPadding =
  (n: number): Row =>
  l => {
    const at = pairs(l, 'padding', n, 1)
    const all = l.channelsLast ? [[0, 0], ...at, [0, 0]] : [[0, 0], [0, 0], ...at]
    return l.node('Pad', [l.input(), l.integers([...all.map(p => p[0]!), ...all.map(p => p[1]!)])])
  }

const cropping =
  (n: number): Row =>
  l => {
    const at = pairs(l, 'cropping', n, n === 1 ? 1 : 0)
    const first = l.channelsLast ? 1 : 2
    const axes = at.map((_, i) => i + first)
    const lists = [at.map(p => p[0]), at.map(p => (p[1] === 0 ? 2 ** 31 - 1 : -p[1])), axes]
    return l.node('Slice', [l.input(), ...lists.map(values => l.integers(values))])
  }

const upSampling =
  (n: number): Row =>
  l => {
    const size = l.list('size', n, new Array<number>(n).fill(2))
    const method = l.text('interpolation', 'nearest')
    if (method !== 'nearest' && method !== 'bilinear') refuse(`its interpolation is ${shown(method)}`)
    const first = l.channelsLast ? 1 : 2
    const scales = l.b.constant({
      type: 'f32',
      shape: [n],
      read: () => ({ type: 'f32', shape: [n], data: Float32Array.from(size) }),
    })
    // tfjs resizes without half pixels.
    const how = { method: method as 'nearest', alignCorners: false, halfPixelCenters: false }
    const attributes = { ...windows.resizeAttributes(how), axes: size.map((_, i) => i + first) }
    return l.node('Resize', [l.input(), '', scales], attributes)
  }

const resizing: Row = l => {
  const method = l.text('interpolation', 'bilinear')
  if (method !== 'nearest' && method !== 'bilinear') refuse(`its interpolation is ${shown(method)}`)
  if (l.bool('crop_to_aspect_ratio', false)) refuse('it crops to the aspect ratio')
  const size = l.integers([integer(l.field('height'), '"height"', 1), integer(l.field('width'), '"width"', 1)])
  // tfjs keeps the corners where they are.
  const how = { method: method as 'nearest', alignCorners: true, halfPixelCenters: false }
  return l.node('Resize', [l.input(), '', '', size], {
    ...windows.resizeAttributes(how),
    axes: [l.rank() - 3, l.rank() - 2],
  })
}

/** Reshape's target keeps the batch. */
const reshape: Row = l => {
  const target = list(l.field('target_shape'), `"target_shape" of "${l.name}"`)
  return l.node('Reshape', [l.input(), l.integers([0, ...target.map(n => (n === null ? -1 : integer(n, `"target_shape" of "${l.name}"`, -1)))])]) // biome-ignore format: short
}

const flatten: Row = l => {
  const rank = l.rank()
  // Channels come last in what is flattened.
  const x = l.channelsLast || rank < 3 ? l.input() : l.b.transpose(l.input(), [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]) // biome-ignore format: short
  return rank === 1 ? l.node('Unsqueeze', [x, l.integers([1])]) : l.node('Reshape', [x, l.integers([0, -1])])
}

const dot: Row = l => {
  const axes = l.field('axes')
  const [a, b] = [l.input(0), l.input(1)]
  const ranks = [l.rank(a), l.rank(b)] as const
  const given = (Array.isArray(axes) ? axes : [axes, axes]).map((axis, i) => {
    const at = integer(axis, `"axes" of "${l.name}"`)
    return at < 0 ? at + ranks[i]! : at
  })
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  if (ranks[0] + ranks[1] > 16 || given.some((axis, i) => !(axis >= 1 && axis < ranks[i]!))) refuse('its axes')
  const left = Array.from({ length: ranks[0] }, (_, i) => letters[i]!)
  const right = Array.from({ length: ranks[1] }, (_, i) => (i === 0 ? left[0]! : i === given[1] ? left[given[0]!]! : letters[ranks[0] + i]!)) // biome-ignore format: short
  const result = [...left.filter((_, i) => i !== given[0]), ...right.filter((_, i) => i !== 0 && i !== given[1])]
  if (l.bool('normalize', false)) refuse('it normalizes')
  const y = l.node('Einsum', [a, b], { equation: `${left.join('')},${right.join('')}->${result.join('')}` })
  // One number an example is a column.
  if (result.length > 1) {
    l.b.ranks.set(y, result.length)
    return y
  }
  l.b.ranks.set(y, 1)
  return l.node('Unsqueeze', [y, l.integers([1])])
}

const embedding: Row = l => {
  const { embeddings } = l.weights(['embeddings'])
  const ids = l.node('Cast', [l.input()], { to: 6 })
  return l.node('Gather', [embeddings, ids], { axis: 0 })
}

const repeated: Row = l => {
  const n = integer(l.field('n'), `"n" of "${l.name}"`, 1)
  return l.node('Tile', [l.node('Unsqueeze', [l.input(), l.integers([1])]), l.integers([1, n, 1])])
}

/** Layers without effect once a network is trained. */
const nothing: Row = l => l.input()

const groupNormalization: Row = l => {
  const [scale, center] = [l.bool('scale', true), l.bool('center', true)]
  const w = l.weights([scale && 'gamma', center && 'beta'])
  if (!scale || !center) refuse('it lacks a scale or an offset')
  const rank = l.rank()
  const axis = axisOf(l, 'axis', -1)
  if (axis !== rank - 1 && axis !== 1) refuse(`its axis is ${axis} of ${rank}`)
  const attributes = { num_groups: l.number('groups', 32), epsilon: l.number('epsilon', 1e-3) }
  return windows.channelsFirst(l.b, l.input(), rank, axis === rank - 1 && rank > 2, x =>
    l.node('GroupNormalization', [x, w.gamma, w.beta], attributes),
  )
}

const scalarOrList = (l: LayerCall, name: string, missing: number): string => {
  const value = l.field(name)
  if (!Array.isArray(value)) return l.real(l.number(name, missing))
  const numbers = value.map(v => number(v, `"${name}" of "${l.name}"`))
  return l.b.constant({ type: 'f32', shape: [numbers.length], read: () => ({ type: 'f32', shape: [numbers.length], data: Float32Array.from(numbers) }) }) // biome-ignore format: short
}

export const layers: Readonly<Record<string, Row>> = {
  Activation: l => l.activated(l.input()),
  Add: merging('Add'),
  Subtract: l => (l.inputs.length === 2 ? merging('Sub')(l) : fail(`Subtract "${l.name}" is applied to ${l.inputs.length} values; expected 2`)), // biome-ignore format: short
  Multiply: merging('Mul'),
  Average: l => l.node('Mul', [merging('Add')(l), l.real(1 / l.inputs.length)]),
  Maximum: merging('Max'),
  Minimum: merging('Min'),
  Concatenate: l => l.node('Concat', l.inputs, { axis: l.number('axis', -1) }),
  Dot: dot,

  Dense: dense,
  Conv1D: convolution(1),
  Conv2D: convolution(2),
  Conv3D: convolution(3),
  Conv1DTranspose: transposedConvolution(1),
  Conv2DTranspose: transposedConvolution(2),
  Conv3DTranspose: transposedConvolution(3),
  DepthwiseConv1D: depthwiseConvolution(1),
  DepthwiseConv2D: depthwiseConvolution(2),
  SeparableConv1D: separableConvolution(1),
  SeparableConv2D: separableConvolution(2),
  Embedding: embedding,

  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  GroupNormalization: groupNormalization,
  Rescaling: l =>
    l.node('Add', [l.node('Mul', [l.input(), scalarOrList(l, 'scale', 1)]), scalarOrList(l, 'offset', 0)]),
  Resizing: resizing,

  ReLU: relu,
  LeakyReLU: l => l.node('LeakyRelu', [l.input()], { alpha: number(l.field('alpha', 'negative_slope') ?? 0.3, `"alpha" of "${l.name}"`) }), // biome-ignore format: short
  // Slopes are of all axes but the batch, 1 where an axis is shared.
  PReLU: l => l.node('PRelu', [l.input(), l.weights(['alpha']).alpha]),
  ELU: l => l.node('Elu', [l.input()], { alpha: l.number('alpha', 1) }),
  ThresholdedReLU: l => l.node('ThresholdedRelu', [l.input()], { alpha: l.number('theta', 1) }),
  Softmax: l => l.node('Softmax', [l.input()], { axis: axisOf(l, 'axis', -1) }),

  MaxPooling1D: pooling('MaxPool', 1),
  MaxPooling2D: pooling('MaxPool', 2),
  MaxPooling3D: pooling('MaxPool', 3),
  AveragePooling1D: pooling('AveragePool', 1),
  AveragePooling2D: pooling('AveragePool', 2),
  AveragePooling3D: pooling('AveragePool', 3),
  GlobalMaxPooling1D: globalPooling('ReduceMax', 1),
  GlobalMaxPooling2D: globalPooling('ReduceMax', 2),
  GlobalMaxPooling3D: globalPooling('ReduceMax', 3),
  GlobalAveragePooling1D: globalPooling('ReduceMean', 1),
  GlobalAveragePooling2D: globalPooling('ReduceMean', 2),
  GlobalAveragePooling3D: globalPooling('ReduceMean', 3),

  Flatten: flatten,
  Reshape: reshape,
  Permute: l => {
    const dims = list(l.field('dims'), `"dims" of "${l.name}"`).map(d => integer(d, `"dims" of "${l.name}"`, 1))
    return l.b.transpose(l.input(), [0, ...dims])
  },
  RepeatVector: repeated,
  ZeroPadding1D: zeroPadding(1),
  ZeroPadding2D: zeroPadding(2),
  ZeroPadding3D: zeroPadding(3),
  Cropping1D: cropping(1),
  Cropping2D: cropping(2),
  Cropping3D: cropping(3),
  UpSampling1D: upSampling(1),
  UpSampling2D: upSampling(2),
  UpSampling3D: upSampling(3),

  Identity: nothing,
  Dropout: nothing,
  SpatialDropout1D: nothing,
  SpatialDropout2D: nothing,
  SpatialDropout3D: nothing,
  AlphaDropout: nothing,
  GaussianDropout: nothing,
  GaussianNoise: nothing,
  ActivityRegularization: nothing,
}

/** Layers that stand for an activation. */
const stateless: ReadonlySet<string> = new Set(['ReLU', 'LeakyReLU', 'ELU', 'ThresholdedReLU', 'Softmax'])

/** Layers that networks on npm bring with them: UpscalerJS's ESRGAN (`@upscalerjs/esrgan-*`). */
export const wellKnown = (kind: string): CustomLayer | undefined => {
  if (kind === 'MultiplyBeta') return l => l.node('Mul', [l.input(), l.real(l.number('beta', 0.2))])
  const scale = Number(/^PixelShuffle([1-9]\d?)x$/.exec(kind)?.[1])
  if (!(scale > 0)) return undefined
  return l => windows.channelsFirst(l.b, l.input(), 4, true, x => l.node('DepthToSpace', [x], { blocksize: scale }))
}
