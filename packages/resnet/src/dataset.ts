import { type Backend, type DType, defaultBackend, FormatError, Random, type Tensor, tensor } from '@unravel/tensor'
import { brief, type Dense, shown } from '@unravel/tensor/internals'
import { type Augmentation, augmentation, type Change, type Stored } from './augment.js'
import { parseIdx } from './idx.js'

/** The examples of one step as plain arrays, which need not be freed. */
export interface Batch {
  /** `[batch, ...]`, row-major: numbers as the model sees them, or ids (Int32Array) of models that take ids. */
  readonly inputs: Float32Array | Float64Array | Int32Array
  /** The class of every example, or of every position of every sequence. */
  readonly labels: Int32Array
  /** Shape of `inputs` (default: `[labels.length, …]`, every example one vector). */
  readonly shape?: readonly number[]
}

/**
 * Training data: the batches of one step after the other, the same on every iteration. A dataset that ends begins again;
 * an endless one need not. To resume at step s, s batches are passed over, or `from` gives those from step s on at once.
 */
export type Dataset = (Iterable<Batch> | AsyncIterable<Batch>) & {
  readonly from?: (step: number) => Iterable<Batch> | AsyncIterable<Batch>
}

/** Examples in memory. An input is (raw − mean)/deviation of its stored numbers; ids (Int32Array) are taken as they are. */
export interface Examples {
  /** `[size, ...shape]`, row-major. */
  readonly inputs: Stored
  /** Shape of one example. */
  readonly shape: readonly number[]
  /** One an example, or one for every position of a sequence. */
  readonly labels: Int32Array
  readonly size: number
  readonly classes: number
  /** One number, or one for each of the channels, the first axis of `shape`. */
  readonly mean: number | readonly number[]
  readonly deviation: number | readonly number[]
}

export interface InMemoryOptions {
  readonly batchSize: number
  /** Of the order of examples, and of what changes them. */
  readonly seed: number
  readonly augment?: Augmentation | undefined
}

/** A bound of numbers whose differences are finite. */
const LARGEST = 2 ** 1023

/** A dataset of an IDX file of inputs and one of labels. Standardised by `like` (the training set), or by itself.
 *  Throws FormatError when they do not belong together. */
export function datasetFrom(inputs: Uint8Array, answers: Uint8Array, like?: Examples): Examples {
  const x = parseIdx(inputs)
  const y = parseIdx(answers)
  const size = x.shape[0] ?? 0
  if (y.shape.length !== 1 || y.shape[0] !== size) {
    throw new FormatError(
      `idx: ${size} examples and labels of shape [${brief(String(y.shape))}]; expected one label an example`,
    )
  }
  if (size === 0) throw new FormatError('idx: the data set is empty')
  const shape = x.shape.slice(1)
  if (like !== undefined && String(shape) !== String(like.shape)) {
    throw new FormatError(`idx: examples are [${brief(String(shape))}]; those of the training set are [${like.shape}]`)
  }
  const strange = x.data instanceof Uint8Array ? -1 : x.data.findIndex(v => !(Math.abs(v) < LARGEST))
  if (strange >= 0) {
    throw new FormatError(
      `idx: number ${strange} of the examples is ${x.data[strange]}; expected finite ones, below 2^1023 in magnitude`,
    )
  }
  const broken = badLabel(y.data)
  if (broken !== undefined) throw new FormatError(`idx: ${broken}`)
  const labels = Int32Array.from(y.data)
  const classes = like?.classes ?? labels.reduce((m, v) => Math.max(m, v), 0) + 1
  const { mean, deviation } = like ?? momentsOf({ inputs: x.data, shape })
  const dataset = {
    inputs: x.data,
    shape,
    labels,
    size,
    classes,
    mean,
    deviation,
  }
  const bad = dataset.labels.findIndex(v => v < 0 || v >= classes)
  if (bad >= 0) throw new FormatError(`idx: label ${dataset.labels[bad]} of example ${bad} is not in 0..${classes - 1}`)
  return dataset
}

