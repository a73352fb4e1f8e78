import { join } from 'node:path'
import { analyse, gated, taylor } from '@unravel/expansion'
import {
  columns,
  type DemoResult,
  demoTable,
  inWords,
  percent,
  type State,
  significant,
  type TowerResult,
  type Tried,
} from '@unravel/report/data'
import {
  accuracy,
  cosine,
  type Examples,
  examplesBetween,
  examplesFor,
  heNormal,
  type InitialiseOptions,
  initialise,
  type Model,
  residualMlp,
  resnet,
  type ScaleRule,
  sgd,
  towerOf,
  train,
} from '@unravel/resnet'
import { type DataSets, makeFolder, writeFileAtomically, writeModel } from '@unravel/resnet/node'
import { type Backend, Random } from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { Command, Option } from 'commander'
import { type BackendName, backendNamed, backendNames, reportingFallbacks } from '../backends.js'
import { datasetNamed, SAMPLE, sampleNames, writeSample } from '../data.js'
import { Interrupted, UsageError } from '../errors.js'
import { undoing } from '../files.js'
import { at, type Io } from '../io.js'
import { progressBar } from '../progress.js'
import { programLine } from '../shell.js'
import { integer, numbers } from '../values.js'

interface DemoOptions {
  readonly deep?: true
  readonly dataDir?: string
  readonly out: string
  readonly depth: number
  readonly steps: number
  readonly lr: readonly number[]
  readonly seed: number
  readonly backend: BackendName
}

/** The towers of the demonstration: how their scale reads, its rule, and the name of their folder. */
const towers: readonly { readonly name: string; readonly rule: ScaleRule; readonly folder: string }[] = [
  { name: '1', rule: { rule: 'constant', value: 1 }, folder: 'lambda-1' },
  { name: '1/√n', rule: { rule: '1/sqrt(n)' }, folder: 'lambda-1-over-sqrt-n' },
  { name: '1/n', rule: { rule: '1/n' }, folder: 'lambda-1-over-n' },
]

/** SiLU grows with its argument, so that branches without a scale explode with depth (tanh would saturate and hide it), and
 *  it has poles, so that the radius of the Taylor series is finite and says something. */
const ACTIVATION = 'silu'
const WIDTH = 64
const BATCH = 64
const MOMENTUM = 0.9
/** Training images that are held out to choose the learning rate by. */
const HELD_OUT = 2000
/** Test images that are expanded, those of sample.npy, so that `expand` finds the same; and orders of the Taylor series. */
const EXPANDED = SAMPLE
const ORDERS = 16

export function demoCommand(io: Io): Command {
  return new Command('demo')
    .description('Comparison of three deep networks, trained on MNIST, that differ in the scale of their branches.')
    .option('--out <FOLDER>', 'folder for the report and the networks', 'unravel-demo')
    .option('--deep', 'ResNet-20s without normalization on images of CIFAR-10, in place of MLPs on MNIST: some minutes')
    .option('--data-dir <FOLDER>', 'folder of the files of the data set')
    .option('--depth <n>', 'residual blocks of each network (9 with --deep)', integer(1, 1000), 50)
    .option('--steps <n>', 'training steps at each rate', integer(1), 150)
    .addOption(
      new Option(
        '--lr <rates>',
        'learning rates of SGD with momentum 0.9, falling along a cosine: each tower keeps the best on held-out images; 0.02 with --deep',
      )
        .argParser(numbers({ above: 0 }))
        .default([0.003, 0.01, 0.03, 0.1], '0.003,0.01,0.03,0.1'),
    )
    .option('--seed <n>', 'random seed of the weights and of the order of the examples', integer(), 0)
    .addOption(new Option('--backend <name>', 'backend of the kernels').choices(backendNames).default('wasm'))
    .action((options: DemoOptions, self: Command) => {
      const given = (name: string) => self.getOptionValueSource(name) === 'cli'
      if (!options.deep) return demo(mlps(options), options, io)
      if (given('depth')) throw new UsageError('--depth: the networks of --deep have 9 blocks; leave it out')
      return demo(resnets, { ...options, lr: given('lr') ? options.lr : [DEEP_RATE] }, io)
    })
}

