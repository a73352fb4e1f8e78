import { type Damage, lesion } from '@unravel/expansion'
import type { Tower } from '@unravel/resnet'
import type { Tensor } from '@unravel/tensor'
import { blockList, columns, percent, significant } from './table.js'

/** Random sets of blocks to remove for each count, and what the network is judged by. */
export interface LesionChoice {
  readonly draws: number
  /** Random seed of the sets. */
  readonly seed: number
  /** Class numbers of the inputs `[batch]`, for accuracy and loss. */
  readonly labels?: Tensor | undefined
  /** Called with the runs done, of all. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined
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

/** The output of a network without each block, without random sets of blocks, and with random pairs swapped, against its own. */
export async function lesionOf(tower: Tower, x: Tensor, { draws, seed, labels, onProgress }: LesionChoice) {
  const counts = countsTo(tower.blocks.length)
  const found = await lesion(tower, x, counts, { draws, seed, onProgress, ...(labels && { labels }) })
  return {
    blocks: tower.blocks.length,
    /** Names of the blocks; their numbers where the tower has none. */
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

/** Lesions as tables of text, headed by the network's name. */
export function lesionTable(model: string, d: Awaited<ReturnType<typeof lesionOf>>): string {
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
  const group = (blocks: readonly number[]) => blockList(blocks.map(l => d.names[l]!))
  return [
    `lesions of ${model}: change of the output relative to its norm${judged ? ', accuracy and loss' : ''}`,
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
