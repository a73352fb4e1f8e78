import {
  add,
  argmax,
  backendOf,
  crossEntropy,
  max,
  min,
  mul,
  reshape,
  scope,
  sumSquares,
  type Tensor,
  valueAndGrad,
} from '@unravel/tensor'
import { like, shown } from '@unravel/tensor/internals'
import type { Model, TrainingPass } from './architecture.js'
import {
  type Batch,
  batchOf,
  batchTensors,
  checkBatch,
  checkExamples,
  type Dataset,
  type Examples,
  inMemory,
} from './dataset.js'
import { allFinite } from './finite.js'
import { parametersOf, towerOf } from './models.js'
import type { Named, Optimiser } from './optimisers.js'
import type { Schedule } from './schedules.js'
import { run } from './tower.js'

// Types that declarations mention, here and in zod, and TypeScript has in its DOM library only. Beside that library these add
// nothing.
declare global {
  interface AbortSignal {}
  interface URL {}
}

/** Where training stands: with the data and the options, all that its future depends on. */
export interface TrainingState {
  readonly model: Model
  readonly optimiser: Named
  /** Steps done. */
  readonly step: number
}

export interface StepMetrics {
  /** Steps done, this one included. */
  readonly step: number
  /** Of this step's batch, before the update. */
  readonly loss: number
  readonly learningRate: number
  /** Global norm of the gradient, before clipping. */
  readonly gradientNorm: number
}

export interface TrainOptions {
  /** The batches of the steps; or examples, of which batches are drawn (`inMemory`). */
  readonly data: Dataset | Examples
  /** Steps in all, those before a resumption included. */
  readonly steps: number
  /** Of examples: how many a batch holds. */
  readonly batchSize?: number
  readonly optimiser: Optimiser
  readonly schedule: Schedule
  /** Of examples: of their order (default 0). */
  readonly seed?: number
  /** Share of every label that is spread evenly over the classes (default 0). */
  readonly labelSmoothing?: number
  /** Gradients g of larger global norm are scaled down to it, by clipNorm/(‖g‖ + 1e-6), as in PyTorch. */
  readonly clipNorm?: number
  /** Takes up training where this state left it. */
  readonly from?: TrainingState
  /** Called after every step. The state's tensors live until two steps later, those of the last state for good. */
  readonly onStep?: (metrics: StepMetrics, state: TrainingState) => void | Promise<void>
  readonly signal?: AbortSignal
}

export interface TrainResult {
  /** After the last step; after a divergence, the last state whose loss was finite. */
  readonly state: TrainingState
  readonly ended: 'done' | 'diverged' | 'aborted'
  /** The reason and the remedy, where training did not end by itself. */
  readonly message?: string
}

/** Weight of a batch in the running statistics, as in PyTorch. */
const STATISTICS_MOMENTUM = 0.1
/** Added to the norm of a gradient that is clipped, as in PyTorch's clip_grad_norm_. */
const CLIP_EPS = 1e-6
/** Milliseconds between two turns of the event loop. */
const TURN = 50

/**
 * Trains a classifier by cross-entropy. Deterministic: the same model, data, options and backend give the same bits, also
 * when training is interrupted and resumed from a state. Stops with a message as soon as a loss, a gradient or the weights
 * are not finite. Memory stays flat: tensors of earlier steps are freed; those that are passed in are not touched, those
 * of the result are the caller's.
 *
 * @throws RangeError for a batch that is larger than the data, numbers that count or bound nothing, and a dataset or a batch
 *  whose arrays are not of its size or whose labels are no integers
 */
