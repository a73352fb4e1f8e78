import { basename } from 'node:path'
import {
  type Analysis,
  type Attribution,
  analyse,
  type Gram,
  gated,
  gatedAttribution,
  gatedMoments,
  geometricComplexity,
  type Moments,
  taylor,
} from '@unravel/expansion'
import { readModel, writeFileAtomically } from '@unravel/resnet/node'
import type { Backend } from '@unravel/tensor'
import { Argument, Command, Option } from 'commander'
import { type BackendName, backendNamed, backendNames, reportingFallbacks } from '../backends.js'
import { wholeComplexity } from '../complexity.js'
import { checkWritable } from '../files.js'
import { readInput } from '../input.js'
import { at, type Io } from '../io.js'
import { stages } from '../progress.js'
import { type Part, reportPage, type Section } from '../report/page.js'
import { heatMap, linePlot, palette } from '../report/plot.js'
import { scaledTower } from '../study.js'
import { percent, ratioRange, significant } from '../table.js'
import { integer } from '../values.js'
import { pathsOf } from './paths.js'

interface ReportOptions {
  readonly input: string
  readonly orders: number
  readonly target: number
  readonly backend: BackendName
  readonly out: string
}

export function reportCommand(io: Io): Command {
  return new Command('report')
    .description('Write one HTML page that takes one or more networks apart, with plots and how to read them.')
    .addArgument(new Argument('<MODEL...>', 'folders with config.json and model.safetensors'))
    .requiredOption('--input <X.npy>', 'batch of inputs, batches first')
    .option('--orders <K>', 'orders of the Taylor series', integer(1, 1000), 12)
    .option('--target <I>', 'the output element that gradient paths are of', integer(), 0)
    .addOption(new Option('--backend <name>', 'where kernels run').choices(backendNames).default('wasm'))
    .option('--out <FILE.html>', 'the page', 'report.html')
    .action(async (folders: readonly string[], options: ReportOptions) => {
      checkWritable(at(io, options.out), '--out')
      const backend = await backendNamed(options.backend, io)
      const networks = await reportingFallbacks(io, backend, async () => {
        const found: Network[] = []
        for (const [i, name] of namesOf(folders).entries()) {
          found.push(await examine(folders[i]!, name, options, backend, io))
        }
        return found
      })
      writeFileAtomically(at(io, options.out), page(networks, options))
      io.out(`report: ${options.out}\n`)
    })
}

/** Everything that the page shows of one network. */
interface Network {
  readonly name: string
  readonly gated: Analysis
  readonly taylor: Analysis
  readonly moments: Moments
  readonly attribution: Attribution
  readonly paths: Awaited<ReturnType<typeof pathsOf>>
  /** Of the paths that the page shows. */
  readonly complexity: Gram
  /** Geometric complexity of the network, all paths included. */
  readonly wholeComplexity: number
}

/** Path lengths that matrices show. */
const SHOWN = 12

/** What folders are called: by their last parts where these tell them apart, since names stand in legends and tables. */
function namesOf(folders: readonly string[]): readonly string[] {
  const last = folders.map(folder => basename(folder))
  return last.every(name => name !== '' && name !== '.' && name !== '..') && new Set(last).size === last.length
    ? last
    : folders
}

async function examine(
  folder: string,
  name: string,
  options: ReportOptions,
  backend: Backend,
  io: Io,
): Promise<Network> {
  const model = readModel(at(io, folder), { dtype: 'f64', backend })
  const x = readInput(io, options.input, model, 'f64', backend)
  const tower = scaledTower(model, folder, undefined)
  const study = { folder, model, tower, x, backend }
  const drawn = { target: options.target, samples: 16, probes: 32, seed: 0 }
  const progress = stages(io, name, {
    ...{ gated: 3, taylor: 1, moments: 4, attribution: 1, gradients: 4, samples: 3, complexity: 2, whole: 1 },
  })
  const blocks = (stage: Parameters<typeof progress.of>[0]) => (done: number) =>
    progress.of(stage)(done, tower.blocks.length)
  const shared = { input: options.input, dtype: 'f64', backend: options.backend } as const
  const found = async (): Promise<Network> => ({
    name,
    gated: await analyse(gated(tower, x, 'all', blocks('gated'))),
    taylor: await analyse(taylor(tower, x, options.orders, blocks('taylor'))),
    moments: await gatedMoments(tower, x, 'all', { probes: 32, onProgress: progress.of('moments') }),
    attribution: await gatedAttribution(tower, x, SHOWN, { onProgress: progress.of('attribution') }),
    paths: await pathsOf(
      study,
      { ...shared, ...drawn },
      { moments: progress.of('gradients'), samples: progress.of('samples') },
    ),
    complexity: await geometricComplexity(tower, x, SHOWN, { onProgress: progress.of('complexity') }),
    wholeComplexity: await wholeComplexity(tower, x),
  })
  return found().finally(() => progress.stop())
}

const colour = (i: number): string => palette[i % palette.length]!
/** Points by order, without those that were not sampled. */
const byOrder = (values: ArrayLike<number | null>) =>
  Array.from(values, (v, k) => [k, v] as const).filter(([, v]) => v !== null)