/** Mean and standard deviation of the stored numbers, of images [channels, height, width] those of each channel; deviation 1
 *  where they are all equal. */
export function momentsOf({ inputs, shape }: Pick<Examples, 'inputs' | 'shape'>): Pick<Examples, 'mean' | 'deviation'> {
  const channels = shape.length === 3 ? shape[0]! : 1
  const each = elementsOf({ shape }) / channels
  /** Σ x·by of each channel, or Σ (x·by − mean)². */
  const sums = (by: Float64Array, mean?: Float64Array) => {
    const found = new Float64Array(channels)
    for (let at = 0, c = 0; at < inputs.length; at += each, c = (c + 1) % channels) {
      let sum = found[c]!
      const [s, end] = [by[c]!, at + each]
      if (mean === undefined) for (let i = at; i < end; i++) sum += inputs[i]! * s
      else for (let i = at, m = mean[c]!; i < end; i++) sum += (inputs[i]! * s - m) ** 2
      found[c] = sum
    }
    return found
  }
  const count = inputs.length / channels
  const by = nearOne(inputs, channels, each)
  const scaled = sums(by).map(sum => sum / count)
  const mean = scaled.map((m, c) => m / by[c]!)
  const deviation = sums(by, scaled).map((sum, c) => Math.sqrt(sum / count) / by[c]! || 1)
  return channels === 1 ? { mean: mean[0]!, deviation: deviation[0]! } : { mean: [...mean], deviation: [...deviation] }
}

/** For each channel a power of two: 1, or what brings numbers near 1 whose sums or squares could overflow or vanish. */
function nearOne(inputs: Stored, channels: number, each: number): Float64Array {
  const by = new Float64Array(channels)
  if (inputs instanceof Uint8Array) return by.fill(1)
  for (let at = 0, c = 0; at < inputs.length; at += each, c = (c + 1) % channels) {
    let most = by[c]!
    for (let i = at; i < at + each; i++) most = Math.max(most, Math.abs(inputs[i]!))
    by[c] = most
  }
  return by.map(most => {
    if (most === 0 || (most > 1e-100 && most < 1e100)) return 1
    return 2 ** -Math.max(-1022, Math.min(1022, Math.floor(Math.log2(most))))
  })
}

/** Elements of one example. */
export const elementsOf = ({ shape }: Pick<Examples, 'shape'>): number => shape.reduce((a, b) => a * b, 1)

/** Throws RangeError where the arrays of examples do not hold what their sizes say, or labels that are no integers: what is
 *  missing would be read as NaN and as label 0, and fractions would be cut off. */
export function checkExamples(data: Examples): void {
  const { inputs, labels, shape, size, mean, deviation } = data
  const numbers = size * elementsOf(data)
  const ids = inputs instanceof Int32Array
  if (inputs.length !== numbers || (labels.length !== size && !(ids && labels.length === numbers))) {
    throw new RangeError(
      `the dataset has ${inputs.length} numbers and ${labels.length} labels; ` +
        `size ${size} of shape [${shape}] makes it ${numbers} numbers and ${size} labels`,
    )
  }
  for (const [name, moments] of Object.entries({ mean, deviation })) {
    if (typeof moments !== 'number' && moments.length !== shape[0]) {
      throw new RangeError(
        `the dataset has ${moments.length} numbers in ${name}; expected one, or ${shape[0]}, one for each channel`,
      )
    }
    const bad = (typeof moments === 'number' ? [moments] : moments).find(
      m => !Number.isFinite(m) || (name === 'deviation' && m === 0),
    )
    if (bad !== undefined) {
      const wanted = name === 'deviation' ? 'finite and not 0; 1 leaves the numbers as they are' : 'finite'
      throw new RangeError(`the dataset has ${shown(bad)} as ${name}; it must be ${wanted}`)
    }
  }
  const broken = badLabel(labels)
  if (broken !== undefined) throw new RangeError(broken)
}

