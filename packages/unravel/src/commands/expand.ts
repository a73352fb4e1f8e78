import {
  type Analysis,
  analyse,
  cotangentOf,
  gatedAttribution,
  MAX_EXACT_BLOCKS,
  MAX_SAMPLED_ORDERS,
  type Orders,
} from '@unravel/expansion'
import {
  attributionDocument,
  attributionTable,
  type Division,
  divisions,
  documentOf,
  type ExpansionChoice,
  expandBy,
  expansions,
  expansionTable,
  nestedLists,
  nextTokens,
  positionNorms,
  projected,
  projectedTable,
  significant,
  tokenLines,
} from '@unravel/report/data'
import { run, type Tower } from '@unravel/resnet'
import { writeFileAtomically } from '@unravel/resnet/node'
import { type ArrayData, formatNpz, scope, type Tensor } from '@unravel/tensor'
import { Command, Option } from 'commander'
import { reportingFallbacks } from '../backends.js'
import { UsageError } from '../errors.js'
import { checkWritable } from '../files.js'
import { readArray, readArrayNamed } from '../input.js'
import { at, type Io } from '../io.js'
import { progressBar, stages } from '../progress.js'
import { readStudy, type Study, type StudyOptions, studyCommand } from '../study.js'
import { type NamedTarget, readTarget, type TargetOptions, targetOptions } from '../target.js'
import { integer, number, orders } from '../values.js'

interface ExpandOptions extends StudyOptions, TargetOptions, Omit<ExpansionChoice, 'target' | 'sites'> {
  readonly by?: Division
  readonly sites?: 'blocks' | 'all'
  readonly values?: true
  readonly expect?: string
  readonly out?: string
}

/** The most orders of a Taylor series: memory grows in proportion to them, the work of elementwise rules as their square. */
const MAX_ORDERS = 1000
/** The most numbers that --json prints; more would not fit the longest string of the engine. */
const MAX_PRINTED = 2 ** 24

export function expandCommand(io: Io): Command {
  const command = studyCommand(new Command('expand'))
  const targets = targetOptions('output to differentiate (gradient) or to follow through the orders (the others)')
  for (const option of targets) command.addOption(option)
  return command
    .description('Expansion of a network on a batch of inputs by the number of residual branches on a path.')
    .addOption(new Option('--expansion <name>', 'kind of expansion').choices(expansions).default('taylor'))
    .option('--orders <K>', `last order kept: at most ${MAX_ORDERS} for taylor; 'all' for the others`, orders, 8)
    .addOption(
      new Option('--by <part>', 'parts that paths run through, as a table of their own (gated)').choices(divisions),
    )
    .option('--about <t>', 'start of the series at t·λ, 0 ≤ t < 1 (taylor)', number({ from: 0, below: 1 }), 0)
    .option('--samples <N>', `sets drawn from towers of more than ${MAX_EXACT_BLOCKS} blocks (subsets)`, integer(2), 64)
    .option('--seed <S>', 'random seed of the drawn sets (subsets)', integer(), 0)
    .option('--expect <Y.npy>', 'expected outputs (.npy, or .npz with `output`) to compare the network with')
    .addOption(
      new Option(
        '--sites <what>',
        'unit that orders count: blocks, or all residual additions, nested ones too (default: blocks where there is a chain of them)',
      ).choices(['blocks', 'all']),
    )
    .option('--values', 'coefficients and output of the network in the result')
    .option('--out <FILE.npz>', 'file for values, output, norms and remainder as NumPy arrays')
    .action((model: string, options: ExpandOptions) => expand(model, options, io))
}