export async function train(model: Model, options: TrainOptions): Promise<TrainResult> {
  const { data: source, steps, batchSize = Number.NaN, optimiser, seed = 0, clipNorm, from, signal } = options
  const data = isExamples(source) ? inMemory(source, { batchSize, seed }) : source
  if (!(Number.isSafeInteger(steps) && steps >= 0)) {
    throw new RangeError(`train: steps must be an integer of at least 0, got ${shown(steps)}`)
  }
  if (clipNorm !== undefined && !(clipNorm > 0))
    throw new RangeError(`train: clipNorm must be above 0, got ${shown(clipNorm)}`)
  const batches = endless(data, from?.step ?? 0)
  let state = from ?? { model, optimiser: scope(() => optimiser.init(parametersOf(model))), step: 0 }
  let before = state
  const given = new Set([...Object.values(model.tensors), ...(from === undefined ? [] : tensorsOf(from))])
  let turned = performance.now()
  try {
    while (state.step < steps) {
      if (signal?.aborted) return { state, ended: 'aborted', message: `stopped after step ${state.step} of ${steps}` }
      const batch = await batches.next()
      checkBatch(batch, `train: the batch of step ${state.step + 1}`)
      const next = await step(state, batch, options)
      if (next.state === null) {
        // A loss that is not finite is the work of the update before it; a gradient, of this very state.
        const { loss, gradientNorm, step } = next.metrics
        if (Number.isFinite(loss)) {
          free(before, state, given)
          if (step === 1) {
            const found = `the norm of the gradient is ${gradientNorm} before any update`
            return { state, ended: 'diverged', message: await notFromTheStart(state, found, 'gradient', batch) }
          }
          return diverged(`the norm of the gradient became ${gradientNorm} at step ${step}`, state)
        }
        free(state, before, given)
        if (step === 1) {
          const found = `the loss is ${loss} before any update`
          return { state: before, ended: 'diverged', message: await notFromTheStart(before, found, 'output', batch) }
        }
        return diverged(`the loss became ${loss} at step ${step}`, before)
      }
      if (before !== state) free(before, state, given)
      before = state
      state = next.state
      await options.onStep?.(next.metrics, state)
      if (performance.now() - turned > TURN) {
        await new Promise(resolve => setTimeout(resolve))
        turned = performance.now()
      }
    }
  } catch (error) {
    // The state that was reported last is the caller's; a state that was not reported has no owner.
    free(before, state, given)
    if (state.step === (from?.step ?? 0)) free(state, { ...state, optimiser: {} }, given)
    throw error
  } finally {
    await batches.close()
  }
  if (before !== state && !(await finite(state))) {
    free(state, before, given)
    return diverged(`the weights overflowed at step ${state.step}`, before)
  }
  free(before, state, given)
  return { state, ended: 'done' }
}

const diverged = (what: string, state: TrainingState): TrainResult => ({
  state,
  ended: 'diverged',
  message:
    `${what}; kept the weights of step ${state.step}: ` +
    'use a smaller learning rate, a smaller scale, or clip the gradient',
})

/** Why a loss or a gradient is not finite before any update, and what to do. */
async function notFromTheStart(
  state: TrainingState,
  found: string,
  what: 'output' | 'gradient',
  { inputs }: Batch,
): Promise<string> {
  if (!((await finite(state)) && allFinite(inputs)))
    return `${found}: look for such numbers in the data and the weights`
  const { model } = state
  const scales = scope(() => towerOf(model).blocks.map(block => Math.abs(block.scale)))
  const largest = scales.reduce((a, b) => Math.max(a, b), 0)
  const { dtype } = Object.values(parametersOf(model))[0]!
  return (
    `${found}, from finite data and weights: at λ = ${Number(largest.toPrecision(4))} the ${scales.length} blocks let the ${what} grow ` +
    `beyond ${dtype}; use a smaller scale, such as 1/sqrt(n) or 1/n, fewer blocks, or a norm`
  )
}

/** Σ x² over all tensors, in their dtype. */
const squaredNorm = (tensors: Named): Tensor =>
  scope(() =>
    Object.values(tensors)
      .map(t => sumSquares(t))
      .reduce((total, part) => add(total, part)),
  )

/** The largest magnitude in all tensors; NaN where one is. */
async function largest(tensors: Named): Promise<number> {
  const ends = scope(() => Object.values(tensors).flatMap(t => (t.size === 0 ? [] : [max(t), min(t)])))
  try {
    return Math.max(0, ...(await Promise.all(ends.map(scalar))).map(Math.abs))
  } finally {
    dispose(ends)
  }
}

/** ‖tensors‖ = norm / by, of the numbers times `by`: a power of two for numbers whose squares overflow or vanish. */
interface Norm {
  readonly norm: number
  readonly by: number
}