/** The common settings of the networks of a demonstration. */
interface Subject {
  readonly blocks: number
  /** In words. */
  readonly form: string
  readonly data: string
  readonly dataName: string
  readonly batch: number
  /** Test images that are expanded. */
  readonly expanded: number
  /** The images of each set that are used. */
  readonly images: { readonly train: number; readonly held: number; readonly test: number }
  fresh(scale: ScaleRule, data: Examples, options: InitialiseOptions): Model
}

const mlps = ({ depth }: DemoOptions): Subject => ({
  ...{ blocks: depth, form: `width ${WIDTH}, ${ACTIVATION}`, data: 'MNIST', dataName: 'mnist', batch: BATCH },
  expanded: EXPANDED,
  images: { train: Infinity, held: HELD_OUT, test: Infinity },
  fresh(rule, { shape, classes }, options) {
    const input = shape.reduce((numbers, n) => numbers * n, 1)
    const sizes = { input, width: WIDTH, hidden: WIDTH, output: classes, depth }
    const form = { activation: ACTIVATION, norm: 'none', norm_eps: 1e-5 } as const
    return initialise(
      residualMlp,
      { architecture: 'residual-mlp', ...sizes, ...form },
      { ...options, scale: { rule } },
    ) as unknown as Model
  },
})

const DEEP_RATE = 0.02
/** ResNet-20 (He et al. 2016), pre-activation, without norms; SiLU, since a ReLU of the stem's output sits on its kink at λ = 0. */
const resnets: Subject = {
  ...{ blocks: 9, form: `ResNet-20, pre-activation, ${ACTIVATION}`, data: 'images of CIFAR-10', dataName: 'cifar10' },
  batch: 32,
  expanded: 8,
  images: { train: 5000, held: 500, test: 1000 },
  fresh(rule, { shape, classes }, options) {
    const sizes = { layers: [3, 3, 3], widths: [16, 32, 64], in_channels: shape[0]!, classes }
    const form = { block: 'basic', stem: 'cifar', preactivation: true, norm: 'none', act_layer: ACTIVATION } as const
    return initialise(
      resnet,
      { architecture: 'resnet', ...sizes, ...form },
      { ...options, weights: heNormal, scale: { rule } },
    ) as unknown as Model
  },
}

async function demo(subject: Subject, options: DemoOptions, io: Io): Promise<void> {
  const started = performance.now()
  const signal = io.interruption()
  const backend = await backendNamed(options.backend, io)
  const folder = at(io, options.out)
  const undo = makeFolder(folder, ['report.html'])
  const data = parted(
    undoing(undo, () => datasetNamed({ data: subject.dataName, dataDir: options.dataDir }, io)),
    subject.images,
  )
  const setting: Setting = { subject, options, data, backend, io, signal }
  const results: TowerResult[] = []
  const { demoReport } = await reportingFallbacks(io, backend, async () => {
    for (const tower of towers) results.push(await trainedTower(tower, setting))
    return import('@unravel/report')
  })
  const result: DemoResult = {
    blocks: subject.blocks,
    width: WIDTH,
    activation: ACTIVATION,
    form: subject.form,
    data: subject.data,
    steps: options.steps,
    batch: subject.batch,
    rates: options.lr,
    heldOut: data.held.size,
    seed: options.seed,
    expanded: subject.expanded,
    tested: data.test.size,
    towers: results,
  }
  const commands = towers.map(tower => {
    const model = join(options.out, tower.folder)
    // As many orders as the table above was made of: with fewer the range of the radius is wider.
    return programLine('expand', model, '--input', join(model, 'sample.npy'), '--orders', String(ORDERS))
  })
  const last = join(options.out, towers.at(-1)!.folder)
  const [sample, labels] = sampleNames.map(name => join(last, name)) as [string, string]
  commands.push(programLine('lesion', last, '--input', sample, '--labels', labels))
  writeFileAtomically(join(folder, 'report.html'), demoReport(result, commands))

  io.out(`${columns(demoTable(result), 1)}\n`)
  for (const sentence of inWords(result)) io.out(`${sentence}\n`)
  io.out(`\nreport: ${join(options.out, 'report.html')}\ngo on with:\n`)
  for (const command of commands) io.out(`  ${command}\n`)
  io.err(`${((performance.now() - started) / 1000).toFixed(0)} s in all\n`)
}

