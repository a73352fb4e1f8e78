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
} from '@unravel/report/data'
import {
  accuracy,
  batchOf,
  cosine,
  type Dataset,
  initialise,
  type Model,
  residualMlp,
  type ScaleRule,
  sgd,
  towerOf,
  train,
} from '@unravel/resnet'
import { makeFolder, writeFileAtomically, writeModel } from '@unravel/resnet/node'
import { type Backend, type Dense, Random } from '@unravel/tensor'
import { Command, Option } from 'commander'
import { type BackendName, backendNamed, backendNames, reportingFallbacks } from '../backends.js'
import { datasetNamed, sampleNames, writeSample } from '../data.js'
import { Interrupted } from '../errors.js'
import { undoing } from '../files.js'
import { at, type Io } from '../io.js'
import { progressBar } from '../progress.js'
import { programLine } from '../shell.js'
import { integer, number } from '../values.js'

interface DemoOptions {
  readonly out: string
  readonly depth: number
  readonly steps: number
  readonly lr: number
  readonly seed: number
  readonly backend: BackendName
}

/** The towers of the demonstration: how their scale reads, its rule, and the name of their folder. */
const towers: readonly { readonly name: string; readonly rule: ScaleRule; readonly folder: string }[] = [
  { name: '1', rule: { rule: 'constant', value: 1 }, folder: 'lambda-1' },
  { name: '1/√n', rule: { rule: '1/sqrt(n)' }, folder: 'lambda-1-over-sqrt-n' },
  { name: '1/n', rule: { rule: '1/n' }, folder: 'lambda-1-over-n' },
]

/** tanh has poles: the radius of the Taylor series is finite, and says something. */
const ACTIVATION = 'tanh'
const WIDTH = 64
const BATCH = 64
const MOMENTUM = 0.9
/** Test images that are expanded, and orders of the Taylor series. */
const EXPANDED = 32
const ORDERS = 16

export function demoCommand(io: Io): Command {
  return new Command('demo')
    .description('Comparison of three deep networks, trained on MNIST, that differ in the scale of their branches.')
    .option('--out <FOLDER>', 'folder for the report and the networks', 'unravel-demo')
    .option('--depth <n>', 'residual blocks of each network', integer(1, 1000), 50)
    .option('--steps <n>', 'training steps of each network', integer(1), 500)
    .option('--lr <rate>', 'learning rate of SGD with momentum 0.9, falling along a cosine', number({ above: 0 }), 0.01)
    .option('--seed <n>', 'random seed of the weights and of the order of the examples', integer(), 0)
    .addOption(new Option('--backend <name>', 'backend of the kernels').choices(backendNames).default('wasm'))
    .action((options: DemoOptions) => demo(options, io))
}

async function demo(options: DemoOptions, io: Io): Promise<void> {
  const started = performance.now()
  const signal = io.interruption()
  const backend = await backendNamed(options.backend, io)
  const folder = at(io, options.out)
  const undo = makeFolder(folder, ['report.html'])
  const data = undoing(undo, () => datasetNamed('mnist', io))
  const setting: Setting = { options, data, backend, io, signal }
  const results: TowerResult[] = []
  const { demoReport } = await reportingFallbacks(io, backend, async () => {
    for (const tower of towers) results.push(await trainedTower(tower, setting))
    return import('@unravel/report')
  })
  const result: DemoResult = {
    blocks: options.depth,
    width: WIDTH,
    activation: ACTIVATION,
    steps: options.steps,
    batch: BATCH,
    learningRate: options.lr,
    seed: options.seed,
    expanded: EXPANDED,
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
  readonly options: DemoOptions
  readonly data: { readonly train: Dataset; readonly test: Dataset }
  readonly backend: Backend
  readonly io: Io
  readonly signal: AbortSignal
}

/** Trains one tower, writes its folder, and measures it before and after. */
async function trainedTower(tower: (typeof towers)[number], setting: Setting): Promise<TowerResult> {
  const { options, data, backend, io, signal } = setting
  const { depth, steps, lr, seed } = options
  const sizes = { input: 784, width: WIDTH, hidden: WIDTH, output: data.train.classes, depth }
  const config = {
    architecture: 'residual-mlp' as const,
    ...sizes,
    activation: ACTIVATION,
    norm: 'none',
    norm_eps: 1e-5,
  } as const
  const where = { dtype: 'f32', backend } as const
  const fresh = initialise(residualMlp, config, {
    random: new Random(seed),
    scale: { rule: tower.rule },
    ...where,
  }) as Model

  const initial = await stateOf(fresh, setting)
  const losses: [number, number][] = []
  const bar = progressBar(io, `λ = ${tower.name}`, steps, 'steps')
  const started = performance.now()
  const result = await train(fresh, {
    data: data.train,
    steps,
    batchSize: BATCH,
    optimiser: sgd({ momentum: MOMENTUM }),
    schedule: cosine(lr, steps),
    seed,
    signal,
    onStep({ step, loss }) {
      losses.push([step, loss])
      bar.update(step, `loss ${significant(loss)}`)
    },
  }).finally(() => bar.stop())
  if (result.ended === 'aborted') throw new Interrupted(`λ = ${tower.name} ${result.message}`)
  const seconds = (performance.now() - started) / 1000

  const folder = join(at(io, options.out), tower.folder)
  writeModel(folder, result.state.model)
  writeSample(folder, data.test)
  const trained = await stateOf(result.state.model, setting)
  const end = result.ended === 'diverged' ? result.message! : `test accuracy ${percent(trained.accuracy)}`
  io.err(`λ = ${tower.name}: ${losses.length} steps in ${seconds.toFixed(0)} s, ${end}\n`)
  const divergedAt = result.ended === 'diverged' ? losses.length + 1 : null
  return { name: tower.name, initial, trained, losses, divergedAt, seconds }
}

/** Accuracy on the test set, and the expansions of its first images in f64. */
async function stateOf(model: Model, { data, backend }: Setting): Promise<State> {
  const where = { dtype: 'f64', backend } as const
  const { x } = batchOf(
    data.test,
    Array.from({ length: EXPANDED }, (_, i) => i),
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
