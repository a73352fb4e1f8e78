import type { Change } from './compare.js'
import { type Goal, type Measure, missing, verdict } from './goals.js'
import { incomparable, type Measured, type Row, type Run } from './record.js'
import type { Entry } from './rounds.js'
import { median, ratioSpread } from './statistics.js'

/** Rows of text as columns of equal width, the first `left` flush left, the others flush right. */
export function columns(rows: readonly (readonly string[])[], left: number): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length)
    })
  }
  return rows
    .map(row => row.map((cell, i) => (i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .map(line => `${line.trimEnd()}\n`)
    .join('')
}

/** Seconds with a unit: 12.3 µs. */
export function duration(seconds: number): string {
  const [unit, size] = (
    [
      ['s', 1],
      ['ms', 1e-3],
      ['µs', 1e-6],
      ['ns', 1e-9],
    ] as const
  ).find(([, size]) => seconds >= size) ?? ['ns', 1e-9]
  return `${digits(seconds / size)} ${unit}`
}

/** Three significant digits without an exponent. */
export const digits = (x: number): string =>
  x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x >= 1 ? x.toFixed(2) : x === 0 ? '0' : x.toPrecision(2)

const rates = { flop: 'GF/s', element: 'G/s', op: '' } as const

function rate(row: Row, seconds: number): string {
  if (row.amount === null || row.amount.unit === 'op') return ''
  return `${digits(row.amount.count / seconds / 1e9)} ${rates[row.amount.unit]}`
}

function line(row: Row, entry: Entry, first: Entry): string[] {
  const how = [entry.backend, entry.variant, entry.threads > 1 ? `${entry.threads} threads` : '']
    .filter(Boolean)
    .join(' ')
  const measured = entry.seconds.filter(s => s !== null)
  if (entry.failed !== undefined || measured.length === 0) return ['', entry.name, how, entry.failed ?? 'not measured']
  const seconds = median(measured)
  const label = incomparable(entry)
  if (label !== undefined) return ['', entry.name, how, duration(seconds), label]
  const apart = entry === first || incomparable(first) !== undefined
  const spread = apart ? undefined : ratioSpread(entry.seconds, first.seconds)
  return [
    '',
    entry.name,
    how,
    duration(seconds),
    rate(row, seconds),
    spread ? `${digits(spread.median)}×` : '',
    spread ? `${digits(spread.q1)}–${digits(spread.q3)}` : '',
  ]
}

/** One case: what it is, then a line for each contender with its median time, its rate, and how many times as long it takes
 *  as the first one: median and quartiles of the rounds' ratios. Times of a software renderer stand alone. */
export function caseTable(row: Row): string {
  const first = row.entries[0]
  if (first === undefined) return ''
  const [whole, broken] = [
    row.entries.filter(e => e.failed === undefined),
    row.entries.filter(e => e.failed !== undefined),
  ]
  const failed = broken.map(e => `  ${e.name}: ${e.failed}\n`).join('')
  const devices = whole.flatMap(e => (e.device ? [`  ${e.name} ran on ${e.device.renderer}\n`] : [])).join('')
  const left = Object.entries(row.without).map(([name, why]) => `  without ${name}: ${why}\n`)
  const where = row.browser === undefined ? '' : `, in ${row.browser}`
  return `${row.name}: ${row.what}${where}\n${columns(
    whole.map(e => line(row, e, first)),
    3,
  )}${devices}${failed}${left.join('')}\n`
}

export const quantityLine = ({ name, what, value, unit }: Measured): string =>
  `${name}: ${what}: ${value === null ? 'not measured' : `${digits(value)} ${unit}`}\n`

function goalLine(measure: Measure, run: Run): string[] {
  const { value, reached, spread } = verdict(measure, run)
  const { row, over, under, atLeast, atMost } = measure
  const what = over === undefined ? (under ?? '') : `${over} / ${under}`
  const bound = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`
  const end = value === undefined ? missing(measure, run) : reached ? 'reached' : 'MISSED'
  const between = spread === undefined ? '' : `${digits(spread.q1)}–${digits(spread.q3)}`
  return ['', row, what, end, bound, value === undefined ? '—' : digits(value), between]
}

/** The goals that a run has something of: for each part whether it was reached, the bound, what was measured, quartiles.
 *  Parts whose rows did not run are left out, and counted at the end. */
export function goalTables(goals: readonly Goal[], run: Run): string {
  const ran = (m: Measure) => run.rows.some(r => r.name === m.row) || run.quantities.some(q => q.name === m.row)
  const parts = goals.map(goal => ({ goal, shown: goal.measures.filter(ran) }))
  const told = parts
    .filter(({ shown }) => shown.length > 0)
    .map(
      ({ goal, shown }) =>
        `${goal.number}. ${goal.what}\n${columns(
          shown.map(m => goalLine(m, run)),
          4,
        )}`,
    )
  const left = parts.reduce((n, { goal, shown }) => n + goal.measures.length - shown.length, 0)
  return `${told.join('')}${left === 0 ? '' : `${left} parts of goals are of rows that are not in this run\n`}`
}

export function changeTable(changes: readonly Change[]): string {
  const told = changes.filter(c => c.verdict !== 'same').sort((a, b) => b.ratio - a.ratio)
  if (told.length === 0) return `nothing of ${changes.length} rows got slower or faster\n`
  return columns(
    told.map(c => [
      c.verdict,
      c.row,
      c.name,
      `${digits(c.ratio)}× the time`,
      `${digits(c.before)} → ${digits(c.now)} yardsticks`,
    ]),
    3,
  )
}
