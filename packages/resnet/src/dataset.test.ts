import { js, Random } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import {
  accuracy,
  adamw,
  type Batch,
  batchIndices,
  charactersOf,
  constantRate,
  type Dataset,
  type Example,
  type Examples,
  examplesFor,
  gpt2,
  initialise,
  inMemory,
  type Model,
  modelFiles,
  residualMlp,
  streaming,
  train,
} from './index.js'

/** Images whose numbers all differ: 100·example + position + 1. */
const images = (size: number, shape: readonly number[]): Examples => {
  const n = shape.reduce((a, b) => a * b, 1)
  return {
    inputs: Float64Array.from({ length: size * n }, (_, i) => 100 * Math.floor(i / n) + (i % n) + 1),
    labels: Int32Array.from({ length: size }, (_, i) => i % 3),
    ...{ shape, size, classes: 3, mean: 0, deviation: 1 },
  }
}
const first = (data: Iterable<Batch>, count: number): Batch[] => {
  const found: Batch[] = []
  for (const batch of data) if (found.push(batch) === count) break
  return found
}

describe('examples in memory', () => {
  it('batches never end, and are the same on every iteration and from any step on', () => {
    const data = inMemory(images(7, [2]), { batchSize: 3, seed: 4, augment: {} }) as Iterable<Batch> & Required<Dataset>
    const batches = first(data, 5)
    const indices = batchIndices(7, 3, 4)
    batches.forEach(({ inputs, labels, shape }, step) => {
      const want = [...indices(step)]
      expect([...inputs]).toEqual(want.flatMap(i => [100 * i + 1, 100 * i + 2]))
      expect([...labels]).toEqual(want.map(i => i % 3))
      expect(shape).toEqual([3, 2])
    })
    expect(first(data, 5)).toEqual(batches)
    expect(first(data.from(3) as Iterable<Batch>, 2)).toEqual(batches.slice(3))
  })

  it('images are standardised by each channel', () => {
    const data = { ...images(2, [2, 1, 2]), mean: [1, 10], deviation: [2, 4] }
    const [{ inputs, labels }] = first(inMemory(data, { batchSize: 2, seed: 0 }) as Iterable<Batch>, 1) as [Batch]
    const rows = [0, 1].map(i => [0, 0.5, -7 / 4, -6 / 4].map((x, j) => x + (100 * i) / (j < 2 ? 2 : 4)))
    const order = labels[0] === 0 ? rows : [...rows].reverse()
    expect([...inputs]).toEqual(order.flat())
    expect(() => inMemory({ ...data, mean: [1, 2, 3] }, { batchSize: 1, seed: 0 })).toThrow(/3 numbers in mean.*2/)
  })

  it('images are cropped and mirrored, each way equally often, whatever the batches before', () => {
    const [side, crop, batchSize] = [3, 1, 50]
    const data = { ...images(batchSize, [2, side, side]) }
    const augmented = inMemory(data, { batchSize, seed: 1, augment: { flip: true, crop } })
    /** The image of every shift and mirror, as a key. */
    const ways = (raw: readonly number[]) =>
      new Map(
        [0, 1].flatMap(flip =>
          [-1, 0, 1].flatMap(down =>
            [-1, 0, 1].map((across): [string, string] => {
              const seen = [0, 1].flatMap(c =>
                [0, 1, 2].flatMap(y =>
                  [0, 1, 2].map(x => {
                    const [row, column] = [y + down, (flip ? 2 - x : x) + across]
                    return row < 0 || row > 2 || column < 0 || column > 2 ? 0 : raw[(c * 3 + row) * 3 + column]!
                  }),
                ),
              )
              return [seen.join(), `${flip} ${down} ${across}`]
            }),
          ),
        ),
      )
    const counts = new Map<string, number>()
    const order = batchIndices(batchSize, batchSize, 1)
    const steps = first(augmented as Iterable<Batch>, 40)
    steps.forEach(({ inputs }, step) => {
      for (const [i, example] of order(step).entries()) {
        const raw = [...data.inputs.subarray(example * 18, (example + 1) * 18)]
        const way = ways(raw).get([...inputs.subarray(i * 18, (i + 1) * 18)].join())
        expect(way).toBeDefined()
        counts.set(way!, (counts.get(way!) ?? 0) + 1)
      }
    })
    // 2000 draws of 18 ways: 111 each, with a deviation of 10.
    expect(counts.size).toBe(18)
    for (const count of counts.values()) expect(Math.abs(count - 2000 / 18)).toBeLessThan(50)
    expect(first(augmented.from(17) as Iterable<Batch>, 1)).toEqual([steps[17]])
    expect(steps[0]).not.toEqual(steps[1])
  })

  it.each([
    [{ deviation: Infinity }, 'Infinity as deviation; it must be finite and not 0'],
    [{ deviation: 0 }, '0 as deviation; it must be finite and not 0'],
    [{ mean: Number.NaN }, 'NaN as mean; it must be finite'],
    [{ deviation: [1, Number.NaN] }, 'NaN as deviation; it must be finite'],
  ])('%o make no inputs', (moments, message) => {
    const data = { ...images(4, [2, 1, 1]), ...moments }
    expect(() => inMemory(data, { batchSize: 2, seed: 0 })).toThrow(`the dataset has ${message}`)
  })

  it.each([-1, 0.5, Number.NaN])('no batches begin at step %d', step => {
    const data = inMemory(images(7, [2]), { batchSize: 3, seed: 4 })
    const message = `the step of a batch must be an integer of at least 0, got ${step}`
    expect(() => data.from!(step)).toThrow(`inMemory: ${message}`)
    expect(() => batchIndices(7, 3, 4)(step)).toThrow(`batchIndices: ${message}`)
  })

  it('that are no images are not augmented', () => {
    expect(() => inMemory(images(4, [5]), { batchSize: 2, seed: 0, augment: { flip: true } })).toThrow(
      'augmentation is of images [height, width] or [channels, height, width]; the examples are [5]',
    )
    expect(() => inMemory(images(4, [2, 2]), { batchSize: 2, seed: 0, augment: { crop: 0.5 } })).toThrow(/crop.*0\.5/)
  })
})

