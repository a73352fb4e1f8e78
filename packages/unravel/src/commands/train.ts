import { createHash } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { percent, plural, significant } from '@unravel/report/data'
import {
  type Augmentation,
  accuracy,
  adamw,
  arithmeticOf,
  averaged,
  averageOf,
  constantRate,
  cosine,
  type Examples,
  examplesBetween,
  initialise,
  initialisers,
  inMemory,
  type Model,
  type Optimiser,
  parametersOf,
  type RunDescription,
  type ScalePreset,
  type Schedule,
  type StepMetrics,
  scalesOf,
  sgd,
  stepDecay,
  type TrainingState,
  train,
  undecayed,
  warmUp,
} from '@unravel/resnet'
import {
  makeFolder,
  modelFileNames,
  readCheckpoint,
  writeCheckpoint,
  writeFileAtomically,
  writeModel,
} from '@unravel/resnet/node'
import { type Backend, Random } from '@unravel/tensor'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type BackendName, backendNamed, backendNames, reportingFallbacks } from '../backends.js'
import { type Data, type DataChoice, dataNames, datasetNamed, hasName, sampleNames, writeSample } from '../data.js'
import { Interrupted, isOutOfMemory, oneLine, UsageError } from '../errors.js'
import { checkWritable, undoing } from '../files.js'
import { at, type Io } from '../io.js'
import { checkData, checkNetwork, familyOf, type NetworkOptions, withNetworkOptions } from '../networks.js'
import { progressBar, timeLeft } from '../progress.js'
import { METRICS, ORDERS, stepWriter } from '../records.js'
import { programLine } from '../shell.js'
import { expandedAt } from '../spectra.js'
import { integer, number, presetNames, scalePreset } from '../values.js'

