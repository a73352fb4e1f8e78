import { firstLine } from './firstLine.js'
import { ours } from './peers/unravel.js'
import type { Row } from './record.js'
import { full, interleave, quick } from './rounds.js'
import type { Case, Contender, Peer, Size, Suite } from './types.js'
import { yardstick } from './yardstick.js'

type Print = (text: string) => void

/** The contenders of a case; a peer that cannot prepare it is told in one line. */
async function contendersOf(c: Case, peers: readonly Peer[], print: Print): Promise<Contender[]> {
  const found: Contender[] = []
  const join = async (name: string, prepare: () => Contender | undefined | Promise<Contender | undefined>) => {
    try {
      const contender = await prepare()
      if (contender !== undefined) found.push(contender)
    } catch (error) {
      print(`${c.name}: ${name} could not prepare: ${firstLine(error)}\n`)
    }
  }
  for (const own of c.own ?? [() => ours(c.work!)]) await join('ours', own)
  if (c.work !== undefined) {
    for (const peer of peers) if (!(peer.name in (c.without ?? {}))) await join(peer.name, () => peer.prepare(c.work!))
  }
  return found
}

async function rowOf(suite: Suite, c: Case, peers: readonly Peer[], size: Size, print: Print): Promise<Row> {
  const contenders = await contendersOf(c, peers, print)
  const plan = size.quick ? quick : full
  const entries = await interleave(contenders, c.check, plan, yardstick())
  const without = Object.entries(c.without ?? {}).filter(([name]) => peers.some(p => p.name === name))
  return {
    suite: suite.name,
    name: c.name,
    what: c.what,
    amount: c.amount ?? null,
    entries: entries.slice(0, -1),
    yardstick: entries.at(-1)!,
    without: Object.fromEntries(without),
  }
}

/** The cases of a suite, one after the other; nothing but a line where the suite cannot run. */
export async function* rowsOf(
  suite: Suite,
  peers: readonly Peer[],
  size: Size,
  print: Print,
): AsyncGenerator<Row, void> {
  const skipped = await suite.unavailable?.()
  if (skipped !== undefined) return print(`skipped: ${skipped}\n`)
  for (const make of suite.cases(size)) yield await rowOf(suite, make(), peers, size, print)
}