/** The norm from Σ x², or, where that is out of the range of its dtype, from numbers near 1. */
async function normFrom(squared: number, tensors: Named): Promise<Norm> {
  const { dtype } = Object.values(tensors)[0]!
  const [least, limit] = dtype === 'f32' ? [1e-30, 126] : [1e-290, 1022]
  if (squared >= least && squared < Infinity) return { norm: Math.sqrt(squared), by: 1 }
  const most = await largest(tensors)
  if (!(most > 0 && most < Infinity)) return { norm: most, by: 1 }
  const by = 2 ** Math.min(limit, Math.max(-limit, -Math.floor(Math.log2(most))))
  const again = scope(() => squaredNorm(times(tensors, by)))
  try {
    return { norm: Math.sqrt(await scalar(again)), by }
  } finally {
    dispose([again])
  }
}

const times = (tensors: Named, by: number): Named =>
  Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, mul(t, by)]))

/** Its only element, on every backend: a device that cannot be waited for is awaited. */
const scalar = async (t: Tensor): Promise<number> => (await t.data())[0]!

function dispose(tensors: Iterable<Tensor>): void {
  for (const t of tensors) t.dispose()
}

const tensorsOf = (state: TrainingState): Tensor[] => [
  ...Object.values(state.model.tensors),
  ...Object.values(state.optimiser),
]

/** Disposes what `old` has and `kept` has not. */
function free(old: TrainingState, kept: TrainingState, given: ReadonlySet<Tensor>): void {
  const alive = new Set(tensorsOf(kept))
  dispose(tensorsOf(old).filter(t => !alive.has(t) && !given.has(t)))
}

async function finite({ model }: TrainingState): Promise<boolean> {
  return Number.isFinite(await largest(parametersOf(model)))
}

async function step(
  { model, optimiser: memory, step: done }: TrainingState,
  batch: Batch,
  { optimiser, schedule, clipNorm, labelSmoothing = 0 }: TrainOptions,
): Promise<{ metrics: StepMetrics; state: TrainingState | null }> {
  const parameters = parametersOf(model)
  const pass = scope(() => {
    const { dtype } = Object.values(parameters)[0]!
    const backend = backendOf(Object.values(parameters)[0]!)
    const { x, labels } = batchTensors(batch, { dtype, backend })
    const [loss, gradients, moments] = valueAndGrad((p: Named): [Tensor, Named] => {
      const seen: Record<string, Tensor> = {}
      const tower = towerOf(model, { tensors: { ...model.tensors, ...p }, training: recorder(seen) })
      const logits = run(tower, shaped(model, x, batch.shape))
      const rows = logits.shape.slice(0, -1)
      if (labels.size !== rows.reduce((a, b) => a * b, 1)) {
        throw new RangeError(
          `train: a batch has ${labels.size} labels; the model gives logits [${logits.shape}], which want [${rows}]`,
        )
      }
      return [crossEntropy(logits, reshape(labels, rows), { labelSmoothing }), seen]
    })(parameters)
    return { loss, gradients, moments, squared: squaredNorm(gradients) }
  })
  const used = new Set([pass.loss, pass.squared, ...Object.values(pass.gradients), ...Object.values(pass.moments)])
  try {
    const [loss, squared] = await Promise.all([scalar(pass.loss), scalar(pass.squared)])
    const learningRate = schedule(done)
    const { norm, by } = await normFrom(squared, pass.gradients)
    const metrics: StepMetrics = { step: done + 1, loss, learningRate, gradientNorm: norm / by }
    if (!Number.isFinite(loss) || !Number.isFinite(metrics.gradientNorm)) return { metrics, state: null }
    const next = scope(() => {
      // min(1, clip/(‖g‖ + ε))·g of g = near/by, whose norm is norm/by.
      const clips = clipNorm !== undefined && metrics.gradientNorm + CLIP_EPS > clipNorm
      const near = clips && by !== 1 ? times(pass.gradients, by) : pass.gradients
      const clipped = clips ? times(near, clipNorm / (norm + CLIP_EPS * by)) : pass.gradients
      const { parameters: updated, state } = optimiser.step(parameters, clipped, memory, learningRate, done + 1)
      const statistics = Object.entries(pass.moments).map(([name, value]) => {
        const running = mul(model.tensors[name]!, 1 - STATISTICS_MOMENTUM)
        return [name, add(running, mul(value, STATISTICS_MOMENTUM))]
      })
      return { tensors: { ...model.tensors, ...updated, ...Object.fromEntries(statistics) }, optimiser: state }
    })
    const state = { model: { ...model, tensors: next.tensors }, optimiser: next.optimiser, step: done + 1 }
    for (const t of tensorsOf(state)) used.delete(t)
    return { metrics, state }
  } finally {
    dispose(used)
  }
}

