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
import type { Tower } from '@unravel/resnet'
import type { Tensor } from '@unravel/tensor'
import { wholeComplexity } from './complexity.js'
import { pathsOf } from './gradientPaths.js'
import { type Part, reportPage, type Section } from './page.js'
import { heatColours, heatMap, linePlot, palette } from './plot.js'
import { meanOrder, percent, ratioRange, significant } from './table.js'
import { type Course, trainingParts } from './training.js'

export interface ReportOptions {
  /** What the network is called in tables and legends (default: "network"). */
  readonly name?: string
  /** Orders of the Taylor series (default 12). */
  readonly orders?: number
  /** The output element that gradient paths are of (default 0). */
  readonly target?: number
}

/**
 * The page of `unravel report` for any tower, as self-contained HTML: where its output comes from by order, what its series
 * is worth, coherence, gradient paths, blocks and pairs of them, geometric complexity.
 *
 * @param x batch of inputs, batches first, of the dtype and on the backend of the tower's tensors; f64 is what tells
 *   rounding from remainders
 */
export async function reportOf(
  tower: Tower,
  x: Tensor,
  { name = 'network', orders = 12, target = 0 }: ReportOptions = {},
): Promise<string> {
  const batch = x.shape[0]!
  const network = await examine(tower, x, { name, orders, target })
  return networksPage([network], { target, inputs: batch === 1 ? 'one input' : `${batch} inputs` })
}

/** Everything that the page shows of one network. */
export interface Network {
  readonly name: string
  /** What its blocks are called, where they have names. */
  readonly blockNames?: readonly string[] | undefined
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

/** Parts of the work of `examine`, and about how long each takes beside the others. */
export const stagesOfExamine = {
  ...{ gated: 3, taylor: 1, moments: 4, attribution: 1, gradients: 4, samples: 3, complexity: 2, whole: 1 },
} as const
type Stage = keyof typeof stagesOfExamine

export interface ExamineOptions extends Required<ReportOptions> {
  /** Called with the work done, of all, by stage. */
  readonly onProgress?: (stage: Stage) => (done: number, of: number) => void
}

/** Takes one network apart, for a page. */
export async function examine(
  tower: Tower,
  x: Tensor,
  { name, orders, target, onProgress = () => () => {} }: ExamineOptions,
): Promise<Network> {
  const blocks = (stage: Stage) => (done: number) => onProgress(stage)(done, tower.blocks.length)
  return {
    name,
    blockNames: tower.names,
    gated: await analyse(gated(tower, x, 'all', { onBlock: blocks('gated') })),
    taylor: await analyse(taylor(tower, x, orders, { onBlock: blocks('taylor') })),
    moments: await gatedMoments(tower, x, 'all', { probes: 32, onProgress: onProgress('moments') }),
    attribution: await gatedAttribution(tower, x, SHOWN, { onProgress: onProgress('attribution') }),
    paths: await pathsOf(tower, x, {
      target,
      samples: 16,
      probes: 32,
      seed: 0,
      onProgress: { moments: onProgress('gradients'), samples: onProgress('samples') },
    }),
    complexity: await geometricComplexity(tower, x, SHOWN, { onProgress: onProgress('complexity') }),
    wholeComplexity: await wholeComplexity(tower, x),
  }
}

const colour = (i: number): string => palette[i % palette.length]!
/** Points by order, without those that were not sampled. */
const byOrder = (values: ArrayLike<number | null>) =>
  Array.from(values, (v, k) => [k, v] as const).filter(([, v]) => v !== null)

/** The page of networks that were examined; `inputs` says what on, `courses` how some of them were trained. */
export function networksPage(
  networks: readonly Network[],
  {
    target,
    inputs,
    courses = [],
  }: { readonly target: number; readonly inputs: string; readonly courses?: readonly Course[] },
): string {
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
      significant(meanOrder(g), 3),
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
          caption: `Paths of the gradient of output ${target} by length. One path, times the number of paths there are, against the norm of what they really sum to: the gap between the last two is cancellation.`,
        },
      ],
    },
  ]
  const training = trainingParts(courses)
  if (training.length > 0) sections.push({ heading: 'Through training', parts: training })
  for (const n of networks) {
    const lower = n.attribution.pairs.map((row, i) => Array.from(row, (v, j) => (j > i ? v : null)))
    const maps = [
      heatMap({
        title: 'Blocks by order',
        x: 'block',
        y: 'order',
        values: n.attribution.blocks.slice(1).map(row => Array.from(row)),
        firstRow: 1,
        columnNames: n.blockNames,
        format: v => significant(v, 2),
      }),
      heatMap({
        title: 'Pairs of blocks',
        x: 'later block',
        y: 'earlier block',
        values: lower,
        columnNames: n.blockNames,
        rowNames: n.blockNames,
        format: v => significant(v, 2),
      }),
    ]
    const parts: Part[] = [
      {
        kind: 'figure',
        svg: maps,
        caption:
          'How far paths move the output along itself. Left, paths of each length (from 1, at the bottom) through each block; right, paths of length 2 through just two blocks. ' +
          `${heatColours.above} pushes the output on, ${heatColours.below.toLowerCase()} holds it back.`,
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
        caption: `The mean of ⟨J_i, J_j⟩ over path lengths: its cells sum to the complexity of the paths shown, ${significant(n.complexity.total)}. ${heatColours.below} cells off the diagonal are orders that undo each other's slope.`,
      },
    ]
    sections.push({ heading: n.name, parts })
  }
  return reportPage({
    title: networks.length === 1 ? networks[0]!.name : `${networks.length} networks`,
    lead: `Taken apart by the number of residual branches that a path takes, on ${inputs}.`,
    sections,
  })
}