async function expand(folder: string, options: ExpandOptions, io: Io): Promise<void> {
  checkOptions(options, io)
  const { json, values } = options
  const study = await readStudy(
    folder,
    { ...options, sites: options.sites ?? (options.expansion === 'subsets' || options.by ? 'blocks' : 'any') },
    io,
  )
  const { tower, x, backend, scaleFrom, warnings, sites, counted } = study
  checkSampling(options, tower.blocks.length)
  const expected = options.expect === undefined ? undefined : await comparison(tower, x, options.expect, io)
  const told = expected === undefined ? [] : beyond(options.expect!, expected)
  for (const warning of told) io.err(`warning: ${warning}\n`)

  const named = readTarget(options, study, io)
  const { target, targetName = `output ${target}` } = named
  const choice = { ...options, target, sites }
  const { expansion, analysis, seconds } = await reportingFallbacks(io, backend, () => expanded(tower, x, choice, io))
  const { coefficients, total } = expansion
  const printed = json && values ? coefficients.size + total.size : 0
  if (printed > MAX_PRINTED) {
    throw new UsageError(`--json --values would print ${printed} numbers, more than ${MAX_PRINTED}; use --out FILE.npz`)
  }
  if (options.out !== undefined) writeFileAtomically(at(io, options.out), await archive(expansion, analysis))
  const dtype = x.dtype === 'i32' ? options.dtype : x.dtype
  const provenance = { model: folder, dtype, backend: backend.name, seconds }
  const ofOutput = options.expansion !== 'gradient'
  const through = named.given && ofOutput ? await projected(expansion, target) : undefined
  const divided = options.by && (await attributed(options, study, named, io))
  const words = expected && expectedText(options.expect!, expected)
  if (json) {
    for (const warning of analysis.warnings) io.err(`warning: ${warning}\n`)
    const arrays = values && {
      values: nestedLists(await coefficients.data(), coefficients.shape),
      output: nestedLists(await total.data(), total.shape),
    }
    io.out(
      `${JSON.stringify(
        documentOf(analysis, {
          ...provenance,
          ...(arrays && { arrays }),
          ...(expected && { expected }),
          ...(options.prompt && { tokens: study.tokens?.inputs }),
          ...(named.given && { target: targetName }),
          ...(through && { projected: through }),
          ...(divided && { attribution: attributionDocument(divided.attribution, divided.heading) }),
          warnings: [...warnings, ...told],
        }),
      )}\n`,
    )
    return
  }
  io.out(
    expansionTable(analysis, {
      ...provenance,
      batch: x.shape[0]!,
      about: options.about,
      names: sites === 'all' ? undefined : tower.names,
      ...(!ofOutput && { target: named.targetName ?? (typeof target === 'number' ? target : targetName) }),
      scaleFrom,
      counted,
      ...(words && { expected: words }),
    }),
  )
  if (through) io.out(`\n${projectedTable(targetName, through)}`)
  if (divided) io.out(`\n${attributionTable(divided.attribution, divided.heading)}`)
  for (const part of await tokenTables(expansion, study)) io.out(`\n${part}`)
  if (values) io.out(`\n${await valuesText(expansion)}`)
}

/** Path sums through each part of the network, along the target where one is given, else along the output itself. */
async function attributed({ by, orders }: ExpandOptions, study: Study, named: NamedTarget, io: Io) {
  const { tower, x, tokens, folder } = study
  const { target, targetName = `output ${target}`, given } = named
  const direction = given ? scope(() => cotangentOf(run(tower, x), target)) : undefined
  const bar = progressBar(io, `by ${by}`, 2 * tower.blocks.length, 'block passes')
  const onProgress = (done: number) => bar.update(done)
  const attribution = await gatedAttribution(tower, x, orders, {
    onProgress,
    ...(direction && { direction }),
    ...(by !== 'block' && { by }),
  })
    .catch(error => {
      const nothing = error instanceof RangeError && error.message.startsWith('gatedAttribution by ')
      throw nothing ? new UsageError(`${folder}: ${error.message.replace(/^gatedAttribution by/, '--by')}`) : error
    })
    .finally(() => bar.stop())
  const names = tower.names ?? tower.blocks.map((_, l) => String(l))
  return { attribution, heading: { by: by!, along: given ? targetName : 'the output itself', names, tokens } }
}

/** The tokens that the orders of a language model raise; empty where ids have no names. */
async function tokenTables(expansion: Orders, { tokens }: Study): Promise<string[]> {
  if (tokens === undefined) return []
  const table = expansion.expansion === 'gradient' ? positionNorms : nextTokens
  return [tokenLines(tokens), await table(expansion, tokens)]
}

function checkOptions({ expansion, orders, about, out, by, sites }: ExpandOptions, io: Io): void {
  if (by !== undefined && sites === 'all') throw new UsageError('--by divides blocks; leave --sites all out')
  if (by !== undefined && expansion !== 'gated') throw new UsageError(`--by is for --expansion gated, not ${expansion}`)
  if (about > 0 && expansion !== 'taylor') throw new UsageError(`--about is for --expansion taylor, not ${expansion}`)
  if (expansion === 'taylor' && orders === 'all') {
    throw new UsageError(`--orders all: a Taylor series has no last order; give a number up to ${MAX_ORDERS}`)
  }
  if (expansion === 'taylor' && orders !== 'all' && orders > MAX_ORDERS) {
    throw new UsageError(`--orders ${orders}: at most ${MAX_ORDERS} orders of a Taylor series fit in memory and time`)
  }
  if (expansion === 'subsets' && sites === 'all') {
    throw new UsageError('--sites all is for --expansion taylor, gated and gradient: subsets switches blocks off')
  }
  if (out !== undefined) checkWritable(at(io, out), '--out')
}