const config = {
  architecture: 'residual-mlp' as const,
  ...{ input: 2, width: 4, hidden: 4, output: 3, depth: 2, activation: 'tanh' as const, norm: 'none' as const },
  norm_eps: 1e-5,
}
const fresh = () => initialise(residualMlp, config, { random: new Random(2), dtype: 'f64', backend: js() })
const options = { optimiser: adamw(), schedule: constantRate(0.01) }
const bytes = (model: Model) => modelFiles(model).weights
const batch = (seed: number, size = 4): Batch => ({
  inputs: Float64Array.from(new Random(seed).normal([2 * size], 0, 1, { dtype: 'f64', backend: js() }).dataSync()),
  labels: Int32Array.from({ length: size }, (_, i) => (i + seed) % 3),
})

describe('training on an iterable of batches', () => {
  it('goes through them again and again, and resumes at any step to the same bits', async () => {
    const data = [batch(1), batch(2), batch(3, 2)]
    const seen: number[] = []
    const whole = await train(fresh(), { ...options, data, steps: 7, onStep: ({ loss }) => void seen.push(loss) })
    const singles = await train(fresh(), { ...options, data: [...data, ...data, data[0]!], steps: 7 })
    expect(bytes(whole.state.model)).toEqual(bytes(singles.state.model))
    const half = await train(fresh(), { ...options, data, steps: 4 })
    const rest = await train(half.state.model, { ...options, data, steps: 7, from: half.state })
    expect(bytes(rest.state.model)).toEqual(bytes(whole.state.model))
    expect(new Set(seen).size).toBe(7)
  })

  it('draws each batch once, from a generator that never ends, and closes it', async () => {
    let [drawn, closed] = [0, false]
    const data = {
      *[Symbol.iterator]() {
        try {
          for (;;) yield batch(++drawn)
        } finally {
          closed = true
        }
      },
    }
    await train(fresh(), { ...options, data, steps: 5 })
    expect({ drawn, closed }).toEqual({ drawn: 5, closed: true })
  })

  it('says what is wrong with data that give no batch, too few, or labels of another number', async () => {
    const generator = (function* () {
      yield batch(1)
    })()
    await expect(train(fresh(), { ...options, data: [], steps: 1 })).rejects.toThrow(/no batch for step 1: it is empty/)
    await expect(train(fresh(), { ...options, data: generator, steps: 2 })).rejects.toThrow(/no batch for step 2/)
    const labels = { ...batch(1), labels: new Int32Array(3), shape: [4, 2] }
    await expect(train(fresh(), { ...options, data: [labels], steps: 1 })).rejects.toThrow(
      'train: a batch has 3 labels; the model gives logits [4,3], which want [4]',
    )
  })

  const inputs = Float64Array.of(1, 2, 3, 4)
  const labels = Int32Array.of(0, 1)
  it.each<[string, unknown, string]>([
    ['a fraction as label', { inputs, labels: [0, 1.5] }, 'is refused: label 1.5 of example 1 is no integer'],
    [
      'NaN as label',
      { inputs, labels: Float64Array.of(Number.NaN, 1) },
      'is refused: label NaN of example 0 is no integer',
    ],
    [
      'a label of 33 bits',
      { inputs, labels: [0, 2 ** 32] },
      'label 4294967296 of example 1 is beyond the integers of 32 bits',
    ],
    [
      'no example',
      { inputs: inputs.subarray(4), labels: labels.subarray(2) },
      'is empty: it has 0 numbers and 0 labels',
    ],
    ['a shape of more numbers', { inputs, labels, shape: [2, 5] }, 'has 4 numbers; its shape [2,5] makes it 10'],
    [
      'a shape of no examples',
      { inputs, labels, shape: [0, 2] },
      'shape must be a list of integers of at least 1, got [0,2]',
    ],
    ['half a number an example', { inputs: inputs.subarray(1), labels }, 'has 3 numbers for 2 labels'],
    ['no labels', { inputs }, 'is no batch: expected { inputs, labels }'],
    ['no batch', undefined, 'is no batch: expected { inputs, labels }'],
  ])('a batch with %s is refused by its step', async (_, wrong, message) => {
    const data = [batch(1), wrong as Batch]
    const trained = train(fresh(), { ...options, data, steps: 2 })
    await expect(trained).rejects.toThrow(RangeError)
    await expect(trained).rejects.toThrow(/^train: the batch of step 2/)
    await expect(trained).rejects.toThrow(message)
  })

  it('label smoothing is the cross-entropy with (1 − ε)·label + ε/classes', async () => {
    const losses = async (labelSmoothing: number) => {
      const found: number[] = []
      await train(fresh(), {
        ...options,
        data: [batch(1)],
        steps: 1,
        labelSmoothing,
        onStep: m => void found.push(m.loss),
      })
      return found[0]!
    }
    // Smoothed wholly, every class counts a third: the mean of the losses for labels 0, 1 and 2.
    const each = await Promise.all(
      [0, 1, 2].map(async label => {
        const found: number[] = []
        const data = [{ ...batch(1), labels: new Int32Array(4).fill(label) }]
        await train(fresh(), { ...options, data, steps: 1, onStep: m => void found.push(m.loss) })
        return found[0]!
      }),
    )
    const even = (each[0]! + each[1]! + each[2]!) / 3
    expect(await losses(0.3)).toBeCloseTo(0.7 * (await losses(0)) + 0.3 * even, 12)
  })
})