function page(networks: readonly Network[], options: ReportOptions): string {
  const overlay = (title: string, name: string, of: (n: Network) => ArrayLike<number | null>, log = true) =>
    linePlot({
      title,
      x: { name: 'order k' },
      y: { name, log },
      curves: networks.map((n, i) => ({ name: n.name, color: colour(i), marks: true, points: byOrder(of(n)) })),
    })
  const summary: Part = {
    kind: 'table',
    caption:
      'The networks at their own scales. Shares are of the gated expansion; the radius is that of the Taylor series in λ.',
    head: [
      '',
      'blocks',
      'λ',
      'output norm',
      'mean order',
      'share of order 0',
      'λ/radius',
      'best truncation',
      'its remainder',
      'complexity',
    ],
    rows: networks.map(({ name, gated: g, taylor: t, wholeComplexity }) => [
      name,
      String(g.blocks),
      typeof g.scale === 'number' ? significant(g.scale) : 'by block',
      significant(g.outputNorm),
      significant(
        g.share.reduce((sum, s, k) => sum + k * s, 0),
        3,
      ),
      percent(g.share[0]!),
      ratioRange(t.radius),
      t.bestOrder === null ? '—' : `order ${t.bestOrder}`,
      t.bestOrder === null ? '—' : significant(t.remainder[t.bestOrder]!, 3),
      significant(wholeComplexity),
    ]),
  }
  const sections: Section[] = [
    { heading: 'Summary', parts: [summary] },
    {
      heading: 'Where the output comes from',
      parts: [
        {
          kind: 'figure',
          svg: [
            overlay('Share of energy by order', 'share', n => n.gated.share),
            overlay('Size of each order', 'norm', n => n.gated.norms),
          ],
          caption:
            'The run with its gates frozen, split by the number of branches that a path takes. A peak at order 0 means that most of the output never passes through a branch; norms far above the output norm mean that orders cancel.',
        },
      ],
    },
    {
      heading: 'What the series is worth',
      parts: [
        {
          kind: 'figure',
          svg: [
            overlay('Remainder of the Taylor series', 'remainder', n => n.taylor.remainder),
            overlay('Size of its orders', 'norm', n => n.taylor.norms),
          ],
          caption:
            'What is missed when the Taylor series in λ stops after order k, relative to the output. A curve that keeps falling converges; one that turns upwards is beyond its radius, and its lowest point is the best that the series gives. Right, orders that do not shrink are those of a series that does not converge.',
        },
        { kind: 'list', items: networks.flatMap(n => n.taylor.warnings.map(w => `${n.name}: ${w}`)) },
      ],
    },
    {
      heading: 'Coherence',
      parts: [
        {
          kind: 'figure',
          svg: [overlay('Coherence of paths', 'κ', n => n.moments.coherence)],
          caption:
            'The squared norm of an order over the sum of the squared norms of its paths. Near 1, paths add up as if they were independent; towards the number of paths, they point the same way; below 1, they cancel.',
        },
      ],
    },
    {
      heading: 'Gradient paths',
      parts: [
        {
          kind: 'figure',
          svg: [
            overlay('Norm of one path', 'norm', n => n.paths.single_norm),
            overlay('Paths × norm of one', 'sum of norms', n => n.paths.paths_times_norm),
            overlay('Norm of their sum', 'norm of sum', n => n.paths.sum_norm),
          ],
          caption: `Paths of the gradient of output ${options.target} by length. One path, times the number of paths there are, against the norm of what they really sum to: the gap between the last two is cancellation.`,
        },
      ],
    },
  ]
  for (const n of networks) {
    const lower = n.attribution.pairs.map((row, i) => Array.from(row, (v, j) => (j > i ? v : null)))
    const maps = [
      heatMap({
        title: 'Blocks by order',
        x: 'block',
        y: 'order',
        values: n.attribution.blocks.slice(1).map(row => Array.from(row)),
        firstRow: 1,
        format: v => significant(v, 2),
      }),
      heatMap({
        title: 'Pairs of blocks',
        x: 'later block',
        y: 'earlier block',
        values: lower,
        format: v => significant(v, 2),
      }),
    ]
    const parts: Part[] = [
      {
        kind: 'figure',
        svg: maps,
        caption:
          'How far paths move the output along itself. Left, paths of each length (from 1, at the bottom) through each block; right, paths of length 2 through just two blocks. Orange pushes the output on, blue holds it back.',
      },
      {
        kind: 'figure',
        svg: [
          heatMap({
            title: 'Geometric complexity',
            x: 'order',
            y: 'order',
            values: n.complexity.gram.map(row => Array.from(row)),
            format: v => significant(v, 2),
          }),
        ],
        caption: `The mean of ⟨J_i, J_j⟩ over path lengths: its cells sum to the complexity of the paths shown, ${significant(n.complexity.total)}. Blue cells off the diagonal are orders that undo each other's slope.`,
      },
    ]
    sections.push({ heading: n.name, parts })
  }
  return reportPage({
    title: networks.length === 1 ? networks[0]!.name : `${networks.length} networks`,
    lead: `Taken apart by the number of residual branches that a path takes, on the inputs of ${options.input}, in f64.`,
    sections,
  })
}
