import { shown } from '@unravel/tensor/internals'
import type { ElementType } from '../graph.js'
import { typeCodes } from '../onnx/tensor.js'
import { OWN } from '../operators/table.js'
import type { Attributes, Builder } from './builder.js'
import { fail, field, isRecord, type Json, list, number, record, text } from './json.js'
import * as windows from './windows.js'

// TensorFlow's operators, as tfjs runs them (tfjs-converter/src/operations/op_list), in ONNX's vocabulary.

/** DT_…: the names of TensorFlow's element types. */
const dtypes: Readonly<Record<string, ElementType>> = {
  ...({
    DT_FLOAT: 'f32',
    DT_DOUBLE: 'f32',
    DT_HALF: 'f32',
    DT_BFLOAT16: 'f32',
    DT_INT32: 'i32',
    DT_INT64: 'i32',
  } as const),
  ...({ DT_INT16: 'i32', DT_INT8: 'i32', DT_UINT8: 'i32', DT_UINT16: 'i32', DT_BOOL: 'bool' } as const),
}
/** Their numbers, which older files have. */
const codes: Readonly<Record<number, string>> = {
  ...{ 1: 'DT_FLOAT', 2: 'DT_DOUBLE', 3: 'DT_INT32', 4: 'DT_UINT8', 5: 'DT_INT16', 6: 'DT_INT8', 9: 'DT_INT64' },
  ...{ 10: 'DT_BOOL', 14: 'DT_BFLOAT16', 17: 'DT_UINT16', 19: 'DT_HALF' },
}

export function elementTypeOf(value: unknown, what: string): ElementType {
  const name = typeof value === 'number' ? codes[value] : value
  const type = typeof name === 'string' && Object.hasOwn(dtypes, name) ? dtypes[name] : undefined
  return type ?? fail(`${what} is of ${shown(value)}, which is not supported`)
}

/** A string of an attribute: Base64, or a list of bytes. */
function decodedText(value: unknown, what: string): string {
  if (Array.isArray(value)) return String.fromCharCode(...value.map(n => number(n, what) & 255))
  try {
    return atob(text(value, what))
  } catch {
    return fail(`${what} is ${shown(value)}; expected Base64`)
  }
}

/** A number of an attribute: integers are strings in most files. */
const decodedNumber = (value: unknown, what: string): number =>
  number(typeof value === 'string' && value.trim() !== '' ? Number(value) : value, what)

/** A node of the file, for its row of the table. */
export class Operation {
  constructor(
    readonly b: Builder,
    readonly name: string,
    readonly op: string,
    readonly inputs: readonly string[],
    readonly attributes: Json,
    /** How many of its outputs are read. */
    readonly outputs: number,
  ) {}