/** Why a label cannot be stored as an integer of 32 bits, which would change it unseen; undefined where it can. */
export const notInteger = (label: number): string | undefined =>
  !Number.isInteger(label) ? 'no integer' : label === (label | 0) ? undefined : 'beyond the integers of 32 bits'

/** What is wrong with the first label that is no integer of 32 bits. */
function badLabel(labels: ArrayLike<number>): string | undefined {
  for (let i = 0; i < labels.length; i++) {
    const why = notInteger(labels[i]!)
    if (why !== undefined) return `label ${shown(labels[i])} of example ${i} is ${why}`
  }
  return undefined
}

/** Throws RangeError where the arrays of a batch, named `name`, are missing or empty, are not of its shape, or hold labels that are
 *  no integers. */
export function checkBatch(batch: Batch, name: string): void {
  const fail = (message: string): never => {
    throw new RangeError(`${name} ${message}`)
  }
  const { inputs, labels, shape } = (batch ?? {}) as Partial<Batch>
  if (inputs?.length === undefined || labels?.length === undefined) {
    return fail('is no batch: expected { inputs, labels }, two arrays of numbers')
  }
  if (inputs.length === 0 || labels.length === 0) {
    return fail(`is empty: it has ${inputs.length} numbers and ${labels.length} labels; give at least one example`)
  }
  if (shape !== undefined) {
    checkShape(shape, name)
    const numbers = elementsOf({ shape })
    if (numbers !== inputs.length) {
      fail(`has ${inputs.length} numbers; its shape [${brief(String(shape))}] makes it ${numbers}`)
    }
  } else if (inputs.length % labels.length !== 0) {
    fail(`has ${inputs.length} numbers for ${labels.length} labels; expected equally many for each, or a shape`)
  }
  const broken = badLabel(labels)
  if (broken !== undefined) fail(`is refused: ${broken}`)
}

/** Throws RangeError, with `name` in front, unless a shape is a list of integers of at least 1. */
export function checkShape(shape: readonly number[], name: string): void {
  if (Array.isArray(shape) && shape.every(n => Number.isSafeInteger(n) && n >= 1)) return
  const got = Array.isArray(shape) ? `[${brief(String(shape))}]` : shown(shape)
  throw new RangeError(`${name}: shape must be a list of integers of at least 1, got ${got}`)
}

/** Examples `from` to `to`, the last one left out, as a set that shares their arrays; examples beyond the end are left out. */
export function examplesBetween(data: Examples, from: number, to: number): Examples {
  const [begin, end] = [from, to].map(at => Math.min(at, data.size)) as [number, number]
  const part = <T extends { readonly length: number; subarray(from: number, to: number): unknown }>(array: T): T => {
    const each = array.length / data.size
    return array.subarray(begin * each, end * each) as T
  }
  return { ...data, size: end - begin, inputs: part(data.inputs), labels: part(data.labels) }
}

/** The examples at `indices`, standardised, each as one vector: `x` [batch, elements], `labels` i32 [batch] (or, of sequences,
 *  [batch, positions]). */
export function batchOf(
  data: Examples,
  indices: ArrayLike<number>,
  where: { readonly dtype?: DType; readonly backend?: Backend | undefined } = {},
): { readonly x: Tensor; readonly labels: Tensor } {
  const { dtype = 'f32', backend = defaultBackend() } = where
  return batchTensors(arraysOf(data, indices), { dtype, backend })
}

/** A batch as tensors: `x` [batch, elements] of the dtype, or i32 ids; i32 labels. */
export function batchTensors(
  { inputs, labels, shape }: Batch,
  { dtype, backend }: { readonly dtype: DType; readonly backend: Backend },
): { readonly x: Dense; readonly labels: Dense } {
  const batch = shape?.[0] ?? labels.length
  const positions = labels.length / batch
  return {
    x: tensor(inputs, {
      shape: [batch, inputs.length / batch],
      dtype: inputs instanceof Int32Array ? 'i32' : dtype,
      backend,
    }),
    labels: tensor(labels, {
      shape: Number.isInteger(positions) && positions > 1 ? [batch, positions] : [labels.length],
      dtype: 'i32',
      backend,
    }),
  }
}

