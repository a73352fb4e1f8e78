import { Random } from '@unravel/tensor'
import { shown } from '@unravel/tensor/internals'
import { type Batch, checkShape, elementsOf, notInteger } from './dataset.js'

/** One example of a stream: its numbers as the model sees them, or ids, and its class (or one for every position). */
export interface Example {
  readonly inputs: ArrayLike<number>
  readonly label: number | ArrayLike<number>
}

export interface StreamingOptions {
  readonly batchSize: number
  /** Shape of one example (default: one vector). */
  readonly shape?: readonly number[]
  /** Whether inputs are ids. */
  readonly ids?: boolean
  /** Examples that are held at a time, of which the next one is drawn; default 0: in the order in which they come. */
  readonly shuffle?: number
  /** Of what is drawn; default 0. */
  readonly seed?: number
}

/** More examples than any memory holds. */
const MOST_HELD = 2 ** 32

/**
 * Examples that come one by one, such as from files larger than memory, as a dataset: each epoch reads `source(epoch)` once, and
 * what does not fill a batch is left out of its epoch. Memory for `shuffle` examples and one batch.
 *
 * @throws RangeError for a batch of less than one example, and numbers that are no shape or no size of a buffer; while it is read,
 *   for an epoch that fills no batch, for examples of different sizes or not of the shape, and for labels and ids that are no integers
 */
export function streaming(
  source: (epoch: number) => Iterable<Example> | AsyncIterable<Example>,
  { batchSize, shape, ids = false, shuffle = 0, seed = 0 }: StreamingOptions,
): AsyncIterable<Batch> {
  if (!(Number.isSafeInteger(batchSize) && batchSize >= 1)) {
    throw new RangeError(`streaming: a batch must hold at least 1 example, got ${shown(batchSize)}`)
  }
  if (!(Number.isSafeInteger(shuffle) && shuffle >= 0 && shuffle <= MOST_HELD)) {
    throw new RangeError(
      `streaming: shuffle must be the number of examples to hold, an integer of 0 to ${MOST_HELD}, got ${shown(shuffle)}`,
    )
  }
  if (shape !== undefined) checkShape(shape, 'streaming')
  return {
    async *[Symbol.asyncIterator]() {
      for (let epoch = 0; ; epoch++) {
        let waiting: Example[] = []
        let filled = false
        for await (const example of shuffled(source(epoch), shuffle, seed, epoch)) {
          waiting.push(example)
          if (waiting.length < batchSize) continue
          yield together(waiting, ids, shape)
          waiting = []
          filled = true
        }
        if (!filled) throw new RangeError(`streaming: epoch ${epoch} has less than one batch of ${batchSize} examples`)
      }
    },
  }
}

/** Draws from a buffer that is kept full as long as examples come; of a seed and an epoch always the same. */
async function* shuffled(
  examples: Iterable<Example> | AsyncIterable<Example>,
  size: number,
  seed: number,
  epoch: number,
): AsyncGenerator<Example> {
  // Streams of epochs do not meet: none has 2³² examples.
  const random = new Random(seed, epoch * 2 ** 32)
  const draw = () => random.uniform([1], 0, 1, { dtype: 'f64' }).dataSync()[0]!
  const held: Example[] = []
  const taken = () => {
    const at = Math.floor(draw() * held.length)
    const [found] = held.splice(at, 1, held.at(-1)!)
    held.pop()
    return found!
  }
  for await (const example of examples) {
    if (size < 2) yield example
    else if (held.push(example) > size) yield taken()
  }
  while (held.length > 0) yield taken()
}

function together(examples: readonly Example[], ids: boolean, shape?: readonly number[]): Batch {
  for (const { inputs, label } of examples.map(example => example ?? {})) {
    const isLabel = typeof label === 'number' || label?.length !== undefined
    if (inputs?.length === undefined || !isLabel) {
      throw new RangeError(
        'streaming: an example has no inputs or no label; expected { inputs: numbers, label: a class number }',
      )
    }
  }
  const elements = examples[0]!.inputs.length
  if (elements === 0) throw new RangeError('streaming: an example has no numbers; give at least one')
  if (shape !== undefined && elementsOf({ shape }) !== elements) {
    throw new RangeError(
      `streaming: an example has ${elements} numbers; the shape [${shape}] makes it ${elementsOf({ shape })}`,
    )
  }
  const inputs = new (ids ? Int32Array : Float64Array)(examples.length * elements)
  const first = labelsOf(examples[0]!)
  const labels = new Int32Array(examples.length * first.length)
  for (const [i, example] of examples.entries()) {
    const own = labelsOf(example)
    if (example.inputs.length !== elements || own.length !== first.length) {
      throw new RangeError(
        `streaming: an example has ${example.inputs.length} numbers and ${own.length} labels, the first of its batch ${elements} and ${first.length}`,
      )
    }
    const numbers = [['label', own], ...(ids ? [['id', example.inputs] as const] : [])] as const
    for (const [name, values] of numbers) {
      const bad = Array.from(values).find(value => notInteger(value) !== undefined)
      if (bad !== undefined) {
        throw new RangeError(`streaming: ${name} ${shown(bad)} of an example is ${notInteger(bad)}`)
      }
    }
    inputs.set(example.inputs as ArrayLike<number>, i * elements)
    labels.set(own, i * own.length)
  }
  return { inputs, labels, shape: [examples.length, ...(shape ?? [elements])] }
}

const labelsOf = ({ label }: Example): ArrayLike<number> => (typeof label === 'number' ? [label] : label)