/** Examples [batch, elements] in the shape that the model takes; images of one channel may come without its axis. */
function shaped({ architecture, config }: Model, x: Tensor, shape: readonly number[] = x.shape): Tensor {
  const axes = architecture.input(config).shape.length
  if (axes === 1) return x
  const [batch, ...own] = shape
  return reshape(x, [batch!, ...new Array<number>(Math.max(0, axes - own.length)).fill(1), ...own])
}

/** The examples at `indices` as a batch that the model takes: `x`, standardised, and i32 `labels` [batch], or of sequences
 *  [batch, positions]. */
export function examplesFor(
  model: Model,
  data: Examples,
  indices: ArrayLike<number>,
  where: Parameters<typeof batchOf>[2] = {},
): { readonly x: Tensor; readonly labels: Tensor } {
  const { x, labels } = batchOf(data, indices, where)
  return { x: shaped(model, x, [indices.length, ...data.shape]), labels }
}

const isExamples = (data: Dataset | Examples): data is Examples => 'size' in data && 'inputs' in data

/** The batches of a dataset from that of step `first` on; one that ends begins again. */
function endless(data: Dataset, first: number) {
  const begin = (from?: number): Iterator<Batch> | AsyncIterator<Batch> => {
    const batches = from === undefined ? data : data.from!(from)
    return Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]()
  }
  let iterator = begin(data.from && first)
  let passed = data.from === undefined ? 0 : first
  /** Whether this iteration has given a batch. */
  let fresh = true
  const one = async (): Promise<Batch> => {
    for (;;) {
      const next = await iterator.next()
      if (!next.done) {
        fresh = false
        passed++
        return next.value
      }
      if (fresh) {
        throw new RangeError(
          `train: the data has no batch for step ${passed + 1}: it is empty, or it cannot be iterated again; ` +
            'give an object whose [Symbol.iterator]() begins anew, such as an array of batches',
        )
      }
      iterator = begin()
      fresh = true
    }
  }
  return {
    async next(): Promise<Batch> {
      while (passed < first) await one()
      return one()
    },
    close: async () => void (await iterator.return?.()),
  }
}

/** The model of a state with the moving averages of its parameters, where its optimiser keeps them (`averaged`); else its own. */
export function averageOf({ model, optimiser }: TrainingState): Model {
  const averages = Object.keys(model.tensors).flatMap(name => {
    const average = optimiser[`average.${name}`]
    return average === undefined ? [] : [[name, average] as const]
  })
  return { ...model, tensors: { ...model.tensors, ...Object.fromEntries(averages) } }
}

/** Keeps the moments of normalised layers under the names of their running statistics; variances unbiased. */
const recorder = (seen: Record<string, Tensor>): TrainingPass => ({
  moments(layer, { mean, variance }, count) {
    seen[`${layer}.running_mean`] = mean
    seen[`${layer}.running_var`] = mul(variance, count / Math.max(1, count - 1))
  },
})

export interface AccuracyOptions {
  /** Examples that go through the network together (default 512). */
  readonly batchSize?: number
  /** Called with the examples done, of all. */
  readonly onProgress?: (done: number, of: number) => void
}

/** The share of examples (or of positions of sequences) whose largest output is their label; NaN of none. Throws RangeError as
 *  `train` does. */
export async function accuracy(
  model: Model,
  data: Examples,
  { batchSize = 512, onProgress }: AccuracyOptions = {},
): Promise<number> {
  checkExamples(data)
  if (!(Number.isSafeInteger(batchSize) && batchSize >= 1)) {
    throw new RangeError(`accuracy: a batch must hold at least 1 example, got ${shown(batchSize)}`)
  }
  const where = like(Object.values(model.tensors)[0]!)
  const tower = towerOf(model)
  const positions = data.labels.length / data.size
  let right = 0
  for (let begin = 0; begin < data.size; begin += batchSize) {
    const indices = Array.from({ length: Math.min(batchSize, data.size - begin) }, (_, i) => begin + i)
    const guessed = scope(() => {
      return argmax(run(tower, examplesFor(model, data, indices, where).x))
    })
    const guess = await guessed.data()
    dispose([guessed])
    for (let i = 0; i < guess.length; i++) if (guess[i] === data.labels[begin * positions + i]) right++
    onProgress?.(begin + indices.length, data.size)
  }
  return right / data.labels.length
}
