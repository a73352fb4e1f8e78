import { type Backend, type Dense, js, memory, Random, tensor, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import {
  accuracy,
  adamw,
  batchIndices,
  constant,
  constantRate,
  cosine,
  type Dataset,
  formatCheckpoint,
  initialise,
  inverseDepth,
  type Model,
  modelFiles,
  modelFrom,
  type Optimiser,
  parseCheckpoint,
  type ResidualMlpConfig,
  residualMlp,
  reZero,
  sgd,
  stepDecay,
  type TrainOptions,
  towerOf,
  train,
  warmUp,
} from './index.js'

const backends: Backend[] = [js(), wasm()]

/** Two spirals' worth of nothing: points of the plane, labelled by quadrant. */
function quadrants(size: number): Dataset {
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

const config: ResidualMlpConfig = {
  architecture: 'residual-mlp',
  input: 2,
  width: 6,
  hidden: 8,
  output: 4,
  depth: 3,
  activation: 'tanh',
  norm: 'none',
  norm_eps: 1e-5,
}
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

describe.each(backends)('train', backend => {
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
    expect(accuracy(state.model, data, 100)).toBeGreaterThan(0.9)
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
    const seen: number[] = []
    await train(model, { ...options(adamw(), 50), onStep: () => void seen.push(memory(backend).bytes) })
    expect(new Set(seen.slice(2)).size).toBe(1)
    expect(bytes(model)).toEqual(before)
  })

  it('stops when the loss is not finite, with the last weights that were', async () => {
    const model = initialise(
      residualMlp,
      { ...config, activation: 'relu', depth: 8 },
      { random: new Random(2), scale: constant(5), backend },
    )
    const { state, ended, message } = await train(model, { ...options(sgd(), 50), schedule: constantRate(1e6) })
    expect(ended).toBe('diverged')
    expect(message).toMatch(/the loss became (NaN|Infinity) at step \d+; kept the weights of step \d+/)
    expect(Object.values(state.model.tensors).every(t => t.dataSync().every(Number.isFinite))).toBe(true)
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
    whole.forEach((d, i) => expect(clipped[i]!).toBeCloseTo(d / 4, 12))
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

  it('takes every example once an epoch, in another order every epoch', () => {
    const at = batchIndices(10, 5, 1)
    const epoch = (e: number) => [...at(2 * e), ...at(2 * e + 1)]
    expect([...epoch(0)].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(epoch(0)).not.toEqual(epoch(1))
    expect(batchIndices(10, 5, 1)(3)).toEqual(at(3))
    expect(batchIndices(10, 5, 2)(0)).not.toEqual(at(0))
  })

  it('refuses the checkpoint of another run', async () => {
    const { state } = await train(fresh(js()), options(adamw(), 1))
    const file = formatCheckpoint(state, adamw(), { seed: 5 })
    expect(() => parseCheckpoint(file, fresh(js()), adamw(), { seed: 6 })).toThrow('seed is 5 there and 6 here')
    expect(() => parseCheckpoint(file, fresh(js()), sgd(), { seed: 5 })).toThrow('another run: optimiser')
    expect(() => parseCheckpoint(file, fresh(js(), { depth: 2 }), adamw(), { seed: 5 })).toThrow('another run: config')
    expect(() => parseCheckpoint(bytes(state.model), fresh(js()), adamw(), { seed: 5 })).toThrow(
      'config is missing there',
    )
  })
})

describe('optimisers', () => {
  const where = { dtype: 'f64' as const, backend: js() }
  /** Three steps on one number, with gradients 1, −2, 0.5. */
  function path(optimiser: Optimiser): number[] {
    let parameters: Readonly<Record<string, ReturnType<typeof tensor> | Dense>> = { p: tensor(1, where) }
    let state = optimiser.init(parameters)
    return [1, -2, 0.5].map((g, i) => {
      const next = optimiser.step(parameters, { p: tensor(g, where) }, state, 0.1, i + 1)
      parameters = next.parameters as typeof parameters
      state = next.state
      return next.parameters.p!.item()
    })
  }
  const expectPath = (got: number[], want: number[]) => want.forEach((x, i) => expect(got[i]).toBeCloseTo(x, 12))

  it('are what their formulas say', () => {
    expectPath(path(sgd()), [0.9, 1.1, 1.05])
    // v: 1, −1.1, −0.49
    expectPath(path(sgd({ momentum: 0.9 })), [0.9, 1.01, 1.059])
    // steps: 1 + 0.9·1, −2 + 0.9·(−1.1), 0.5 + 0.9·(−0.49)
    expectPath(path(sgd({ momentum: 0.9, nesterov: true })), [0.81, 1.109, 1.1031])
    expectPath(path(sgd({ weightDecay: 0.5 })), [0.85, 1.0075, 0.907125])
    let [p, m, v] = [1, 0, 0]
    const want = [1, -2, 0.5].map((g, i) => {
      m = 0.9 * m + 0.1 * g
      v = 0.999 * v + 0.001 * g * g
      p = p * (1 - 0.1 * 0.01) - (0.1 * (m / (1 - 0.9 ** (i + 1)))) / (Math.sqrt(v / (1 - 0.999 ** (i + 1))) + 1e-8)
      return p
    })
    expectPath(path(adamw()), want)
    expect(() => sgd({ nesterov: true })).toThrow('momentum')
  })
})

describe('schedules', () => {
  it('are what their names say', () => {
    expect([0, 9, 10, 25].map(stepDecay(1, 10, 0.5))).toEqual([1, 1, 0.5, 0.25])
    const c = cosine(1, 10, 0.2)
    expect(c(0)).toBe(1)
    expect(c(5)).toBeCloseTo(0.6, 15)
    expect(c(10)).toBeCloseTo(0.2, 15)
    expect(c(99)).toBeCloseTo(0.2, 15)
    expect([0, 1, 3, 4].map(warmUp(4, constantRate(2)))).toEqual([0.5, 1, 2, 2])
  })
})

describe('model files', () => {
  const read = (config: object | string, weights = bytes(fresh(js()))) =>
    modelFrom(typeof config === 'string' ? config : JSON.stringify(config), weights)

  it('come back as they were', () => {
    const model = fresh(js(), { norm: 'layer' }, 'f64')
    const files = modelFiles(model)
    const again = modelFrom(files.config, files.weights, { dtype: 'f64' })
    expect(again.config).toEqual(model.config)
    expect(bytes(again)).toEqual(files.weights)
    expect(towerOf(again).blocks[0]!.scale).toBe(1 / 3)
  })

  it.each([
    ['{', 'config.json is not JSON'],
    [{}, 'architecture is undefined; expected one of residual-mlp'],
    [{ architecture: 'constructor' }, 'expected one of residual-mlp'],
    [{ ...config, activation: 'swoosh' }, 'activation is "swoosh"; expected one of "identity"|"relu"'],
    [{ ...config, depth: -1 }, 'config.json: depth is -1; expected number to be >=0'],
    [{ ...config, width: 2.5 }, 'config.json: width is 2.5; expected int'],
    [{ ...config, input: undefined, norm: 'x' }, 'input is missing; expected number — norm is "x"; expected one of'],
    [{ ...config, scale: { rule: 'constant', value: 'x' } }, 'scale.value is "x"; expected number'],
    [{ ...config, scale: { rule: 'n' } }, "scale.rule is \"n\"; expected 'constant' | '1/n'"],
    [{ ...config, scale: { rule: 'per-block', values: [1] } }, 'config.json: scale per-block wants 3 values'],
    ['{"architecture": "residual-mlp", "norm_eps": NaN}', 'config.json is not JSON'],
    [{ ...config, depth: 1 << 20 }, 'the file has 19 tensors; config.json wants 1048576 blocks'],
    [{ ...config, depth: 4 }, 'tensor "blocks.3.fc1.weight" [8,6] is missing'],
    [{ ...config, depth: 2 }, 'tensor "blocks.2.fc1.weight" is not part of'],
    [{ ...config, hidden: 9 }, 'is [8,6]; config.json makes it [9,6]'],
  ])('say what is wrong: %j', (c, message) => {
    expect(() => read(c)).toThrow(message)
  })
})