interface TrainOptions extends NetworkOptions, Omit<DataChoice, 'context'> {
  readonly out: string
  readonly examples?: number
  readonly augment?: Augmentation
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
  readonly decay: 'all' | 'weights'
  readonly labelSmoothing: number
  readonly ema?: number
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
  const command = new Command('train')
    .description('Training of a residual network on images or text, written as a folder that expand reads.')
    .requiredOption('--data <name>', `data set: ${dataNames}`)
    .option('--data-dir <FOLDER>', 'folder of the files of a data set that has a name')
    .option('--examples <n>', 'examples of the training set that are used, the first ones (default: all)', integer(1))
    .option(
      '--augment <names>',
      'random changes of the images: flip (mirrored), crop (shifted by up to 4)',
      augmentation,
    )
    .requiredOption('--out <FOLDER>', 'folder for config.json, model.safetensors, sample.npy and labels.npy')
    .optionsGroup('Network:')
  return withNetworkOptions(command)
    .addOption(
      new Option('--scale <rule>', `scale of the branches: ${presetNames}`)
        .argParser(scalePreset)
        .default(scalePreset('1/sqrt(n)'), '1/sqrt(n)'),
    )
    .option('--trainable-scale', 'learned factor of the scale in every block')
    .addOption(
      new Option(
        '--init <name>',
        'initialisation of the weights (default: lecun-normal, of a resnet he-normal; xavier-normal with deep-norm, he-normal with fixup)',
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
    .addOption(
      new Option(
        '--decay <which>',
        'parameters that decay: all, or weights (no biases, norms and learned scales, nor tokens and positions of a vit)',
      )
        .choices(['all', 'weights'])
        .default('all'),
    )
    .option('--label-smoothing <ε>', 'share of every label that is spread evenly over the classes', share, 0)
    .option(
      '--ema <d>',
      'decay of a moving average of the weights, which is then what is tested and written',
      number({ from: 0, below: 1 }),
    )
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
    .option('--resume', 'continuation from the checkpoint, also of a run that ended, to more --steps')
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
    .hook('preAction', self => {
      const given = (name: string) => self.getOptionValueSource(name) === 'cli'
      checkNetwork(self.opts(), given)
      checkTraining(self.opts(), given)
    })
    .action((options: TrainOptions) => runTraining(options, io))
}

/** Throws UsageError for options of training that would change nothing. */
function checkTraining({ optimizer, checkpoint }: TrainOptions, given: (name: string) => boolean): void {
  if (given('momentum') && optimizer !== 'sgd') {
    throw new UsageError(`--momentum: it is of sgd; leave it out, or choose --optimizer sgd`)
  }
  if (given('checkpointEvery') && checkpoint === undefined) {
    throw new UsageError('--checkpoint-every: it is of checkpoints; name their file with --checkpoint FILE')
  }
}

/** Pixels by which `--augment crop` may shift an image. */
const CROP = 4

/** A number from 0 to 1, both included. */
const share = (text: string): number => {
  const value = number({ from: 0 })(text)
  if (value > 1) throw new InvalidArgumentError('It must be a finite number from 0 to 1.')
  return value
}

const augmentation = (text: string): Augmentation => {
  const names = text.split(',')
  if (names.some(name => name !== 'flip' && name !== 'crop')) {
    throw new InvalidArgumentError("It must be 'flip', 'crop', or 'flip,crop'.")
  }
  return { flip: names.includes('flip'), crop: names.includes('crop') ? CROP : 0 }
}

async function runTraining(options: TrainOptions, io: Io): Promise<void> {
  const signal = io.interruption()
  const checkpoint = options.checkpoint && at(io, options.checkpoint)
  const out = at(io, options.out)
  const metrics = options.metrics
    ? at(io, options.metrics)
    : options.expandEvery === undefined
      ? undefined
      : join(out, METRICS)
  if (checkpoint) checkWritable(checkpoint, '--checkpoint', out)
  if (metrics) checkWritable(metrics, '--metrics', out)
  checkPlacesApart(options, out, metrics, checkpoint)
  checkResumption(options, checkpoint)
  if (options.dataDir !== undefined && !hasName(options.data)) {
    throw new UsageError(`--data-dir: it is of data sets that have a name; ${options.data} names its place itself`)
  }
  if (options.model === 'residual-mlp' && options.norm === 'batch' && options.batch === 1) {
    throw new UsageError(
      '--batch 1: batch norm expected more than 1 value per channel when training; take more examples',
    )
  }
  const backend = await backendNamed(options.backend, io)

  const found = datasetNamed(options, io)
  checkData(options, options.data, found.train)
  if (options.augment !== undefined && found.vocabulary !== undefined) {
    throw new UsageError(`--augment: it is of images; ${options.data} is text`)
  }
  const data = { ...found, train: examplesBetween(found.train, 0, options.examples ?? found.train.size) }
  if (options.batch > data.train.size) {
    throw new UsageError(`--batch ${options.batch}: the training set has only ${data.train.size} examples`)
  }

  await reportingFallbacks(io, backend, async () => {
    const undo = makeFolder(out, [...modelFileNames, ...sampleNames, ORDERS])
    const keep = (model: Model) => writeOutcome(out, model, data)
    const { fresh, plan, from, write, spectra } = undoing(undo, () => {
      const fresh = freshModel(options, data.train, backend)
      const plan = planOf(options, fresh, data)
      const from = options.resume && checkpoint ? resumed(checkpoint, fresh, plan, options, backend, io) : undefined
      const step = from?.step ?? 0
      const write = metrics ? stepWriter(metrics, `--metrics ${metrics}`, step) : () => {}
      // Of another run that had the folder.
      if (step === 0 && metrics !== join(out, METRICS)) rmSync(join(out, METRICS), { force: true })
      return { fresh, plan, from, write, spectra: spectraWriter(options, out, step, data.test, backend, io) }
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
      ...{ options, data: data.train, checkpoint, record, spectra, lastLoss, keep, signal, io },
      validation: examplesBetween(data.test, 0, options.model === 'residual-mlp' ? VALIDATED : FEWER_VALIDATED),
    })
    const seconds = (performance.now() - started) / 1000
    keep(averageOf(state))
    await conclude(state, lastLoss(), seconds, options, data.test, io)
  })
}

/** The state in a checkpoint; says where its numbers will not be those of one run without a break, or may not be. */
function resumed(
  path: string,
  fresh: Model,
  { optimiser, run, steps }: Plan,
  options: TrainOptions,
  backend: Backend,
  io: Io,
) {
  const { anyBackend = false, checkpoint } = options
  const allowed = { backend, anyBackend, moreSteps: true, optional: [DIGEST] }
  const from = readCheckpoint(path, fresh, optimiser, run, allowed)
  if (steps < from.step) {
    throw new UsageError(`--steps ${steps}: ${checkpoint} has done ${from.step} steps; give more`)
  }
  const here = arithmeticOf(backend)
  const otherwise = 'the result differs in its last bits from that of a run without a break'
  if (from.backend === undefined) {
    io.err(`note: ${checkpoint} does not record its backend: unless it was ${here}, ${otherwise}\n`)
  } else if (from.backend !== here) {
    io.err(`note: ${checkpoint} was written on ${oneLine(from.backend)}, this is ${here}: ${otherwise}\n`)
  }
  if (from.unrecorded.includes(DIGEST)) {
    io.err(`note: ${checkpoint} does not record the ${DIGEST}: unless it was the same, the result is of no one run\n`)
  }
  if (from.planned !== steps && options.schedule !== 'constant') {
    io.err(
      `note: ${checkpoint} is of a run of ${from.planned} steps, this is one of ${steps}: the rate of a ${options.schedule} schedule goes on as that of the longer run\n`,
    )
  }
  return from
}

function presetOf({ scale, trainableScale }: TrainOptions, blocks: number): ScalePreset {
  try {
    scalesOf(scale.rule, blocks)
  } catch (error) {
    throw new UsageError(`--scale: ${(error as Error).message}`)
  }
  return trainableScale && scale.learned === undefined ? { ...scale, learned: 1 } : scale
}

/** Throws UsageError where one file of a run would take the place of another. */
function checkPlacesApart(
  { expandEvery }: TrainOptions,
  out: string,
  metrics: string | undefined,
  checkpoint: string | undefined,
): void {
  const own = [...modelFileNames, ...sampleNames, VOCABULARY, ...(expandEvery === undefined ? [] : [ORDERS])]
  const taken = own.map(name => join(out, name))
  for (const [option, path] of [
    ['--metrics', metrics],
    ['--checkpoint', checkpoint],
  ] as const) {
    if (path === undefined) continue
    if (taken.includes(path))
      throw new UsageError(`${option} ${path}: another file of this run goes there; name another`)
    taken.push(path)
  }
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

function freshModel(options: TrainOptions, data: Examples, backend: Backend): Model {
  const { init, seed, dtype } = options
  const { architecture, config: configFrom, weights: usual } = familyOf(options)
  const config = configFrom(options, data)
  const scale = presetOf(options, architecture.depth(config))
  const weights = init !== undefined ? initialisers[init] : isOwnStart(scale) ? undefined : usual
  try {
    return initialise(architecture, config, {
      random: new Random(seed),
      ...(weights && { weights }),
      ...{ scale, dtype, backend },
    }) as Model
  } catch (error) {
    // Such as a preset in place of norms, and a norm.
    if (error instanceof RangeError) throw new UsageError(error.message.replace(/^initialise: /, ''))
    throw error
  }
}

/** Whether a preset says how weights start. */
const isOwnStart = ({ rule: { rule } }: ScalePreset): boolean => rule === 'deep-norm' || rule === 'fixup'

/** How a run goes, apart from the model. */
interface Plan {
  readonly steps: number
  readonly optimiser: Optimiser
  readonly schedule: Schedule
  /** The settings that identify a run, for its checkpoints. */
  readonly run: RunDescription
}

/** The setting of a run that tells apart data of equal sizes and moments, such as texts. */
const DIGEST = 'digest of the data'

/** A hash of the examples of the training set, and of the characters that its ids stand for. */
function digestOf({ train: { inputs, labels, shape, classes }, vocabulary }: Data): string {
  const hash = createHash('sha256').update(JSON.stringify([inputs.constructor.name, shape, classes, vocabulary ?? []]))
  for (const { buffer, byteOffset, byteLength } of [inputs, labels]) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength))
  }
  return hash.digest('hex').slice(0, 32)
}

