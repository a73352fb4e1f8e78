import { type Backend, type DType, FormatError, Random, type Tensor, tensor } from '@unravel/tensor'
import { brief } from '@unravel/tensor/internals'
import { type IdxArray, parseIdx } from './idx.js'

/** Examples with labels. An input is (raw − mean)/deviation of its stored numbers. */
export interface Dataset {
  /** `[size, ...shape]`, row-major. */
  readonly inputs: Uint8Array | Float32Array | Float64Array
  /** Shape of one example. */
  readonly shape: readonly number[]
  readonly labels: Int32Array
  readonly size: number
  readonly classes: number
  readonly mean: number
  readonly deviation: number
}

/** A dataset of an IDX file of inputs and one of labels. Standardised by `like` (the training set), or by itself.
 *  Throws FormatError when they do not belong together. */
export function datasetFrom(inputs: Uint8Array, answers: Uint8Array, like?: Dataset): Dataset {
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
  const strange = x.data instanceof Uint8Array ? -1 : x.data.findIndex(v => !Number.isFinite(v))
  if (strange >= 0)
    throw new FormatError(`idx: number ${strange} of the examples is ${x.data[strange]}; expected finite ones`)
  const broken = y.data.findIndex(v => !Number.isInteger(v))
  if (broken >= 0) throw new FormatError(`idx: label ${y.data[broken]} of example ${broken} is no integer`)
  const labels = Int32Array.from(y.data)
  const classes = like?.classes ?? labels.reduce((m, v) => Math.max(m, v), 0) + 1
  const { mean, deviation } = like ?? moments(x)
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

/** Mean and standard deviation of all numbers; deviation 1 where they are all equal. */
function moments({ data }: IdxArray): { mean: number; deviation: number } {
  let sum = 0
  for (let i = 0; i < data.length; i++) sum += data[i]!
  const mean = sum / data.length
  let squares = 0
  for (let i = 0; i < data.length; i++) squares += (data[i]! - mean) ** 2
  return { mean, deviation: Math.sqrt(squares / data.length) || 1 }
}

/** Throws RangeError where the arrays of a dataset do not hold what its sizes say, or labels that are no integers: what is
 *  missing would be read as NaN and as label 0, and fractions would be cut off. */
export function checkDataset({ inputs, labels, shape, size }: Dataset): void {
  const numbers = size * shape.reduce((a, b) => a * b, 1)
  if (inputs.length !== numbers || labels.length !== size) {
    throw new RangeError(
      `the dataset has ${inputs.length} numbers and ${labels.length} labels; ` +
        `size ${size} of shape [${shape}] makes it ${numbers} numbers and ${size} labels`,
    )
  }
  for (let i = 0; i < size; i++) {
    if (!Number.isInteger(labels[i])) throw new RangeError(`label ${labels[i]} of example ${i} is no integer`)
  }
}

export interface Batch {
  /** `[batch, elements of an example]` */
  readonly x: Tensor
  /** i32 `[batch]` */
  readonly labels: Tensor
}

/** The examples at `indices`, standardised, each as one vector. */
export function batchOf(
  { inputs, labels, shape, mean, deviation }: Dataset,
  indices: ArrayLike<number>,
  where: { readonly dtype?: DType; readonly backend?: Backend } = {},
): Batch {
  const n = shape.reduce((a, b) => a * b, 1)
  const x = where.dtype === 'f64' ? new Float64Array(indices.length * n) : new Float32Array(indices.length * n)
  const y = new Int32Array(indices.length)
  const scale = 1 / deviation
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i]! * n
    for (let j = 0; j < n; j++) x[i * n + j] = (inputs[from + j]! - mean) * scale
    y[i] = labels[indices[i]!]!
  }
  const backend = where.backend === undefined ? {} : { backend: where.backend }
  return { x: tensor(x, { shape: [indices.length, n], ...backend }), labels: tensor(y, { dtype: 'i32', ...backend }) }
}

/** The indices of batch `step` of endless training: every epoch is a new permutation, made of the seed and the epoch's
 *  number alone; what does not fill a batch is left out of its epoch. */
export function batchIndices(size: number, batchSize: number, seed: number): (step: number) => Int32Array {
  const perEpoch = Math.max(1, Math.floor(size / batchSize))
  let current: { epoch: number; order: Int32Array } = { epoch: -1, order: new Int32Array(0) }
  return step => {
    const epoch = Math.floor(step / perEpoch)
    if (epoch !== current.epoch) current = { epoch, order: new Random(seed, epoch * size).permutation(size) }
    const from = (step % perEpoch) * batchSize
    return current.order.subarray(from, from + batchSize)
  }
}
