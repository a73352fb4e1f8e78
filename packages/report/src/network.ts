import {
  type Analysis,
  type Attribution,
  analyse,
  cotangentOf,
  type Gram,
  gated,
  gatedAttribution,
  gatedMoments,
  geometricComplexity,
  type Moments,
  type Parts,
  type Target,
  targets,
  taylor,
} from '@unravel/expansion'
import { InputError, run, type Tower } from '@unravel/resnet'
import { scope, type Tensor } from '@unravel/tensor'
import { wholeComplexity } from './complexity.js'
import { pathsOf } from './gradientPaths.js'
import { type Part, reportPage, type Section } from './page.js'
import { heatColours, heatMap, linePlot, palette } from './plot.js'
import { blockList, meanOrder, percent, ratioRange, significant, targetText } from './table.js'
import { type Tokens, tokenLines } from './tokens.js'
import { type Course, trainingParts } from './training.js'

export interface ReportOptions {
  /** Name of the network in tables and legends (default: "network"). */
  readonly name?: string
  /** Orders of the Taylor series (default 12). */
  readonly orders?: number
  /** Target of gradient paths (default: element 0 of the output). */
  readonly target?: Target
  /** The target in words (default: its number). */
  readonly targetName?: string | undefined
  /** Whether blocks and pairs are judged by what they do to the target, in place of the output along itself (the default). */
  readonly alongTarget?: boolean
  /** The tokens that the inputs of a language model are. */
  readonly tokens?: Tokens | undefined
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
  { name = 'network', orders = 12, ...options }: ReportOptions = {},
): Promise<string> {
  const batch = x.shape[0]!
  const network = await examine(tower, x, { name, orders, ...options })
  return networksPage([network], { inputs: batch === 1 ? 'one input' : `${batch} inputs` })
}

