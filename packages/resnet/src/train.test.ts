import {
  type Backend,
  formatSafetensors,
  js,
  memory,
  mul,
  parseSafetensors,
  Random,
  tensor,
  wasm,
} from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'
import {
  accuracy,
  adamw,
  arithmeticOf,
  batchIndices,
  constant,
  constantRate,
  cosine,
  type Examples,
  formatCheckpoint,
  initialise,
  inverseDepth,
  type Model,
  modelFiles,
  type Optimiser,
  parseCheckpoint,
  type ResidualMlpConfig,
  residualMlp,
  resnet,
  reZero,
  sgd,
  type TrainingState,
  type TrainOptions,
  train,
  warmUp,
} from './index.js'
import { config } from './oracles/small.js'

const backends: Backend[] = [js(), wasm()]

/** Points of the plane, labelled by quadrant. */
function quadrants(size: number): Examples {
  const inputs = Float64Array.from(new Random(1).normal([size, 2], 0, 1, { dtype: 'f64', backend: js() }).dataSync())
  const label = (i: number) => (inputs[2 * i]! > 0 ? 1 : 0) + (inputs[2 * i + 1]! > 0 ? 2 : 0)
  return {
    inputs,
    labels: Int32Array.from({ length: size }, (_, i) => label(i)),
    shape: [2],
    size,
    classes: 4,
    mean: 0,
    deviation: 1,
  }
}
const data = quadrants(240)

const fresh = (backend: Backend, changes: Partial<ResidualMlpConfig> = {}, dtype: 'f32' | 'f64' = 'f32') =>
  initialise(
    residualMlp,
    { ...config, ...changes },
    { random: new Random(2), scale: inverseDepth(true), dtype, backend },
  )
const options = (optimiser: Optimiser, steps: number): TrainOptions => ({
  data,
  steps,
  batchSize: 32,
  optimiser,
  schedule: cosine(0.02, 20),
  seed: 5,
})
const bytes = (model: Model) => modelFiles(model).weights
const finite = (model: Model) => Object.values(model.tensors).every(t => t.dataSync().every(Number.isFinite))

it('10,000 steps on wasm reserve nothing that the first ten did not', async () => {
  const backend = wasm()
  const seen: ReturnType<typeof memory>[] = []
  await train(fresh(backend), { ...options(adamw(), 10_000), onStep: () => void seen.push(memory(backend)) })
  const later = seen.slice(10).filter(m => m.reserved !== seen[9]!.reserved || m.buffers !== seen[9]!.buffers)
  expect({ steps: seen.length, later }).toEqual({ steps: 10_000, later: [] })
}, 60_000)