function planOf(options: TrainOptions, fresh: Model, data: Data): Plan {
  const { size, mean, deviation } = data.train
  const { batch, optimizer, momentum, weightDecay, schedule, warmup, clip, seed, dtype } = options
  const steps = options.steps ?? options.epochs * Math.max(1, Math.floor(size / batch))
  const rate = options.lr ?? (optimizer === 'sgd' ? 0.05 : 1e-3)
  const decay = {
    ...(weightDecay === undefined ? {} : { weightDecay }),
    ...(options.decay === 'weights' ? { undecayed: undecayed(fresh) } : {}),
  }
  const schedules = {
    constant: constantRate(rate),
    step: stepDecay(rate, Math.ceil(steps / 3)),
    cosine: cosine(rate, steps),
  }
  const rule = optimizer === 'sgd' ? sgd({ momentum, ...decay }) : adamw(decay)
  const { augment, labelSmoothing } = options
  // Settings that checkpoints of earlier versions do not know are written only where they are set.
  const changes = [
    augment?.flip && 'flipped',
    augment?.crop && `shifted by up to ${augment.crop}`,
    labelSmoothing > 0 && `labels smoothed by ${labelSmoothing}`,
  ].filter(change => typeof change === 'string')
  return {
    steps,
    optimiser: options.ema === undefined ? rule : averaged(rule, options.ema),
    schedule: warmup === 0 ? schedules[schedule] : warmUp(warmup, schedules[schedule]),
    run: {
      data: [`${size} examples of mean ${mean} and deviation ${deviation}`, ...changes].join(', '),
      ...(options.checkpoint === undefined ? {} : { [DIGEST]: digestOf(data) }),
      ...{ steps, batch, seed, schedule, warmup, dtype },
      'learning rate': rate,
      clip: clip ?? 'none',
    },
  }
}