/** A sample of K blocks runs 2^K sets. */
function checkSampling({ expansion, orders }: ExpandOptions, blocks: number): void {
  if (expansion !== 'subsets' || blocks <= MAX_EXACT_BLOCKS) return
  if (orders !== 'all' && orders <= MAX_SAMPLED_ORDERS) return
  throw new UsageError(
    `--orders ${orders}: sets of ${blocks} blocks are sampled, to order ${MAX_SAMPLED_ORDERS} at most; all orders are exact up to ${MAX_EXACT_BLOCKS} blocks`,
  )
}

/** The expansion that the options name, and what it says. */
async function expanded(tower: Tower, x: Tensor, options: ExpansionChoice, io: Io) {
  const forward = secondsOfForward(tower, x)
  const started = performance.now()
  const progress = stages(io, options.expansion, { orders: 1 })
  try {
    const expansion = expandBy(tower, x, { ...options, onBlock: progress.of('orders') })
    const analysis = await analyse(expansion)
    return { expansion, analysis, seconds: { total: (performance.now() - started) / 1000, forward } }
  } finally {
    progress.stop()
  }
}

const norm = (v: Float64Array): number => Math.sqrt(v.reduce((sum, d) => sum + d * d, 0))

/** How far from expected outputs still counts as the same: single precision, through a deep network. */
const TOLERANCE = 1e-4

/** The network's output against that in a file: the largest difference, and ‖difference‖/‖expected‖. */
async function comparison(tower: Tower, x: Tensor, path: string, io: Io) {
  const wanted = path.endsWith('.npz') ? readArrayNamed(io, path, 'output') : readArray(io, path)
  const output = scope(() => run(tower, x))
  if (String(wanted.shape) !== String(output.shape)) {
    throw new UsageError(`--expect ${path}: the network's output is [${output.shape}], the file's [${wanted.shape}]`)
  }
  const found = await output.data()
  output.dispose()
  const gap = Float64Array.from(wanted.data, (y, i) => found[i]! - y)
  const size = norm(Float64Array.from(wanted.data))
  const apart = norm(gap)
  const max_abs = gap.reduce((most, d) => Math.max(most, Math.abs(d)), 0)
  return { max_abs, relative: apart === 0 ? 0 : apart / size, tolerance: TOLERANCE }
}

type Comparison = Awaited<ReturnType<typeof comparison>>

const expectedText = (path: string, { max_abs, relative, tolerance }: Comparison): string =>
  `the output differs from ${path} by at most ${significant(max_abs, 3)}, ${significant(relative, 3)} of its norm (tolerance ${tolerance})`

const beyond = (path: string, found: Comparison): string[] =>
  found.relative <= found.tolerance
    ? []
    : [
        `${expectedText(path, found)}: this is another network than the one that gave it; compare its scale, its configuration and the inputs`,
      ]

/** Seconds of one forward pass, after one that warms up. */
function secondsOfForward(tower: Tower, x: Tensor): number {
  scope(() => void run(tower, x))
  const started = performance.now()
  scope(() => void run(tower, x))
  return (performance.now() - started) / 1000
}

/** The numbers of an expansion as a .npz archive. */
async function archive({ coefficients, total }: Orders, analysis: Analysis): Promise<Uint8Array> {
  return formatNpz({
    values: await stored(coefficients),
    output: await stored(total),
    norms: listed(analysis.norms),
    remainder: listed(analysis.remainder),
  })
}

const stored = async (t: Tensor): Promise<ArrayData> => ({ shape: t.shape, dtype: t.dtype, data: await t.data() })
const listed = (numbers: readonly number[]): ArrayData => ({
  shape: [numbers.length],
  dtype: 'f64',
  data: Float64Array.from(numbers),
})

/** The coefficients of the first input, the first few numbers of each order. */
async function valuesText({ coefficients, total }: Orders): Promise<string> {
  const SHOWN = 8
  const size = total.size / total.shape[0]!
  const c = await coefficients.data()
  const rows = Array.from({ length: coefficients.shape[0]! }, (_, k) => {
    const values = Array.from(c.subarray(k * total.size, k * total.size + Math.min(size, SHOWN)), String)
    return `order ${k}: ${values.join(', ')}${size > SHOWN ? ', …' : ''}\n`
  })
  const all = total.shape[0]! > 1 || size > SHOWN ? ' (--json prints and --out writes all of them)' : ''
  return `values of the first input${all}\n${rows.join('')}`
}