interface Setting {
  readonly subject: Subject
  readonly options: DemoOptions
  readonly data: { readonly train: Examples; readonly held: Examples; readonly test: Examples }
  readonly backend: Backend
  readonly io: Io
  readonly signal: AbortSignal
}

/** Trains one tower, writes its folder, and measures it before and after. */
async function trainedTower(tower: (typeof towers)[number], setting: Setting): Promise<TowerResult> {
  const { subject, options, data, backend, io } = setting
  const random = new Random(options.seed)
  const fresh = subject.fresh(tower.rule, data.train, { random, dtype: 'f32', backend })

  const initial = await stateOf(fresh, setting)
  const started = performance.now()
  const runs: Run[] = []
  for (const rate of options.lr) {
    runs.push(await trainedAt(rate, fresh, tower.name, setting))
    await new Promise(resolve => setImmediate(resolve))
  }
  const best = runs.reduce((a, b) => (worth(b) > worth(a) ? b : a))
  const seconds = (performance.now() - started) / 1000

  const folder = join(at(io, options.out), tower.folder)
  writeModel(folder, best.model)
  writeSample(folder, best.model, data.test)
  const trained = await stateOf(best.model, setting)
  const end = best.divergedAt === null ? `test accuracy ${percent(trained.accuracy)}` : 'diverged'
  io.err(`λ = ${tower.name}: ${runs.length} runs in ${seconds.toFixed(0)} s; at rate ${best.rate} ${end}\n`)
  const { rate, losses, divergedAt } = best
  const tried = runs.map(({ rate, heldOut, divergedAt }) => ({ rate, heldOut, divergedAt }))
  return { name: tower.name, initial, trained, rate, tried, losses, divergedAt, seconds }
}

/** One run of training. */
interface Run extends Tried {
  readonly model: Model
  readonly losses: TowerResult['losses']
}

/** A run that diverged is worth less than any that did not. */
const worth = ({ divergedAt, heldOut }: Run): number => (divergedAt === null ? 1 + heldOut : divergedAt / 2 ** 53)

async function trainedAt(
  rate: number,
  fresh: Model,
  name: string,
  { subject, options, data, io, signal }: Setting,
): Promise<Run> {
  const { steps, seed } = options
  const losses: [number, number][] = []
  const bar = progressBar(io, `λ = ${name}, rate ${rate}`, steps, 'steps')
  const result = await train(fresh, {
    data: data.train,
    steps,
    batchSize: subject.batch,
    optimiser: sgd({ momentum: MOMENTUM }),
    schedule: cosine(rate, steps),
    seed,
    signal,
    onStep({ step, loss }) {
      losses.push([step, loss])
      bar.update(step, `loss ${significant(loss)}`)
    },
  }).finally(() => bar.stop())
  if (result.ended === 'aborted') throw new Interrupted(`λ = ${name} ${result.message}`)
  const { model } = result.state
  const divergedAt = result.ended === 'diverged' ? losses.length + 1 : null
  return { rate, model, losses, divergedAt, heldOut: await accuracy(model, data.held) }
}

/** The last training images as a set of their own; of large sets the first images. */
function parted({ train, test }: DataSets, images: Subject['images']): Setting['data'] {
  const held = Math.min(images.held, Math.floor(train.size / 10))
  const size = Math.min(images.train, train.size - held)
  return {
    train: examplesBetween(train, 0, size),
    held: examplesBetween(train, size, size + held),
    test: examplesBetween(test, 0, Math.min(images.test, test.size)),
  }
}

/** Accuracy on the test set, and the expansions of its first images in f64. */
async function stateOf(model: Model, { subject, data, backend }: Setting): Promise<State> {
  const where = { dtype: 'f64', backend } as const
  const { x } = examplesFor(
    model,
    data.test,
    Array.from({ length: subject.expanded }, (_, i) => i),
    where,
  )
  const wide = Object.fromEntries(Object.entries(model.tensors).map(([name, t]) => [name, (t as Dense).to('f64')]))
  const tower = towerOf(model, { tensors: wide })
  return {
    accuracy: await accuracy(model, data.test),
    gated: await analyse(gated(tower, x, 'all')),
    taylor: await analyse(taylor(tower, x, ORDERS)),
  }
}