/** The examples at `indices`, standardised; `change` rewrites the raw numbers of one of them into those that are seen. */
function arraysOf(
  { inputs, labels, shape, size, mean, deviation }: Examples,
  indices: ArrayLike<number>,
  change?: Change,
): Batch {
  const n = elementsOf({ shape })
  const positions = labels.length / size
  const y = new Int32Array(indices.length * positions)
  const ids = inputs instanceof Int32Array
  const x = ids ? new Int32Array(indices.length * n) : new Float64Array(indices.length * n)
  const means = typeof mean === 'number' ? [mean] : mean
  const deviations = typeof deviation === 'number' ? [deviation] : deviation
  const channels = Math.max(means.length, deviations.length)
  const each = n / channels
  for (let i = 0; i < indices.length; i++) {
    const at = indices[i]!
    y.set(labels.subarray(at * positions, (at + 1) * positions), i * positions)
    const own = inputs.subarray(at * n, (at + 1) * n)
    if (ids) {
      x.set(own, i * n)
      continue
    }
    const raw = change === undefined ? own : change(own, i)
    for (let c = 0; c < channels; c++) {
      const m = means[c % means.length]!
      const deviation = deviations[c % deviations.length]!
      const scale = 1 / deviation
      // The inverse of the least numbers is beyond f64.
      const tiny = Math.abs(scale) === Infinity
      for (let j = c * each; j < (c + 1) * each; j++) {
        const centred = raw[j]! - m
        x[i * n + j] = tiny ? centred / deviation : centred * scale
      }
    }
  }
  return { inputs: x, labels: y, shape: [indices.length, ...shape] }
}

/**
 * Examples in memory as a dataset without end: every epoch is a new permutation, made of the seed and the epoch's number alone,
 * and what does not fill a batch is left out of its epoch.
 *
 * @throws RangeError for arrays that are not of the examples' sizes, a batch larger than the data, and augmentation of what is no
 *   image [height, width] or [channels, height, width]
 */
export function inMemory(data: Examples, { batchSize, seed, augment = {} }: InMemoryOptions): Required<Dataset> {
  checkExamples(data)
  if (!(Number.isSafeInteger(batchSize) && batchSize >= 1 && batchSize <= data.size)) {
    throw new RangeError(`train: a batch must hold 1 to ${data.size} examples, got ${shown(batchSize)}`)
  }
  const indices = batchIndices(data.size, batchSize, seed)
  const changes = augment.flip || augment.crop ? augmentation(data, augment, { batchSize, seed }) : () => undefined
  function* beginning(first: number) {
    for (let step = first; ; step++) yield arraysOf(data, indices(step), changes(step))
  }
  const from = (first: number) => {
    checkStep(first, 'inMemory')
    return beginning(first)
  }
  return { from, [Symbol.iterator]: () => from(0) } as Required<Dataset>
}

function checkStep(step: number, name: string): void {
  if (Number.isSafeInteger(step) && step >= 0) return
  throw new RangeError(`${name}: the step of a batch must be an integer of at least 0, got ${shown(step)}`)
}

/** The indices of batch `step` of endless training: every epoch is a new permutation, made of the seed and the epoch's
 *  number alone; a rest that does not fill a batch is left out of its epoch. */
export function batchIndices(size: number, batchSize: number, seed: number): (step: number) => Int32Array {
  const perEpoch = Math.max(1, Math.floor(size / batchSize))
  let current: { epoch: number; order: Int32Array } = { epoch: -1, order: new Int32Array(0) }
  return step => {
    checkStep(step, 'batchIndices')
    const epoch = Math.floor(step / perEpoch)
    if (epoch !== current.epoch) current = { epoch, order: new Random(seed, epoch * size).permutation(size) }
    const from = (step % perEpoch) * batchSize
    return current.order.subarray(from, from + batchSize)
  }
}