  #what(name: string): string {
    return `"${name}" of ${this.op} ${shown(this.name)}`
  }

  #attribute(name: string): Json | undefined {
    const value = field(this.attributes, name)
    return value === undefined ? undefined : record(value, this.#what(name))
  }

  input(i: number): string {
    return this.inputs[i] ?? fail(`${this.op} ${shown(this.name)} has ${this.inputs.length} inputs; expected one more`)
  }

  number(name: string, missing: number): number {
    const value = this.#attribute(name)
    const kept = value && (field(value, 'i') ?? field(value, 'f'))
    return kept === undefined ? missing : decodedNumber(kept, this.#what(name))
  }

  bool(name: string, missing = false): boolean {
    const value = this.#attribute(name)
    const kept = value && field(value, 'b')
    return kept === undefined ? missing : kept === true
  }

  text(name: string, missing: string): string {
    const value = this.#attribute(name)
    const kept = value && field(value, 's')
    return kept === undefined ? missing : decodedText(kept, this.#what(name))
  }

  numbers(name: string): number[] | undefined {
    const kept = this.#list(name, 'i') ?? this.#list(name, 'f')
    return kept?.map(v => decodedNumber(v, this.#what(name)))
  }

  texts(name: string): string[] {
    return (this.#list(name, 's') ?? []).map(v => decodedText(v, this.#what(name)))
  }

  #list(name: string, kind: string): readonly unknown[] | undefined {
    const value = this.#attribute(name)
    const kept = value && field(value, 'list')
    if (!isRecord(kept)) return undefined
    const values = field(kept, kind)
    return values === undefined ? undefined : list(values, this.#what(name))
  }

  type(name: string): ElementType | undefined {
    const value = this.#attribute(name)
    const kept = value && field(value, 'type')
    return kept === undefined ? undefined : elementTypeOf(kept, this.#what(name))
  }

  /** Numbers of an input that must be a constant of the file. */
  constant(i: number, what: string): number[] {
    const name = this.input(i)
    return this.b.numbers(name) ?? refuse(`its ${what} ${shown(name)} is computed, or is no short list`)
  }

  one(i: number, what: string): number {
    const [value, ...more] = this.constant(i, what)
    return value !== undefined && more.length === 0
      ? value
      : fail(`${this.op} ${shown(this.name)}: its ${what} is no number`)
  }

  node(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.b.node(op, inputs, attributes)
  }

  cast(value: string, type: ElementType): string {
    return this.node('Cast', [value], { to: typeCodes[type] })
  }

  get channelsLast(): boolean {
    const format = this.text('data_format', 'NHWC').toUpperCase()
    const last = ['NHWC', 'NDHWC', 'NWC'].includes(format)
    return last || ['NCHW', 'NCDHW', 'NCW'].includes(format) ? last : refuse(`its data_format is ${shown(format)}`)
  }

  /** Of a list with one number for every axis, those of the axes that windows move along. */
  spatial(values: readonly number[]): number[] {
    return this.channelsLast ? values.slice(1, -1) : values.slice(2)
  }

  windows(): windows.Windows {
    const name = this.text('padding', 'VALID').toUpperCase()
    const strides = this.numbers('strides') ?? refuse('it has no strides')
    if (strides.length < 3) refuse(`its strides are [${strides}]`)
    const dilations = this.numbers('dilations')
    const explicit = this.numbers('explicit_paddings') ?? []
    const pairs = Array.from({ length: explicit.length / 2 }, (_, i) => i)
    const at = (this.channelsLast ? pairs.slice(1, -1) : pairs.slice(2)).map((i): [number, number] => [
      explicit[2 * i]!,
      explicit[2 * i + 1]!,
    ])
    if (name === 'EXPLICIT' && at.length !== strides.length - 2) refuse(`its explicit_paddings are [${explicit}]`)
    if (!['SAME', 'VALID', 'EXPLICIT'].includes(name)) refuse(`its padding is ${shown(name)}`)
    return {
      strides: this.spatial(strides),
      ...(dilations !== undefined && dilations.length > 0 && { dilations: this.spatial(dilations) }),
      padding: name === 'SAME' ? 'same' : name === 'VALID' ? 'valid' : at,
      channelsLast: this.channelsLast,
    }
  }
}

/** Why a node is not translated, though its operator has a row. */
export class Refusal extends Error {}
const refuse = (why: string): never => {
  throw new Refusal(why)
}

type Row = (n: Operation) => string | readonly string[]

const same =
  (op: string, count = 1, attributes: Attributes = {}): Row =>
  n =>
    n.node(op, Array.from({ length: count }, (_, i) => n.input(i)), attributes) // biome-ignore format: short

const binary = (op: string): Row => same(op, 2)

const clip = (n: Operation, x: string, low: number, high: number): string =>
  n.node('Clip', [x, n.b.real(low), n.b.real(high)])

const reduction =
  (op: string): Row =>
  n =>
    n.node(op, [n.input(0), n.input(1)], { keepdims: n.bool('keep_dims', n.bool('keepdims')) ? 1 : 0 })

/** Of booleans: the largest or the smallest. */
const reductionOfBools =
  (op: string): Row =>
  n => {
    const numbers = n.cast(n.input(0), 'f32')
    const kept = n.node(op, [numbers, n.input(1)], { keepdims: n.bool('keep_dims') ? 1 : 0 })
    return n.cast(kept, 'bool')
  }

const extremum =
  (op: string): Row =>
  n =>
    n.cast(n.node(op, [n.input(0)], { axis: n.one(1, 'axis'), keepdims: 0 }), 'i32')

const activations: Readonly<Record<string, (n: Operation, x: string, more: readonly string[]) => string>> = {
  Relu: (n, x) => n.node('Relu', [x]),
  Relu6: (n, x) => clip(n, x, 0, 6),
  Elu: (n, x) => n.node('Elu', [x]),
  Sigmoid: (n, x) => n.node('Sigmoid', [x]),
  Tanh: (n, x) => n.node('Tanh', [x]),
  LeakyRelu: (n, x) => n.node('LeakyRelu', [x], { alpha: n.number('leakyrelu_alpha', n.number('alpha', 0.2)) }),
  Prelu: (n, x, [alpha]) => n.node('PRelu', [x, alpha ?? fail(`${n.op} ${shown(n.name)} lacks the slope of Prelu`)]),
}

/** The operators fused behind a convolution or a product: its bias, and functions of the sum. */
function fused(n: Operation, inner: (bias: string | undefined) => string): string {
  const names = n.texts('fused_ops').filter(name => name.toLowerCase() !== 'noop')
  const rest = n.inputs.slice(2)
  const bias = names[0] === 'BiasAdd' ? rest.shift() : undefined
  if (names[0] === 'BiasAdd' && bias === undefined) fail(`${n.op} ${shown(n.name)} lacks its bias`)
  const after = names.slice(bias === undefined ? 0 : 1)
  const wrong = after.find(name => !Object.hasOwn(activations, name))
  if (wrong !== undefined) refuse(`${wrong} is fused into it`)
  return after.reduce((x, name) => activations[name]!(n, x, rest), inner(bias))
}

const convolution: Row = n => fused(n, bias => windows.conv(n.b, n.input(0), n.input(1), bias, n.windows()))

const depthwiseConvolution: Row = n => {
  const filter = n.b.constants.get(n.input(1))
  const channels = filter?.shape.at(-2) ?? refuse('its filter is computed')
  return fused(n, bias => windows.depthwise(n.b, n.input(0), n.input(1), bias, n.windows(), channels))
}

/** The gradient of a convolution: inputs are the shape of the result, the filter, and the values. */
const transposedConvolution: Row = n => {
  const at = n.windows()
  const shape = knownParts(n, n.input(0))
  const size = shape && n.spatial(shape as number[])
  const given = size?.every(v => Number.isSafeInteger(v)) ? size : undefined
  return windows.convTranspose(n.b, n.input(2), n.input(1), undefined, { ...at, ...(given && { size: given }) })
}

/** A list of integers of which some may be computed: these are NaN. */
function knownParts(n: Operation, name: string): number[] | undefined {
  const whole = n.b.numbers(name)
  if (whole !== undefined) return whole
  const maker = n.b.maker(name)
  if (maker?.op !== 'Concat') return undefined
  return maker.inputs.flatMap(part => {
    const inner = n.b.maker(part)
    const known = n.b.numbers(inner?.op === 'Unsqueeze' ? inner.inputs[0]! : part)
    return known ?? [Number.NaN]
  })
}

const pooling =
  (op: 'MaxPool' | 'AveragePool'): Row =>
  n =>
    windows.pool(n.b, op, n.input(0), n.spatial(n.numbers('ksize') ?? refuse('it has no ksize')), n.windows())

/** A matrix with its last two axes exchanged. */
function flipped(n: Operation, x: string): string {
  const rank = n.b.rank(x) ?? refuse('it transposes a value of unknown rank')
  if (rank < 2) fail(`${n.op} ${shown(n.name)} transposes a value of ${rank} axes`)
  const axes = Array.from({ length: rank }, (_, i) => i)
  return n.b.transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2])
}

const product =
  (left: string, right: string, rank?: number): Row =>
  n => {
    for (const i of [0, 1])
      if (rank !== undefined && n.b.rank(n.input(i)) === undefined) n.b.ranks.set(n.input(i), rank)
    const a = n.bool(left) ? flipped(n, n.input(0)) : n.input(0)
    const b = n.bool(right) ? flipped(n, n.input(1)) : n.input(1)
    return fused(n, bias => {
      const y = n.node('MatMul', [a, b])
      return bias === undefined ? y : n.node('Add', [y, bias])
    })
  }

/** Pads of TensorFlow, [axes, 2], as ONNX has them: all before, then all after. */
function padding(n: Operation): string {
  const pads = n.constant(1, 'list of pads')
  return n.b.integers([...pads.filter((_, i) => i % 2 === 0), ...pads.filter((_, i) => i % 2 === 1)])
}

const resizing =
  (method: 'nearest' | 'bilinear'): Row =>
  n => {
    const how = { method, alignCorners: n.bool('align_corners'), halfPixelCenters: n.bool('half_pixel_centers') }
    return n.node('Resize', [n.input(0), '', '', n.input(1)], { ...windows.resizeAttributes(how), axes: [1, 2] })
  }

/** Places that are behind every end. */
const END = 2 ** 31 - 1

/** Python's x[begin:end:step, …] with its masks: bit i of a mask is of entry i. */
const stridedSlice: Row = n => {
  const [begin, end, steps] = [1, 2, 3].map(i => n.constant(i, 'bounds')) as [number[], number[], number[]]
  if (begin.length !== end.length || begin.length !== steps.length) {
    const lengths = [begin, end, steps].map(list => list.length).join(', ')
    fail(`${n.op} ${shown(n.name)}: begin, end and strides are of one length; they have ${lengths}`)
  }
  const mask = (name: string) => {
    const bits = n.number(name, 0)
    return (i: number) => (bits >> i) % 2 !== 0
  }
  const [noBegin, noEnd] = [mask('begin_mask'), mask('end_mask')]
  const [ellipsis, added, dropped] = [mask('ellipsis_mask'), mask('new_axis_mask'), mask('shrink_axis_mask')]
  const entries = begin.map((_, i) => i)
  const middle = entries.findIndex(ellipsis)
  if (entries.some(i => i !== middle && ellipsis(i))) fail(`${n.op} ${shown(n.name)} has two ellipses`)
  /** Entries behind an ellipsis count from the last axis. */
  const place = (i: number, counts: (j: number) => boolean) =>
    middle < 0 || i < middle
      ? entries.filter(j => j < i && counts(j)).length
      : -entries.filter(j => j >= i && counts(j)).length
  const isAxis = (j: number) => j !== middle && !added(j)
  const cuts = entries.filter(isAxis).map(i => {
    const step = dropped(i) ? 1 : steps[i]!
    const first = noBegin(i) && !dropped(i) ? (step > 0 ? 0 : END) : begin[i]!
    const last = dropped(i) ? (first === -1 ? END : first + 1) : noEnd(i) ? (step > 0 ? END : -END) : end[i]!
    return { axis: place(i, isAxis), first, last, step, plain: first === 0 && last === END && step === 1 }
  })
  const real = cuts.filter(c => !c.plain)
  const lists = [real.map(c => c.first), real.map(c => c.last), real.map(c => c.axis), real.map(c => c.step)]
  let x = n.input(0)
  if (real.length > 0) x = n.node('Slice', [x, ...lists.map(l => n.b.integers(l))])
  const squeezed = entries.filter(i => isAxis(i) && dropped(i)).map(i => place(i, isAxis))
  if (squeezed.length > 0) x = n.node('Squeeze', [x, n.b.integers(squeezed)])
  const kept = (j: number) => j !== middle && (added(j) || !dropped(j))
  const made = entries.filter(i => i !== middle && added(i)).map(i => place(i, kept))
  return made.length > 0 ? n.node('Unsqueeze', [x, n.b.integers(made)]) : x
}

const slice: Row = n => {
  const [x, begin, size] = [n.input(0), n.input(1), n.input(2)]
  const [first, lengths] = [n.b.numbers(begin), n.b.numbers(size)]
  if (first !== undefined && lengths !== undefined) {
    const ends = lengths.map((length, i) => (length === -1 ? END : first[i]! + length))
    return n.node('Slice', [x, begin, n.b.integers(ends)])
  }
  const open = n.node('Less', [size, n.cast(n.b.integer(0), 'i32')])
  const ends = n.node('Where', [open, n.cast(n.b.integer(END), 'i32'), n.node('Add', [begin, size])])
  return n.node('Slice', [x, begin, ends])
}

/** How many values an operator may make. */
const MOST_PARTS = 1 << 12

const pack: Row = n => {
  const axis = n.number('axis', 0)
  const parts = n.inputs.map(x => n.node('Unsqueeze', [x, n.b.integers([axis])]))
  return n.node('Concat', parts, { axis })
}

const unpack: Row = n => {
  const axis = n.number('axis', 0)
  const count = n.number('num', n.outputs)
  if (!(count >= 1 && count <= MOST_PARTS)) fail(`${n.op} ${shown(n.name)} makes ${count} values`)
  const parts = n.b.outputs('Split', [n.input(0)], { axis }, count)
  return parts.map(part => n.node('Squeeze', [part, n.b.integers([axis])]))
}

const splitEvenly: Row = n => {
  const count = n.number('num_split', n.outputs)
  if (!(count >= 1 && count <= MOST_PARTS)) fail(`${n.op} ${shown(n.name)} makes ${count} values`)
  return n.b.outputs('Split', [n.input(1)], { axis: n.one(0, 'axis') }, count)
}

const splitBy: Row = n => {
  const sizes = n.constant(1, 'lengths')
  const axis = n.one(2, 'axis')
  const total = sizes.filter(v => v >= 0).reduce((a, b) => a + b, 0)
  if (!sizes.includes(-1)) return n.b.outputs('Split', [n.input(0), n.input(1)], { axis }, sizes.length)
  // The length of one part is open: parts before it count from the front, those behind it from the end.
  const open = sizes.indexOf(-1)
  let at = 0
  return sizes.map((size, i) => {
    const first = i <= open ? at : at - total
    at += Math.max(size, 0)
    const last = i < open ? at : i === sizes.length - 1 ? END : at - total
    const bounds = [[first], [i === open && open < sizes.length - 1 ? at - total : last], [axis]]
    return n.node('Slice', [n.input(0), ...bounds.map(v => n.b.integers(v))])
  })
}

const floorDivision: Row = n => {
  const [a, b] = [n.input(0), n.input(1)]
  if (n.type('T') !== 'i32') return n.node('Floor', [n.node('Div', [a, b])])
  return n.node('Div', [n.node('Sub', [a, n.node('Mod', [a, b])]), b])
}

const onesLike =
  (value: number): Row =>
  n =>
    filled(n, n.node('Shape', [n.input(0)]), value, n.type('T') ?? 'f32')

function filled(n: Operation, shape: string, value: number, type: ElementType): string {
  const x = n.b.real(value)
  return n.node('Expand', [type === 'f32' ? x : n.cast(x, type), shape])
}

const batchNormalization: Row = n => {
  if (n.bool('is_training', true) && field(n.attributes, 'is_training') !== undefined) refuse('it is in training mode')
  const inputs = [1, 2, 3, 4].map(i => n.input(i)) as [string, string, string, string]
  return windows.batchNorm(n.b, n.input(0), inputs, n.number('epsilon', 0.001), 4, n.channelsLast)
}

/** Elements between channels and space: an operator of arrays with channels second. */
const spaced =
  (op: 'DepthToSpace' | 'SpaceToDepth'): Row =>
  n =>
    windows.channelsFirst(n.b, n.input(0), 4, n.channelsLast, x =>
      n.node(op, [x], { blocksize: n.number('block_size', 1) }),
    )

/** The block of a SpaceToBatchND, of a square for which kernels exist, and one pair for each of its two axes. */
function blocks(n: Operation): { readonly size: number; readonly pairs: readonly number[] } {
  const [block, pairs] = [n.constant(1, 'block'), n.constant(2, 'list of pads')]
  const [size] = block
  if (block.length !== 2 || block[1] !== size || !(size! >= 1) || pairs.length !== 4) refuse(`its block is [${block}]`)
  return { size: size!, pairs }
}

/** A value with the lengths of its axes changed: those of `from` that are asked for, and others. */
function reshapedBy(
  n: Operation,
  x: string,
  from: string,
  parts: readonly (number | readonly [number, number])[],
): string {
  const shape = n.node('Shape', [from])
  const list = parts.map(part =>
    typeof part === 'number' ? n.b.integers([part]) : n.node('Slice', [shape, ...part.map(at => n.b.integers([at]))]),
  )
  return n.node('Reshape', [x, n.node('Concat', list, { axis: 0 })])
}

/** Elements of every block beside each other in the batch: the one at (i, j) of all examples before that at (i, j + 1). */
const spaceToBatch: Row = n => {
  const { size, pairs } = blocks(n)
  const [top, bottom, left, right] = pairs as [number, number, number, number]
  const padded = n.node('Pad', [n.input(0), n.b.integers([0, top, left, 0, 0, bottom, right, 0])])
  return windows.channelsFirst(n.b, padded, 4, true, x => {
    const deep = n.node('SpaceToDepth', [x], { blocksize: size })
    // [n, b², c, h, w] as [b², n, c, h, w]
    const apart = n.b.transpose(reshapedBy(n, deep, deep, [[0, 1], size * size, -1, [2, 4]]), [1, 0, 2, 3, 4])
    return reshapedBy(n, apart, apart, [-1, [2, 5]])
  })
}

const batchToSpace: Row = n => {
  const { size, pairs } = blocks(n)
  const [top, bottom, left, right] = pairs as [number, number, number, number]
  const whole = windows.channelsFirst(n.b, n.input(0), 4, true, x => {
    const apart = n.b.transpose(reshapedBy(n, x, x, [size * size, -1, [1, 4]]), [1, 0, 2, 3, 4])
    return n.node('DepthToSpace', [reshapedBy(n, apart, apart, [[0, 1], -1, [3, 5]])], { blocksize: size })
  })
  const end = (cut: number) => (cut === 0 ? END : -cut)
  const lists = [[top, left], [end(bottom), end(right)], [1, 2]] // biome-ignore format: short
  return n.node('Slice', [whole, ...lists.map(values => n.b.integers(values))])
}

export const operators: Readonly<Record<string, Row>> = {
  ...Object.fromEntries(
    ['Abs', 'Acosh', 'Asinh', 'Atanh', 'Ceil', 'Cos', 'Cosh', 'Erf', 'Exp', 'Floor', 'Log', 'Neg', 'Reciprocal', 'Relu']
      .concat(['Round', 'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Softplus', 'Softsign', 'Sqrt', 'Tan', 'Tanh', 'Elu', 'Selu'])
      .map(op => [op, same(op)]),
  ),
  ...Object.fromEntries(['Add', 'Sub', 'Mul', 'Equal', 'Less', 'Greater', 'Pow'].map(op => [op, binary(op)])),
  AddV2: binary('Add'),
  AddN: n => (n.inputs.length === 1 ? n.input(0) : n.node(n.inputs.length === 2 ? 'Add' : 'Sum', n.inputs)),
  BiasAdd: n => {
    const rank = n.channelsLast ? 0 : (n.b.rank(n.input(0)) ?? 4)
    const bias = rank > 2 ? n.b.reshape(n.input(1), [-1, ...new Array<number>(rank - 2).fill(1)]) : n.input(1)
    return n.node('Add', [n.input(0), bias])
  },
  Div: binary('Div'),
  RealDiv: binary('Div'),
  DivNoNan: n => {
    const zero = n.node('Equal', [n.input(1), n.b.real(0)])
    return n.node('Where', [zero, n.b.real(0), n.node('Div', [n.input(0), n.input(1)])])
  },
  FloorDiv: floorDivision,
  FloorMod: binary('Mod'),
  Mod: binary('Mod'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  SquaredDifference: n => {
    const d = n.node('Sub', [n.input(0), n.input(1)])
    return n.node('Mul', [d, d])
  },
  Square: n => n.node('Mul', [n.input(0), n.input(0)]),
  Rsqrt: n => n.node('Reciprocal', [n.node('Sqrt', [n.input(0)])]),
  // exp(x) − 1 and log(1 + x) would lose the digits of a small x.
  Expm1: n => n.b.outputs('Expm1', [n.input(0)], {}, 1, OWN),
  Log1p: n => n.b.outputs('Log1p', [n.input(0)], {}, 1, OWN),
  Relu6: n => clip(n, n.input(0), 0, 6),
  LeakyRelu: n => n.node('LeakyRelu', [n.input(0)], { alpha: n.number('alpha', 0.2) }),
  Prelu: n => n.node('PRelu', [n.input(0), n.input(1)]),
  ClipByValue: same('Clip', 3),
  IsNan: same('IsNaN'),
  IsInf: same('IsInf'),
  IsFinite: n => n.node('Not', [n.node('Or', [n.node('IsNaN', [n.input(0)]), n.node('IsInf', [n.input(0)])])]),
  NotEqual: n => n.node('Not', [n.node('Equal', [n.input(0), n.input(1)])]),
  LessEqual: binary('LessOrEqual'),
  GreaterEqual: binary('GreaterOrEqual'),
  LogicalAnd: binary('And'),
  LogicalOr: binary('Or'),
  LogicalNot: same('Not'),
  Select: same('Where', 3),
  SelectV2: same('Where', 3),
  Cast: n => n.cast(n.input(0), n.type('DstT') ?? refuse('it names no type')),

  Conv1D: convolution,
  Conv2D: convolution,
  Conv3D: convolution,
  _FusedConv2D: convolution,
  DepthwiseConv2d: depthwiseConvolution,
  DepthwiseConv2dNative: depthwiseConvolution,
  FusedDepthwiseConv2dNative: depthwiseConvolution,
  Conv2DBackpropInput: transposedConvolution,
  MaxPool: pooling('MaxPool'),
  MaxPool3D: pooling('MaxPool'),
  AvgPool: pooling('AveragePool'),
  AvgPool3D: pooling('AveragePool'),
  FusedBatchNorm: batchNormalization,
  FusedBatchNormV2: batchNormalization,
  FusedBatchNormV3: batchNormalization,
  LRN: n => {
    const size = 2 * n.number('depth_radius', 5) + 1
    // ONNX divides alpha by the number of channels that it sums.
    const attributes = {
      size,
      alpha: n.number('alpha', 1) * size,
      beta: n.number('beta', 0.5),
      bias: n.number('bias', 1),
    }
    return windows.channelsFirst(n.b, n.input(0), 4, true, x => n.node('LRN', [x], attributes))
  },
  ResizeBilinear: resizing('bilinear'),
  ResizeNearestNeighbor: resizing('nearest'),
  DepthToSpace: spaced('DepthToSpace'),
  SpaceToDepth: spaced('SpaceToDepth'),
  SpaceToBatchND: spaceToBatch,
  BatchToSpaceND: batchToSpace,

  MatMul: product('transpose_a', 'transpose_b', 2),
  _FusedMatMul: product('transpose_a', 'transpose_b', 2),
  BatchMatMul: product('adj_x', 'adj_y'),
  BatchMatMulV2: product('adj_x', 'adj_y'),
  BatchMatMulV3: product('adj_x', 'adj_y'),
  Einsum: n => n.node('Einsum', n.inputs, { equation: n.text('equation', '') }),
  Transpose: n => n.b.transpose(n.input(0), n.constant(1, 'order')),
  Softmax: same('Softmax', 1, { axis: -1 }),
  LogSoftmax: same('LogSoftmax', 1, { axis: -1 }),

  Sum: reduction('ReduceSum'),
  // tfjs makes real numbers of the integers.
  Mean: n => {
    const x = n.type('T') === 'i32' ? n.cast(n.input(0), 'f32') : n.input(0)
    return n.node('ReduceMean', [x, n.input(1)], { keepdims: n.bool('keep_dims', n.bool('keepdims')) ? 1 : 0 })
  },
  Max: reduction('ReduceMax'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  EuclideanNorm: reduction('ReduceL2'),
  All: reductionOfBools('ReduceMin'),
  Any: reductionOfBools('ReduceMax'),
  ArgMax: extremum('ArgMax'),
  ArgMin: extremum('ArgMin'),
  Cumsum: n => {
    const flag = (name: string) => (n.bool(name) ? 1 : 0)
    return n.node('CumSum', [n.input(0), n.input(1)], { exclusive: flag('exclusive'), reverse: flag('reverse') })
  },
  TopKV2: n => {
    const k = n.b.reshape(n.input(1), [1])
    const [values, places] = n.b.outputs('TopK', [n.input(0), k], {}, 2) as [string, string]
    return [values, n.cast(places, 'i32')]
  },

  Identity: n => n.input(0),
  IdentityN: n => n.inputs,
  Snapshot: n => n.input(0),
  StopGradient: n => n.input(0),
  EnsureShape: n => n.input(0),
  Print: n => n.input(0),
  PlaceholderWithDefault: n => n.input(0),
  // tfjs hands its input on.
  FakeQuantWithMinMaxVars: n => n.input(0),
  Shape: n => n.cast(n.node('Shape', [n.input(0)]), 'i32'),
  ShapeN: n => n.inputs.map(x => n.cast(n.node('Shape', [x]), 'i32')),
  Size: n => n.cast(n.node('Size', [n.input(0)]), 'i32'),
  Rank: n => n.cast(n.node('Size', [n.node('Shape', [n.input(0)])]), 'i32'),
  Reshape: n => n.node('Reshape', [n.input(0), n.input(1)]),
  ExpandDims: n => n.node('Unsqueeze', [n.input(0), n.b.reshape(n.input(1), [1])]),
  Squeeze: n => {
    const axes = n.numbers('squeeze_dims') ?? n.numbers('axis') ?? []
    return n.node('Squeeze', axes.length === 0 ? [n.input(0)] : [n.input(0), n.b.integers(axes)])
  },
  Pack: pack,
  Unpack: unpack,
  ConcatV2: n => n.node('Concat', n.inputs.slice(0, -1), { axis: n.one(n.inputs.length - 1, 'axis') }),
  Concat: n => n.node('Concat', n.inputs.slice(1), { axis: n.one(0, 'axis') }),
  Split: splitEvenly,
  SplitV: splitBy,
  Slice: slice,
  StridedSlice: stridedSlice,
  Pad: n => n.node('Pad', [n.input(0), padding(n)]),
  PadV2: n => n.node('Pad', [n.input(0), padding(n), n.input(2)]),
  MirrorPad: n => {
    const mode = n.text('mode', 'REFLECT')
    if (mode !== 'REFLECT') refuse(`its mode is ${shown(mode)}`)
    return n.node('Pad', [n.input(0), padding(n)], { mode: 'reflect' })
  },
  Tile: n => n.node('Tile', [n.input(0), n.input(1)]),
  BroadcastTo: n => n.node('Expand', [n.input(0), n.input(1)]),
  Gather: n => n.node('Gather', [n.input(0), n.input(1)], { axis: 0 }),
  GatherV2: n => {
    if (n.number('batch_dims', 0) !== 0) refuse(`its batch_dims are ${n.number('batch_dims', 0)}`)
    return n.node('Gather', [n.input(0), n.input(1)], { axis: n.one(2, 'axis') })
  },
  GatherNd: n => n.node('GatherND', [n.input(0), n.input(1)]),
  Reverse: n => {
    const flags = n.constant(1, 'axes')
    return reversed(n, flags.flatMap((flag, i) => (flag ? [i] : []))) // biome-ignore format: short
  },
  ReverseV2: n => reversed(n, n.constant(1, 'axes')),
  Fill: n => n.node('Expand', [n.input(1), n.input(0)]),
  Zeros: n => filled(n, n.input(0), 0, n.type('T') ?? 'f32'),
  Ones: n => filled(n, n.input(0), 1, n.type('T') ?? 'f32'),
  ZerosLike: onesLike(0),
  OnesLike: onesLike(1),
  Range: same('Range', 3),
  OneHot: n => {
    // tfjs makes integers of them unless a type is named.
    const values = n.node('Concat', [n.b.reshape(n.input(3), [1]), n.b.reshape(n.input(2), [1])], { axis: 0 })
    return n.node('OneHot', [n.input(0), n.input(1), values], { axis: n.number('axis', -1) })
  },
}

function reversed(n: Operation, axes: readonly number[]): string {
  if (axes.length === 0) return n.input(0)
  const lists = [axes.map(() => -1), axes.map(() => -END), axes, axes.map(() => -1)]
  return n.node('Slice', [n.input(0), ...lists.map(l => n.b.integers(l))])
}