interface Setting {
  readonly options: TrainOptions
  readonly data: Examples
  /** Examples on which accuracy is shown while training goes on. */
  readonly validation: Examples
  readonly checkpoint: string | undefined
  readonly record: (metrics: StepMetrics) => void
  readonly spectra: (state: TrainingState) => Promise<void>
  /** Writes a model into the folder of the run. */
  readonly keep: (model: Model) => void
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
  const { batch: batchSize, seed, augment, labelSmoothing } = options
  const losses: number[] = []
  const result = await train(fresh, {
    data: inMemory(data, { batchSize, seed, augment }),
    ...{ steps, optimiser, schedule, labelSmoothing, signal },
    ...(options.clip === undefined ? {} : { clipNorm: options.clip }),
    ...(from === undefined ? {} : { from }),
    async onStep(metrics, state) {
      record(metrics)
      if (metrics.step > steps - Math.ceil(steps / 10)) losses.push(metrics.loss)
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
  const message = result.ended === 'diverged' ? result.message : beyondGuessing(losses, data.classes)
  if (message !== undefined) {
    setting.keep(averageOf(result.state))
    if (options.json) io.out(documentOf(result.state, 'diverged', setting.lastLoss(), null))
    throw new UsageError(`training diverged: ${message} (they are in ${options.out})`)
  }
  save(result.state)
  return result.state
}

/** Times the loss of an even guess, ln classes, beyond which a run has not come to anything, finite or not. */
const HOPELESS = 100

/** Why a run whose last losses are these has diverged, though all its numbers are finite; undefined where it has not. */
function beyondGuessing(losses: readonly number[], classes: number): string | undefined {
  const mean = losses.reduce((sum, loss) => sum + loss / losses.length, 0)
  const guessing = Math.log(Math.max(2, classes))
  if (!(mean > HOPELESS * guessing)) return undefined
  return (
    `the mean loss of the last tenth of the steps is ${significant(mean)}, and ${significant(guessing)} by guessing; kept the last weights: ` +
    'use a smaller scale, such as 1/sqrt(n) or 1/n, or a smaller learning rate'
  )
}

/** Records the order spectrum of the network every so many steps, on the inputs of its sample; on resumption the lines up to
 *  step `from` stay, of another run none. */
function spectraWriter(
  { expandEvery }: TrainOptions,
  out: string,
  from: number,
  test: Examples,
  backend: Backend,
  io: Io,
): (state: TrainingState) => Promise<void> {
  const path = join(out, ORDERS)
  if (expandEvery === undefined) {
    if (from === 0) rmSync(path, { force: true })
    return async () => {}
  }
  const write = stepWriter(path, path, from)
  let fits = true
  return async state => {
    if (!fits || state.step % expandEvery !== 0) return
    try {
      write(await expandedAt(state.step, averageOf(state), test, backend))
    } catch (error) {
      if (!isOutOfMemory(error)) throw error
      fits = false
      io.err(
        `warning: --expand-every: an order spectrum does not fit in memory (${oneLine((error as Error).message)}): from step ${state.step} on none is taken, and training goes on\n`,
      )
    }
  }
}

/** Test examples on which accuracy is shown during training, about twenty times: of vectors, and of images and sequences. */
const VALIDATED = 512
const FEWER_VALIDATED = 128
/** Milliseconds between two measurements of it. */
const BETWEEN = 2000

/** A bar on a terminal, else about twenty lines in all: loss, milliseconds a step, time left, and the accuracy on held-out
 *  examples, measured about twenty times in a run that takes long enough. */
function progressOf(io: Io, steps: number, validation: Examples) {
  const bar = io.terminal === undefined ? undefined : progressBar(io, 'train', steps, 'steps')
  const every = Math.max(1, Math.floor(steps / 20))
  const started = performance.now()
  let first: number | undefined
  let measuring = 0
  let measured = started
  let right = ''
  return {
    async step({ step, loss }: StepMetrics, state: TrainingState) {
      first ??= step - 1
      const now = performance.now()
      const each = (now - started - measuring) / (step - first)
      if (step % every === 0 && step < steps && now - measured > BETWEEN) {
        right = `  accuracy ${percent(await accuracy(averageOf(state), validation))} of ${validation.size} test examples`
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

/** The character of every id of a text. */
const VOCABULARY = 'vocabulary.json'

/** Writes a model with a sample of its test set; what another run left beside them goes. */
function writeOutcome(folder: string, model: Model, { test, vocabulary }: Data): void {
  writeModel(folder, model)
  writeSample(folder, model, test)
  const characters = join(folder, VOCABULARY)
  if (vocabulary === undefined) rmSync(characters, { force: true })
  else writeFileAtomically(characters, `${JSON.stringify(vocabulary)}\n`)
}

/** Says what came out and what to do with it. */
async function conclude(
  state: TrainingState,
  loss: number | null,
  seconds: number,
  options: TrainOptions,
  test: Examples,
  io: Io,
) {
  const bar = progressBar(io, 'test', test.size, 'examples')
  const begin = performance.now()
  const right = await accuracy(averageOf(state), test, { onProgress: done => bar.update(done) }).finally(() =>
    bar.stop(),
  )
  if (options.json) return io.out(documentOf(state, 'done', loss, right))
  const times = `${seconds.toFixed(1)} s of training, ${((performance.now() - begin) / 1000).toFixed(1)} s of testing`
  io.out(`test accuracy ${percent(right)} of ${test.size} examples after ${plural(state.step, 'step')} (${times})\n`)
  const [sample, labels] = sampleNames.map(name => join(options.out, name)) as [string, string]
  io.out(`go on with: ${programLine('expand', options.out, '--input', sample, '--expansion', 'gated')}\n`)
  io.out(`        or: ${programLine('lesion', options.out, '--input', sample, '--labels', labels)}\n`)
}