describe.each(backends)('train on $name', backend => {
  it('learns', async () => {
    const losses: number[] = []
    const { state, ended } = await train(fresh(backend), {
      ...options(adamw(), 150),
      schedule: warmUp(5, constantRate(0.02)),
      onStep: ({ loss }) => void losses.push(loss),
    })
    expect(ended).toBe('done')
    expect(state.step).toBe(150)
    expect(losses[149]!).toBeLessThan(losses[0]! / 2)
    expect(await accuracy(state.model, data, { batchSize: 100 })).toBeGreaterThan(0.9)
  })

  it.each([
    ['adamw', adamw()],
    ['sgd with momentum', sgd({ momentum: 0.9, nesterov: true, weightDecay: 1e-3 })],
  ])('resumes to the bit: %s', async (_, optimiser) => {
    const model = fresh(backend, { norm: 'batch' })
    const whole = await train(model, options(optimiser, 20))
    const half = await train(model, options(optimiser, 9))
    const file = formatCheckpoint(half.state, optimiser, { seed: 5 })
    const from = parseCheckpoint(file, fresh(backend, { norm: 'batch' }), optimiser, { seed: 5 }, { backend })
    const rest = await train(from.model, { ...options(optimiser, 20), from })
    expect(bytes(rest.state.model)).toEqual(bytes(whole.state.model))
    expect(bytes(rest.state.model)).not.toEqual(bytes(half.state.model))
  })

  it('keeps memory flat, and leaves the given model alone', async () => {
    const model = fresh(backend)
    const before = bytes(model)
    const start = memory(backend).bytes
    const seen: number[] = []
    const { state } = await train(model, {
      ...options(adamw(), 50),
      onStep: () => void seen.push(memory(backend).bytes),
    })
    expect(new Set(seen.slice(1)).size).toBe(1)
    expect(bytes(model)).toEqual(before)
    for (const t of [...Object.values(state.model.tensors), ...Object.values(state.optimiser)]) (t as Dense).dispose()
    expect(memory(backend).bytes).toBe(start)
  })

  it('stops when the loss is not finite, with the last weights that were', async () => {
    const model = initialise(
      residualMlp,
      { ...config, activation: 'relu', depth: 8 },
      { random: new Random(2), scale: constant(5), backend },
    )
    const { state, ended, message } = await train(model, { ...options(sgd(), 50), schedule: constantRate(1e6) })
    expect(ended).toBe('diverged')
    expect(message).toMatch(
      / became (NaN|Infinity) at step \d+; kept the weights of step \d+: use a smaller learning rate/,
    )
    expect(finite(state.model)).toBe(true)
  })

  it('keeps the weights before a last update that overflows', async () => {
    const model = fresh(backend)
    const huge = { ...options(sgd(), 2), schedule: (step: number) => (step === 1 ? Number.MAX_VALUE : 0.1) }
    const { state, ended, message } = await train(model, huge)
    expect([ended, state.step]).toEqual(['diverged', 1])
    expect(message).toMatch('the weights overflowed at step 2; kept the weights of step 1')
    expect(bytes(state.model)).toEqual(bytes((await train(model, { ...huge, steps: 1 })).state.model))
  })

  it('moves running statistics as PyTorch does', async () => {
    const model = fresh(backend, { norm: 'batch', depth: 1 }, 'f64')
    const { state } = await train(model, { ...options(sgd(), 1), batchSize: 4 })
    const indices = batchIndices(data.size, 4, 5)(0)
    const weight = model.tensors['encoder.weight']!.dataSync()
    const h = [...indices].map(i =>
      Array.from(
        { length: 6 },
        (_, u) => weight[2 * u]! * data.inputs[2 * i]! + weight[2 * u + 1]! * data.inputs[2 * i + 1]!,
      ),
    )
    const mean = h[0]!.map((_, u) => h.reduce((s, row) => s + row[u]!, 0) / 4)
    const unbiased = mean.map((m, u) => h.reduce((s, row) => s + (row[u]! - m) ** 2, 0) / 3)
    const [m, v] = ['running_mean', 'running_var'].map(n => state.model.tensors[`blocks.0.norm.${n}`]!.dataSync())
    mean.forEach((x, u) => expect(m![u]).toBeCloseTo(0.1 * x, 12))
    unbiased.forEach((x, u) => expect(v![u]).toBeCloseTo(0.9 + 0.1 * x, 12))
  })

  it.each([0, 1, 3])(
    'a step that throws after %i others leaves nothing but the state that was reported last',
    async good => {
      const model = fresh(backend)
      const before = memory(backend)
      let last: TrainingState | undefined
      const failing = train(model, {
        ...options(adamw(), 10),
        schedule(step) {
          if (step === good) throw new Error('no rate')
          return 0.01
        },
        onStep: (_, state) => void (last = state),
      })
      await expect(failing).rejects.toThrow('no rate')
      for (const t of [...Object.values(last?.model.tensors ?? {}), ...Object.values(last?.optimiser ?? {})])
        t.dispose()
      expect({ ...memory(backend), reserved: 0 }).toEqual({ ...before, reserved: 0 })
      expect(finite(model)).toBe(true)
    },
  )

  describe('gradients whose squares overflow f32', () => {
    /** A network whose state is 1e22 times as large as usual: the gradient of its decoder is as large. */
    const huge = (dtype: 'f32' | 'f64') => {
      const model = fresh(backend, { activation: 'identity' }, dtype)
      return {
        ...model,
        tensors: { ...model.tensors, 'encoder.weight': mul(model.tensors['encoder.weight']!, 1e22) },
      } as Model
    }
    const decoder = ({ tensors }: Model) => Float64Array.from(tensors['decoder.weight']!.dataSync())
    /** The change of the decoder by a step, and the norm it saw. */
    const step = async (dtype: 'f32' | 'f64', optimiser: Optimiser) => {
      const model = huge(dtype)
      const before = decoder(model)
      let norm = 0
      const { ended, state } = await train(model, {
        ...options(optimiser, 1),
        schedule: constantRate(1),
        clipNorm: 1,
        onStep: metrics => void (norm = metrics.gradientNorm),
      })
      expect(ended).toBe('done')
      return { norm, change: decoder(state.model).map((w, i) => w - before[i]!) }
    }

    it('gradients are clipped as in f64', async () => {
      const [single, double] = [await step('f32', sgd({ momentum: 0 })), await step('f64', sgd({ momentum: 0 }))]
      expect(double.norm).toBeGreaterThan(1e20)
      expect(single.norm / double.norm).toBeCloseTo(1, 5)
      expect(Math.hypot(...double.change)).toBeGreaterThan(0.5)
      single.change.forEach((d, i) => expect(d).toBeCloseTo(double.change[i]!, 5))
    })

    it('leave finite weights in AdamW where they are not clipped', async () => {
      const model = huge('f32')
      const { ended, state } = await train(model, { ...options(adamw(), 5), schedule: constantRate(0.1) })
      expect(ended).toBe('done')
      expect(finite(state.model)).toBe(true)
    })
  })

  it('clips the gradient by its global norm', async () => {
    const model = fresh(backend, {}, 'f64')
    let norm = 0
    const step = async (clipNorm?: number) => {
      const once = {
        ...options(sgd(), 1),
        schedule: constantRate(1),
        onStep: (s: { gradientNorm: number }) => void (norm = s.gradientNorm),
      }
      const { state } = await train(model, clipNorm === undefined ? once : { ...once, clipNorm })
      return Object.entries(model.tensors).flatMap(([n, t]) => {
        const after = state.model.tensors[n]!.dataSync()
        return [...t.dataSync()].map((x, i) => x - after[i]!)
      })
    }
    const whole = await step()
    const clipped = await step(norm / 4)
    whole.forEach((d, i) => expect(clipped[i]!).toBeCloseTo((d * norm) / 4 / (norm + 1e-6), 12))
    // A norm within 1e-6 below the limit is scaled too.
    const near = await step(norm + 1e-7)
    whole.forEach((d, i) => expect(near[i]!).toBeCloseTo((d * (norm + 1e-7)) / (norm + 1e-6), 12))
  })

  it.each([
    [0.01, 10],
    [1e-5, 1e4],
  ])('clips to %d as PyTorch 1.13 does', async (clipNorm, rate) => {
    const sizes = { input: 2, width: 2, hidden: 2, output: 3, depth: 1 }
    const made = initialise(
      residualMlp,
      { ...config, ...sizes },
      { random: new Random(2), scale: constant(1), dtype: 'f64', backend },
    )
    // Weights sin 1, sin 2, …, in this order.
    let count = 0
    const names = ['encoder', 'blocks.0.fc1', 'blocks.0.fc2', 'decoder'].flatMap(n => [`${n}.weight`, `${n}.bias`])
    const tensors = Object.fromEntries(
      names.map(name => {
        const { shape, size } = made.tensors[name]!
        const values = Float64Array.from({ length: size }, () => Math.sin(++count))
        return [name, tensor(values, { shape, dtype: 'f64', backend })]
      }),
    )
    const losses: number[] = []
    await train({ ...made, tensors } as Model, {
      data: [{ inputs: Float64Array.of(1, -0.5, 0.25, 2, -1.5, 0.75), labels: Int32Array.of(0, 2, 1) }],
      steps: 4,
      optimiser: sgd(),
      schedule: constantRate(rate),
      clipNorm,
      onStep: ({ loss }) => void losses.push(loss),
    })
    // torch.nn.utils.clip_grad_norm_ and SGD, in f64; without its ε the second loss is 9.5e-8 less.
    const want = [4.443556759311985, 4.065646284969176, 3.70529838092342, 3.362690528827013]
    want.forEach((loss, i) => expect(losses[i]).toBeCloseTo(loss, 12))
  })

  it('starts without its branches under reZero, and ends where it is told', async () => {
    const model = initialise(residualMlp, config, { random: new Random(2), scale: reZero(), backend })
    expect(model.tensors['blocks.1.scale']!.item()).toBe(0)
    const stop = new AbortController()
    const result = await train(model, {
      ...options(adamw(), 50),
      signal: stop.signal,
      onStep: ({ step }) => {
        if (step === 3) stop.abort()
      },
    })
    expect([result.ended, result.state.step, result.message]).toEqual(['aborted', 3, 'stopped after step 3 of 50'])
    expect(result.state.model.tensors['blocks.1.scale']!.item()).not.toBe(0)
  })
})

