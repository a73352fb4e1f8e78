import { type Damage, lesion } from '@unravel/expansion'
import { columns, percent, significant } from '@unravel/report/data'
import { run } from '@unravel/resnet'
import { brief, scope, type Tensor, tensor } from '@unravel/tensor'
import { Command } from 'commander'
import { reportingFallbacks } from '../backends.js'
import { UsageError } from '../errors.js'
import { readArray } from '../input.js'
import type { Io } from '../io.js'
import { stages } from '../progress.js'
import { json, readStudy, type Study, type StudyOptions, studyCommand } from '../study.js'
import { integer } from '../values.js'

interface LesionOptions extends StudyOptions {
  readonly labels?: string
  readonly draws: number
  readonly seed: number
}

export function lesionCommand(io: Io): Command {
  return studyCommand(new Command('lesion'))
    .description('Remove blocks, and swap them, and measure what is left of the network.')
    .option('--labels <Y.npy>', 'class numbers of the inputs, for accuracy and loss')
    .option('--draws <N>', 'random sets of blocks for each count', integer(1), 8)
    .option('--seed <S>', 'of the sets', integer(), 0)
    .action(async (folder: string, options: LesionOptions) => {
      const study = await readStudy(folder, options, io)
      const labels = options.labels === undefined ? undefined : readLabels(options.labels, study, io)
      const progress = stages(io, 'lesion', { runs: 1 })
      const document = await reportingFallbacks(io, study.backend, () =>
        lesionOf(study, options, labels, progress.of('runs')),
      ).finally(() => progress.stop())
      io.out(options.json ? json(document) : lesionTable(document))
    })
}

/** Class numbers `[batch]` for the inputs of a study. */
function readLabels(path: string, { tower, x, backend }: Study, io: Io): Tensor {
  const { shape, type, dtype, data } = readArray(io, path)
  const classes = scope(() => run(tower, x)).shape
  const fail = (message: string): never => {
    throw new UsageError(`${path}: ${message}`)
  }
  if (classes.length !== 2) fail('labels are for models with one vector of logits for each input')
  if (type.startsWith('f')) fail(`labels are integers (i4 or i8), got ${dtype}`)
  if (shape.length !== 1 || shape[0] !== x.shape[0])
    fail(`expected [${x.shape[0]}] labels, got [${brief(shape.join(', '))}]`)
  for (const label of data)
    if (label < 0 || label >= classes[1]!) fail(`label ${label} is outside 0..${classes[1]! - 1}`)
  return tensor(data, { shape, backend })
}

const mean = (values: readonly (number | null)[]): number | null =>
  values.some(v => v === null) || values.length === 0
    ? null
    : (values as number[]).reduce((a, b) => a + b, 0) / values.length

const range = (values: readonly (number | null)[]): readonly [least: number, most: number] | null =>
  values.length === 0 || values.includes(null)
    ? null
    : (values as number[]).reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity])

const averaged = (draws: readonly Damage[]) => ({
  change: mean(draws.map(d => d.change)),
  accuracy: mean(draws.map(d => d.accuracy)),
  loss: mean(draws.map(d => d.loss)),
  /** Least and largest over the draws. */
  range: {
    change: range(draws.map(d => d.change)),
    accuracy: range(draws.map(d => d.accuracy)),
    loss: range(draws.map(d => d.loss)),
  },
})

/** Counts of blocks to remove: all up to 10, then about ten more up to n. */
const countsTo = (n: number) =>
  Array.from({ length: n + 1 }, (_, m) => m).filter(m => m <= 10 || m === n || m % Math.ceil((n - 10) / 10) === 0)

export async function lesionOf(
  { folder, tower, x }: Study,
  { draws, seed }: LesionOptions,
  labels?: Tensor,
  onProgress?: (done: number, of: number) => void,
) {
  const counts = countsTo(tower.blocks.length)
  const found = await lesion(tower, x, counts, { draws, seed, onProgress, ...(labels && { labels }) })
  return {
    model: folder,
    blocks: tower.blocks.length,
    /** What the blocks are called; their numbers where the tower has no names. */
    names: tower.names ?? tower.blocks.map((_, l) => String(l)),
    draws,
    whole: found.whole,
    /** Without block 0, 1, …: relative change of the output, accuracy and loss. */
    without: found.single,
    /** Means over the draws. */
    removed: found.removed.map(c => ({ count: c.count, ...averaged(c.draws) })),
    swapped: found.swapped
      .filter(c => c.draws.length > 0)
      .map(c => ({ count: c.count, ...averaged(c.draws), pairs: c.pairs })),
    /** Groups of blocks of equal shapes: pairs are drawn within each. */
    exchangeable: found.exchangeable,
  }
}

const between = (range: readonly [number, number] | null, format: (v: number) => string) =>
  range === null ? '—' : `${format(range[0])} to ${format(range[1])}`

function lesionTable(d: Awaited<ReturnType<typeof lesionOf>>): string {
  const judged = d.whole.accuracy !== null
  const head = ['change', ...(judged ? ['accuracy', 'loss'] : [])]
  const cells = (m: { change: number | null; accuracy: number | null; loss: number | null }) => [
    significant(m.change, 3),
    ...(judged ? [percent(m.accuracy), significant(m.loss)] : []),
  ]
  const over = ({ range }: ReturnType<typeof averaged>) => [
    between(range.change, v => significant(v, 3)),
    ...(judged ? [between(range.accuracy, percent), between(range.loss, v => significant(v, 3))] : []),
  ]
  const drawn = [...head, ...head.map(what => `${what} of draws`)]
  const group = (blocks: readonly number[]) => blocks.map(l => d.names[l]).join(', ')
  return [
    `lesions of ${d.model}: change of the output relative to its norm${judged ? ', accuracy and loss' : ''}`,
    '',
    columns([['without block', ...head], ...d.without.map((m, l) => [d.names[l]!, ...cells(m)])]),
    columns([['blocks removed', ...drawn], ...d.removed.map(m => [String(m.count), ...cells(m), ...over(m)])]),
    ...(d.swapped.length === 0
      ? []
      : [columns([['pairs swapped', ...drawn], ...d.swapped.map(m => [String(m.count), ...cells(m), ...over(m)])])]),
    d.exchangeable.length === 0
      ? 'No pairs were swapped: no two blocks have equal shapes.'
      : `Pairs are swapped among blocks of equal shapes: ${d.exchangeable.map(group).join('; ')} (--json lists every pair).`,
    `Means over ${d.draws} random sets of blocks, and the least and largest of them${judged ? `; the whole network: ${percent(d.whole.accuracy)}, loss ${significant(d.whole.loss)}` : ''}.`,
    '',
  ].join('\n')
}
