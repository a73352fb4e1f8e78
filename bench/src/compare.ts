import { incomparable, type Row, type Run } from './record.js'
import type { Entry } from './rounds.js'
import { median, ratios } from './statistics.js'

/** One contender of one row in two runs. */
export interface Change {
  readonly row: string
  readonly name: string
  /** Time in units of the yardstick, medians: before and now. */
  readonly before: number
  readonly now: number
  /** now / before */
  readonly ratio: number
  /** Both medians lie outside of the other run's quartiles, and they differ by more than `threshold`. */
  readonly verdict: 'slower' | 'faster' | 'same'
}

/** Differences of less than this are noise whatever the quartiles say. */
export const threshold = 0.08

const inYardsticks = (row: Row, entry: Entry): number[] => ratios(entry.seconds, row.yardstick.seconds)

/** Quartiles that no ratio of a sample of this size can sharpen: those of the sample itself. */
const quartiles = (sample: readonly number[]): [number, number] => {
  const sorted = [...sample].sort((a, b) => a - b)
  return [sorted[Math.floor((sorted.length - 1) / 4)]!, sorted[Math.ceil((3 * (sorted.length - 1)) / 4)]!]
}

/**
 * Changes from one run to another, for our own contenders, in units of the yardstick that ran in the same rounds:
 * times in seconds of two runs cannot be compared on machines whose speed wanders. Quick runs are smaller work, so that a
 * quick run is compared with a quick one only.
 *
 * @throws RangeError when one run is quick and the other is not
 */
export function compare(before: Run, now: Run): Change[] {
  if (before.quick !== now.quick) {
    throw new RangeError('a quick run and a full run do different work: compare runs of one kind')
  }
  const changes: Change[] = []
  for (const row of now.rows) {
    const old = before.rows.find(r => r.name === row.name)
    if (old === undefined) continue
    for (const entry of row.entries) {
      const match = old.entries.find(e => e.name === entry.name)
      if (!entry.name.startsWith('ours') || match === undefined) continue
      // Times on graphics processors are compared where the processor is the same, and one.
      if (entry.device?.renderer !== match.device?.renderer || incomparable(entry)) continue
      const [a, b] = [inYardsticks(old, match), inYardsticks(row, entry)]
      if (a.length === 0 || b.length === 0) continue
      changes.push({ row: row.name, name: entry.name, ...judge(a, b) })
    }
  }
  return changes
}

/** Compares two samples of times in units of the yardstick. */
export function judge(a: readonly number[], b: readonly number[]): Omit<Change, 'row' | 'name'> {
  const [before, now] = [median(a), median(b)]
  const [[aLow, aHigh], [bLow, bHigh]] = [quartiles(a), quartiles(b)]
  const ratio = now / before
  const apart = (now > aHigh && before < bLow) || (now < aLow && before > bHigh)
  const verdict = !apart || Math.abs(Math.log(ratio)) < Math.log1p(threshold) ? 'same' : ratio > 1 ? 'slower' : 'faster'
  return { before, now, ratio, verdict }
}
