import { clock } from './clock.js'
import { firstLine } from './firstLine.js'
import { turns } from './statistics.js'
import type { Case, Contender, Device } from './types.js'

export interface Plan {
  readonly rounds: number
  /** Time in which compilers may find out about a contender of fast calls, before any of its times counts, seconds. */
  readonly warm: number
  /** Length of one sample, seconds. */
  readonly sample: number
  /** A contender stops taking part when all its samples together took this long, after `least` rounds, seconds. */
  readonly budget: number
  readonly least: number
}

export const full: Plan = { rounds: 11, warm: 0.5, sample: 0.1, budget: 12, least: 3 }
export const quick: Plan = { rounds: 5, warm: 0.05, sample: 0.03, budget: 1.5, least: 3 }

/** The result of one contender of one case. */
export interface Entry {
  readonly name: string
  readonly backend: string
  readonly variant: string
  readonly threads: number
  readonly device?: Device
  /** Seconds per call in every round; null where it did not take part. */
  readonly seconds: (number | null)[]
  /** Error of the checked result, in units of the largest one allowed. */
  readonly error?: number
  /** The reason for missing times. */
  failed?: string
}

const entry = (c: Contender, rest: Partial<Entry>): Entry => ({
  name: c.name,
  backend: c.backend,
  variant: c.variant ?? '',
  threads: c.threads ?? 1,
  ...(c.device && { device: c.device }),
  seconds: [],
  ...rest,
})

/** Runs a contender once and checks its numbers; one whose numbers are wrong has no times. */
async function checked(c: Contender, check: Case['check']): Promise<Entry> {
  try {
    await c.enter?.()
    const error = await check(await c.result())
    if (!(error <= 1)) return entry(c, { error, failed: `wrong result: error ${error.toPrecision(3)} × the bound` })
    return entry(c, { error })
  } catch (error) {
    return entry(c, { failed: firstLine(error) })
  }
}

/** Calls slower than this are no matter of compilers, seconds. */
const SLOW = 0.05

/** Calls a contender until its time is up, or at once where a call is slow. */
async function warmUp(c: Contender, seconds: number): Promise<void> {
  const f = c.run ?? c.runAsync
  if (f === undefined) return
  await c.enter?.()
  const begin = performance.now()
  for (let before = begin, now = begin; now - begin < 1000 * seconds && now - before < 1000 * SLOW; ) {
    before = performance.now()
    await f()
    now = performance.now()
  }
}

/**
 * Times contenders in interleaved rounds. Every one is checked first. In a round each takes one sample, in an order that
 * changes from round to round; the first contender of the list and the yardstick take part in all of them, so that each
 * other one has rounds in common with them.
 */
export async function interleave(
  contenders: readonly Contender[],
  check: Case['check'],
  plan: Plan,
  yardstick: Contender,
): Promise<Entry[]> {
  const entries: Entry[] = []
  for (const c of contenders) entries.push(await checked(c, check))
  const racing = [...contenders.map((c, i) => ({ c, e: entries[i]! })), { c: yardstick, e: entry(yardstick, {}) }]
  for (const { c, e } of racing) if (e.failed === undefined) await warmUp(c, plan.warm)
  const spent = racing.map(() => 0)
  for (let round = 0; round < plan.rounds; round++) {
    globalThis.gc?.()
    for (const i of turns(racing.length, round)) {
      const { c, e } = racing[i]!
      if (e.failed !== undefined) continue
      if (i > 0 && round >= plan.least && spent[i]! > plan.budget) {
        e.seconds.push(null)
        continue
      }
      const begin = performance.now()
      try {
        e.seconds.push(await clock(c, plan.sample, e.seconds.findLast(s => s !== null) ?? undefined))
      } catch (error) {
        e.failed = firstLine(error)
        e.seconds.length = 0
      }
      spent[i]! += (performance.now() - begin) / 1000
    }
    if (spent[0]! > plan.budget && round + 1 >= plan.least) break
  }
  for (const c of contenders) await c.dispose?.()
  return racing.map(({ e }) => e)
}