describe('train', () => {
  it('wants a batch that the data can fill', async () => {
    await expect(train(fresh(js()), { ...options(sgd(), 1), batchSize: 241 })).rejects.toThrow('1 to 240')
  })

  it('refuses numbers that count or bound nothing', async () => {
    const refused = (changes: Partial<TrainOptions>, message: string) =>
      expect(train(fresh(js()), { ...options(sgd(), 2), ...changes })).rejects.toThrow(message)
    for (const steps of [Number.NaN, -1, 1.5])
      await refused({ steps }, `steps must be an integer of at least 0, got ${steps}`)
    for (const batchSize of [2.5, Number.NaN]) await refused({ batchSize }, `1 to 240 examples, got ${batchSize}`)
    for (const clipNorm of [0, -1, Number.NaN]) await refused({ clipNorm }, `clipNorm must be above 0, got ${clipNorm}`)
    for (const batchSize of [0, -1, 1.5, Number.NaN]) {
      await expect(accuracy(fresh(js()), data, { batchSize })).rejects.toThrow(`at least 1 example, got ${batchSize}`)
    }
  })

  it('refuses a dataset whose arrays are not of its size', async () => {
    const short = { ...data, labels: data.labels.slice(1) }
    await expect(train(fresh(js()), { ...options(sgd(), 2), data: short })).rejects.toThrow(
      'the dataset has 480 numbers and 239 labels; size 240 of shape [2] makes it 480 numbers and 240 labels',
    )
    await expect(accuracy(fresh(js()), { ...data, inputs: data.inputs.slice(2) })).rejects.toThrow('478 numbers')
    const labels = Float64Array.from(data.labels, (label, i) => (i === 7 ? 0.5 : label)) as unknown as Int32Array
    await expect(train(fresh(js()), { ...options(sgd(), 2), data: { ...data, labels } })).rejects.toThrow(
      'label 0.5 of example 7 is no integer',
    )
  })

  it('says of a loss that is NaN from the start that no step made it so', async () => {
    const broken = { ...data, inputs: data.inputs.map(() => Number.NaN) }
    const { ended, message, state } = await train(fresh(js()), { ...options(sgd(), 2), data: broken })
    expect([ended, state.step]).toEqual(['diverged', 0])
    expect(message).toBe('the loss is NaN before any update: look for such numbers in the data and the weights')
  })

  it('says of an output that overflows from the start that the scale lets it grow', async () => {
    const model = fresh(js())
    const loud = { ...model, config: { ...model.config, scale: { rule: 'constant', value: 3e38 } } } as Model
    const { ended, message } = await train(loud, options(sgd(), 2))
    expect(ended).toBe('diverged')
    expect(message).toMatch(
      /^the loss is (NaN|Infinity) before any update, from finite data and weights: at λ = 3e\+38 the 3 blocks let the output grow beyond f32; use a smaller scale, such as 1\/sqrt\(n\) or 1\/n/,
    )
  })

  it('says of a gradient that overflows from the start, of a finite loss, that the scale lets it grow', async () => {
    // Branches that end in zeros leave the output finite; its derivative in their last weights is λ times the decoder's.
    const model = fresh(js())
    const loud = {
      ...model,
      config: { ...model.config, scale: { rule: 'constant', value: 3e38 } },
      tensors: Object.fromEntries(
        Object.entries(model.tensors).map(([name, t]) => [
          name,
          name.includes('fc2') ? mul(t, 0) : name === 'decoder.weight' ? mul(t, 100) : t,
        ]),
      ),
    } as Model
    const { ended, message, state } = await train(loud, options(sgd(), 2))
    expect([ended, state.step]).toEqual(['diverged', 0])
    expect(message).toMatch(
      /^the norm of the gradient is (NaN|Infinity) before any update, from finite data and weights: at λ = 3e\+38 the 3 blocks let the gradient grow beyond f32; use a smaller scale/,
    )
  })

  it('refuses the state of another optimiser', async () => {
    const { state } = await train(fresh(js()), options(sgd(), 2))
    const next = train(state.model, { ...options(sgd({ momentum: 0.9 }), 4), from: state })
    await expect(next).rejects.toThrow('the state has no velocity of "encoder.weight": it is of another optimiser')
  })

  it('takes every example once an epoch, in another order every epoch', () => {
    const at = batchIndices(10, 5, 1)
    const epoch = (e: number) => [...at(2 * e), ...at(2 * e + 1)]
    expect([...epoch(0)].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(epoch(0)).not.toEqual(epoch(1))
    expect(batchIndices(10, 5, 1)(3)).toEqual(at(3))
    expect(batchIndices(10, 5, 2)(0)).not.toEqual(at(0))
  })

  it('refuses the checkpoint of another backend, unless any will do', async () => {
    const { state } = await train(fresh(js()), options(adamw(), 1))
    const file = formatCheckpoint(state, adamw(), { seed: 5 })
    const parse = (where: object) => parseCheckpoint(file, fresh(wasm()), adamw(), { seed: 5 }, where)
    expect(() => parse({ backend: wasm() })).toThrow(
      `backend is js there and ${arithmeticOf(wasm())} here, which rounds otherwise`,
    )
    expect(parse({ backend: wasm(), anyBackend: true })).toMatchObject({ step: 1, backend: 'js' })
    expect(parse({ backend: js() }).backend).toBe('js')
    expect(arithmeticOf(wasm())).toMatch(/^wasm (relaxed|plain)$/)
  })

  it('resumes from a checkpoint of a version that did not record the backend', async () => {
    const { state } = await train(fresh(js()), options(adamw(), 1))
    const { tensors, metadata } = parseSafetensors(formatCheckpoint(state, adamw(), { seed: 5 }))
    const { backend, ...earlier } = metadata
    expect(backend).toBe('js')
    const arrays = Object.fromEntries([...tensors].map(([name, t]) => [name, t.read()]))
    const file = formatSafetensors(arrays, earlier)
    expect(parseCheckpoint(file, fresh(wasm()), adamw(), { seed: 5 }, { backend: wasm() })).toMatchObject({
      step: 1,
      backend: undefined,
    })
  })

  it('refuses batch norm on one value a channel, in training only', async () => {
    const model = fresh(js(), { norm: 'batch' })
    const before = bytes(model)
    const one = { ...options(sgd(), 2), batchSize: 1 }
    await expect(train(model, one)).rejects.toThrow(
      'blocks.0.norm: expected more than 1 value per channel when training, got a batch [1, 6]',
    )
    expect(bytes(model)).toEqual(before)
    expect(await accuracy(model, data, { batchSize: 1 })).toBe(await accuracy(model, data, { batchSize: 240 }))
    expect((await train(model, { ...one, batchSize: 2 })).ended).toBe('done')
    expect((await train(fresh(js(), { norm: 'layer' }), one)).ended).toBe('done')
  })

  it('trains batch norm on one image where every channel of it has several values', async () => {
    const family = {
      ...{ architecture: 'resnet', block: 'basic', layers: [1], widths: [2], stem: 'cifar' },
      ...{ preactivation: false, norm: 'batch', classes: 4 },
    }
    const config = resnet.schema.parse(family)
    const model = initialise(resnet, config, { random: new Random(3), backend: js() })
    const images = (side: number): Examples => ({
      ...{ labels: Int32Array.of(0, 1), shape: [3, side, side], size: 2, classes: 4, mean: 0, deviation: 1 },
      inputs: Float32Array.from({ length: 6 * side * side }, (_, i) => Math.sin(i)),
    })
    const one = { ...options(sgd(), 1), batchSize: 1 }
    expect((await train(model as Model, { ...one, data: images(2) })).ended).toBe('done')
    await expect(train(model as Model, { ...one, data: images(1) })).rejects.toThrow(
      'bn1: expected more than 1 value per channel when training, got a batch [1, 2, 1, 1]',
    )
  })

  it('refuses the checkpoint of another run', async () => {
    const { state } = await train(fresh(js()), options(adamw(), 1))
    const file = formatCheckpoint(state, adamw(), { seed: 5 })
    expect(() => parseCheckpoint(file, fresh(js()), adamw(), { seed: 6 })).toThrow('seed is 5 there and 6 here')
    expect(() => parseCheckpoint(file, fresh(js()), sgd(), { seed: 5 })).toThrow('another run: optimiser')
    expect(() => parseCheckpoint(file, fresh(js(), { depth: 2 }), adamw(), { seed: 5 })).toThrow('another run: config')
    expect(() => parseCheckpoint(file, fresh(js(), {}, 'f64'), adamw(), { seed: 5 }, { backend: js() })).toThrow(
      'the checkpoint has no tensor "model.encoder.weight" f64[6,2]',
    )
    expect(() => parseCheckpoint(bytes(state.model), fresh(js()), adamw(), { seed: 5 })).toThrow(
      'config is missing there',
    )
  })
})