/** Everything that the page shows of one network. */
export interface Network {
  readonly name: string
  /** Names of its blocks, where they have some. */
  readonly blockNames?: readonly string[] | undefined
  /** Target of gradient paths, in words; and of the attribution where it is along it. */
  readonly target: string
  readonly alongTarget: boolean
  readonly tokens?: Tokens | undefined
  readonly gated: Analysis
  readonly taylor: Analysis
  readonly moments: Moments
  readonly attribution: Attribution
  /** The same by heads, positions and sources, where it has them. */
  readonly parts: readonly Parts[]
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

export interface ExamineOptions extends ReportOptions {
  readonly name: string
  readonly orders: number
  /** Called with the work done, of all, by stage. */
  readonly onProgress?: (stage: Stage) => (done: number, of: number) => void
}

/** Takes one network apart, for a page. */
export async function examine(
  tower: Tower,
  x: Tensor,
  { name, orders, target = 0, targetName, alongTarget = false, tokens, onProgress = () => () => {} }: ExamineOptions,
): Promise<Network> {
  const direction = scope(() => {
    const output = run(tower, x)
    const width = targets(output)
    if (typeof target === 'number' && target >= width)
      throw new InputError(`target ${target}: the model's outputs are 0 to ${width - 1}`)
    return cotangentOf(output, target)
  })
  const attributed = (by?: Parts['by']) =>
    gatedAttribution(tower, x, SHOWN, {
      by,
      onProgress: onProgress('attribution'),
      ...(alongTarget && { direction }),
    })
  const divisions = scope((): Parts['by'][] => [
    ...(tower.blocks.some(({ heads }) => heads !== undefined) ? (['head'] as const) : []),
    ...(tokens !== undefined && tower.encode(x).rank === 3 ? (['position', 'source'] as const) : []),
  ])
  const parts: Parts[] = []
  for (const by of divisions) parts.push((await attributed(by)).parts!)
  const blocks = (stage: Stage) => (done: number) => onProgress(stage)(done, tower.blocks.length)
  return {
    name,
    blockNames: tower.names,
    target: targetText(targetName ?? (typeof target === 'number' ? target : 'a direction')),
    alongTarget,
    tokens,
    gated: await analyse(gated(tower, x, 'all', { onBlock: blocks('gated') })),
    taylor: await analyse(taylor(tower, x, orders, { onBlock: blocks('taylor') })),
    moments: await gatedMoments(tower, x, 'all', { probes: 32, onProgress: onProgress('moments') }),
    attribution: await attributed(),
    parts,
    paths: await pathsOf(tower, x, {
      target,
      targetName,
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
  { inputs, courses = [] }: { readonly inputs: string; readonly courses?: readonly Course[] },
): string {
  const target = [...new Set(networks.map(n => n.target))].join(' and ')
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
      heading: 'The series and its remainder',
      parts: [
        {
          kind: 'figure',
          svg: [
            overlay('Remainder of the Taylor series', 'remainder', n => n.taylor.remainder),
            overlay('Size of its orders', 'norm', n => n.taylor.norms),
          ],
          caption:
            'Remainder of the Taylor series in λ when it stops after order k, relative to the output. A curve that keeps falling converges; one that turns upwards is beyond its radius, and its lowest point is the best that the series gives. Right, orders that do not shrink are those of a series that does not converge.',
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
          caption: `Paths of the gradient of ${target} by length. One path, times the number of paths, against the norm of their sum: the gap between the last two is cancellation.`,
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
      ...(n.tokens === undefined ? [] : [{ kind: 'code', text: tokenLines(n.tokens).trimEnd() } as const]),
      ...(n.blockNames === undefined ? [] : [{ kind: 'text', text: `Blocks: ${blockList(n.blockNames)}.` } as const]),
      {
        kind: 'figure',
        svg: maps,
        caption:
          `How far paths move ${n.alongTarget ? n.target : 'the output along itself'}. Left, paths of each length (from 1, at the bottom) through each block; right, paths of length 2 through just two blocks. ` +
          `${heatColours.above} pushes ${n.alongTarget ? 'it up' : 'the output on'}, ${heatColours.below.toLowerCase()} ${n.alongTarget ? 'down' : 'holds it back'}.`,
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
    parts.splice(-1, 0, ...n.parts.map(of => partsFigure(n, of)))
    sections.push({ heading: n.name, parts })
  }
  return reportPage({
    title: networks.length === 1 ? networks[0]!.name : `${networks.length} networks`,
    lead: `Taken apart by the number of residual branches that a path takes, on ${inputs}.`,
    sections,
  })
}

/** Path sums through each head, position or source of each block, all orders shown together. */
function partsFigure({ blockNames, tokens, alongTarget, target }: Network, { by, values }: Parts): Part {
  const named = blockNames ?? values[0]!.map((_, l) => String(l))
  const divided = [...named.keys()].filter(l => values[0]![l]!.length > 0)
  const sum = (l: number, p: number) => values.slice(1).reduce((total, row) => total + row[l]![p]!, 0)
  const count = Math.max(...divided.map(l => values[0]![l]!.length))
  // As many columns as the block with the most parts has.
  const rows = divided.map(l => Array.from({ length: count }, (_, p) => (p < values[0]![l]!.length ? sum(l, p) : null)))
  const svg = heatMap({
    title: { head: 'Heads', position: 'Positions', source: 'Sources' }[by],
    x: by,
    y: 'block',
    values: rows,
    rowNames: divided.map(l => named[l]!),
    ...(by !== 'head' && tokens?.inputs.length === 1 && { columnNames: tokens.inputs[0]!.map((t, i) => `${i} ${t}`) }),
    format: v => significant(v, 2),
  })
  const what = {
    head: 'each head of a block with attention',
    position: 'the positions that the branch of each block writes to',
    source: 'the positions that the branch of each block reads',
  }[by]
  return {
    kind: 'figure',
    svg: [svg],
    caption: `How far paths of 1 to ${values.length - 1} branches through ${what} move ${alongTarget ? target : 'the output along itself'}. Blocks are the sums of their parts${by === 'source' ? ' and of what their biases begin' : ''}.`,
  }
}
