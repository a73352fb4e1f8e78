import type { Attribution } from '@unravel/expansion'
import { columns, significant } from './table.js'
import type { Tokens } from './tokens.js'

/** The parts among which the gated orders are divided. */
export const divisions = ['block', 'head', 'position', 'source'] as const
export type Division = (typeof divisions)[number]

/** The subject of an attribution, for documents and tables. */
export interface AttributionHeading {
  readonly by: Division
  /** The direction that it is along, in words. */
  readonly along: string
  /** Names of the blocks; their numbers where they have none. */
  readonly names: readonly string[]
  readonly tokens?: Tokens | undefined
}

/** The part of the document of `unravel expand --json` about blocks, heads, positions or sources. */
export function attributionDocument({ totals, blocks, parts }: Attribution, { by, along, names }: AttributionHeading) {
  return {
    by,
    along,
    names: [...names],
    /** `[orders + 1]`: order k along that direction. */
    totals: Array.from(totals),
    /** `[orders + 1][blocks]`: its paths through each block; they sum to k times the total. */
    blocks: blocks.map(row => Array.from(row)),
    ...(parts && {
      /** `[orders + 1][blocks][parts]` and `[orders + 1][blocks]`: they sum to the block. */
      parts: parts.values.map(row => row.map(values => Array.from(values))),
      rest: parts.rest.map(row => Array.from(row)),
      ...(parts.starts && {
        /** Of sources, `[orders + 1][positions]`: paths that begin at each position of the encoded input. */
        starts: parts.starts.map(row => Array.from(row)),
      }),
    }),
  }
}

/** Rows, and orders, that a table has. */
const ROWS = 32
const ORDERS = 6

/** Blocks, heads, positions or sources by order: those with the largest sums, in the order of the network. */
export function attributionTable(attribution: Attribution, { by, along, names, tokens }: AttributionHeading): string {
  const { blocks, parts, totals } = attribution
  const last = blocks.length - 1
  const position = (p: number) => `${p}${tokens?.inputs.length === 1 ? ` ${tokens.inputs[0]![p]}` : ''}`
  const rows = names.flatMap((name, l) => {
    const row = (label: readonly string[], of: (k: number) => number) => {
      const values = Array.from({ length: last }, (_, k) => of(k + 1))
      return { label: [name, ...label], values, sum: values.reduce((a, b) => a + b, 0) }
    }
    if (parts === undefined) return [row([], k => blocks[k]![l]!)]
    const count = parts.values[0]![l]!.length
    const word = (p: number) => (by === 'head' ? `head ${p}` : position(p))
    const divided = Array.from({ length: count }, (_, p) => row([word(p)], k => parts.values[k]![l]![p]!))
    if (by === 'position') return divided
    const rest = by === 'source' ? 'biases' : count > 0 ? 'the rest' : 'no heads'
    return [...divided, row([rest], k => parts.rest[k]![l]!)]
  })
  const least = rows.map(r => Math.abs(r.sum)).sort((a, b) => b - a)[Math.min(ROWS, rows.length) - 1] ?? 0
  const shown = rows.filter(r => Math.abs(r.sum) >= least).slice(0, ROWS)
  const orders = Math.min(last, ORDERS)
  const head = [
    'block',
    ...(parts === undefined ? [] : [by]),
    ...Array.from({ length: orders }, (_, k) => `order ${k + 1}`),
    `orders 1 to ${last}`,
  ]
  const cells = shown.map(({ label, values, sum }) => [
    ...label,
    ...values.slice(0, orders).map(v => significant(v)),
    significant(sum),
  ])
  return (
    `paths through each ${by === 'block' ? 'block' : by === 'source' ? 'position that each block reads' : `${by} of each block`}, along ${along}\n` +
    columns([head, ...cells], parts === undefined ? 1 : 2) +
    (shown.length < rows.length ? `the ${shown.length} largest of ${rows.length} (--json has all)\n` : '') +
    (parts?.starts === undefined ? '' : `\n${startsTable(parts.starts, totals, along, position)}`)
  )
}

/** Paths by the position at which they begin, and what begins at biases. */
function startsTable(
  starts: readonly ArrayLike<number>[],
  totals: ArrayLike<number>,
  along: string,
  position: (p: number) => string,
): string {
  const orders = Math.min(starts.length, ORDERS + 1)
  const cells = (of: (k: number) => number) => [
    ...Array.from({ length: orders }, (_, k) => significant(of(k))),
    significant(Array.from(starts, (_, k) => of(k)).reduce((a, b) => a + b, 0)),
  ]
  const rows = Array.from(starts[0]!, (_, p) => [position(p), ...cells(k => starts[k]![p]!)])
  const begun = (k: number) => Array.from(starts[k]!).reduce((a, b) => a + b, 0)
  const head = [
    'position',
    ...Array.from({ length: orders }, (_, k) => `order ${k}`),
    `orders 0 to ${starts.length - 1}`,
  ]
  return (
    `paths by the position of the input at which they begin, along ${along}\n` +
    columns([head, ...rows, ['biases', ...cells(k => totals[k]! - begun(k))]], 1)
  )
}