describe('a stream of examples', () => {
  const examples = (epoch: number): Example[] =>
    Array.from({ length: 10 }, (_, i) => ({ inputs: [i, epoch], label: i % 3 }))
  const epochs = async (data: AsyncIterable<Batch>, count: number) => {
    const found: Batch[] = []
    for await (const batch of data) if (found.push(batch) === count) break
    return found
  }

  it('a stream is read once an epoch; a rest that fills no batch is left out', async () => {
    const read: number[] = []
    const data = streaming(
      async function* (epoch) {
        read.push(epoch)
        yield* examples(epoch)
      },
      { batchSize: 4 },
    )
    const [a, b, c] = await epochs(data, 3)
    expect([[...a!.inputs], [...b!.labels], a!.shape]).toEqual([
      [0, 0, 1, 0, 2, 0, 3, 0],
      [1, 2, 0, 1],
      [4, 2],
    ])
    expect([...c!.inputs]).toEqual([0, 1, 1, 1, 2, 1, 3, 1])
    expect(read).toEqual([0, 1])
    await expect(epochs(streaming(examples, { batchSize: 11 }), 1)).rejects.toThrow(
      /epoch 0 has less than one batch of 11/,
    )
  })

  it('examples are drawn from a buffer: in one order for a seed, in another every epoch', async () => {
    const order = async (seed: number, shuffle = 6) => {
      const batches = await epochs(streaming(examples, { batchSize: 5, shuffle, seed }), 4)
      return [batches.slice(0, 2), batches.slice(2)].map(two =>
        two.flatMap(b => [...b.inputs].filter((_, i) => i % 2 === 0)),
      )
    }
    const [one, two] = (await order(3)) as [number[], number[]]
    for (const epoch of [one, two]) expect([...epoch].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(one).not.toEqual(two)
    expect(await order(3)).toEqual([one, two])
    expect(await order(4)).not.toEqual([one, two])
    // Only what the buffer holds can be drawn.
    one.forEach((example, place) => expect(example).toBeLessThanOrEqual(place + 6))
  })

  it.each<[string, object, string]>([
    [
      'shuffle NaN',
      { shuffle: Number.NaN },
      'shuffle must be the number of examples to hold, an integer of 0 to 4294967296, got NaN',
    ],
    ['shuffle −1', { shuffle: -1 }, 'got -1'],
    ['shuffle 2.5', { shuffle: 2.5 }, 'got 2.5'],
    ['shape [1.5]', { shape: [1.5] }, 'streaming: shape must be a list of integers of at least 1, got [1.5]'],
    ['shape 2', { shape: 2 }, 'streaming: shape must be a list of integers of at least 1, got 2'],
  ])('%s is refused', (_, wrong, message) => {
    expect(() => streaming(examples, { batchSize: 4, ...wrong })).toThrow(message)
  })

  it.each<[string, unknown, object, string]>([
    [
      'of another shape',
      { inputs: [1, 2, 3, 4], label: 0 },
      { shape: [9] },
      'an example has 4 numbers; the shape [9] makes it 9',
    ],
    ['with a fraction as label', { inputs: [1], label: 1.5 }, {}, 'label 1.5 of an example is no integer'],
    ['with NaN in its labels', { inputs: [1, 2], label: [0, Number.NaN] }, {}, 'label NaN of an example is no integer'],
    ['with a fraction as id', { inputs: [1, 2.5], label: 1 }, { ids: true }, 'id 2.5 of an example is no integer'],
    ['without a label', { inputs: [1] }, {}, 'an example has no inputs or no label'],
    ['without numbers', { inputs: [], label: 1 }, {}, 'an example has no numbers'],
  ])('an example %s is refused', async (_, wrong, more, message) => {
    const data = streaming(() => [wrong as Example], { batchSize: 1, ...more })
    await expect(epochs(data, 1)).rejects.toThrow(`streaming: ${message}`)
  })

  it('trains, and resumes to the same bits', async () => {
    const data = streaming(examples, { batchSize: 4, shuffle: 5, seed: 1 })
    const whole = await train(fresh(), { ...options, data, steps: 6 })
    const half = await train(fresh(), { ...options, data, steps: 3 })
    const rest = await train(half.state.model, { ...options, data, steps: 6, from: half.state })
    expect(bytes(rest.state.model)).toEqual(bytes(whole.state.model))
  })
})

describe('characters of a text', () => {
  it('characters are ids in the order of their code points, each labelled by the next', () => {
    const text = 'the cat sat. '.repeat(20)
    const { train: part, test, vocabulary } = charactersOf(text, 5)
    expect(vocabulary).toEqual([' ', '.', 'a', 'c', 'e', 'h', 's', 't'])
    const written = (ids: ArrayLike<number>) => Array.from(ids, id => vocabulary[id]).join('')
    expect(written(part.inputs)).toBe(text.slice(0, part.size * 5))
    expect(written(part.labels)).toBe(text.slice(1, part.size * 5 + 1))
    // 260 characters: 234 to train on, 26 to test on.
    expect([part.size, test.size, part.shape]).toEqual([46, 5, [5]])
    expect(written(test.inputs)).toBe(text.slice(234, 259))
    expect(() => charactersOf('short', 5)).toThrow(/the text has 5 characters; 12 are the least/)
  })

  it('a gpt2 learns a text, and its accuracy is over all positions', async () => {
    const { train: part, test, vocabulary } = charactersOf('abcd'.repeat(60), 8)
    const sizes = { vocab_size: vocabulary.length, n_positions: 8, n_embd: 8, n_layer: 1, n_head: 2 }
    const model = initialise(
      gpt2,
      {
        ...{
          architecture: 'gpt2' as const,
          ...sizes,
          layer_norm_epsilon: 1e-5,
          activation_function: 'gelu_new' as const,
        },
        ...{ scale_attn_weights: true, scale_attn_by_inverse_layer_idx: false },
      },
      { random: new Random(1) },
    ) as unknown as Model
    const { state } = await train(model, {
      ...options,
      data: part,
      batchSize: 8,
      steps: 60,
      schedule: constantRate(0.03),
    })
    expect(await accuracy(state.model, test)).toBeGreaterThan(0.95)
    const { x, labels } = examplesFor(model, test, [0, 1])
    expect([x.dtype, x.shape, labels.shape]).toEqual(['i32', [2, 8], [2, 8]])
  })
})
