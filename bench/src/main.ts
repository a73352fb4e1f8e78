import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { compare } from './compare.js'
import { goals } from './goals.js'
import { machine } from './machine.js'
import { type Options, parse, usage } from './options.js'
import { loadPeers, peerNames } from './peers/index.js'
import { ours, wasmBuild } from './peers/unravel.js'
import { ratioPlot } from './plot.js'
import type { Measured, Row, Run } from './record.js'
import { full, interleave, quick } from './rounds.js'
import { suites } from './suites/index.js'
import { caseTable, changeTable, goalTables, quantityLine } from './table.js'
import type { Case, Contender, Peer, Suite } from './types.js'
import { yardstick } from './yardstick.js'

const print = (text: string) => process.stdout.write(text)
/** Files are named from where the caller stands, which pnpm keeps in INIT_CWD. */
const path = (file: string) => resolve(process.env.INIT_CWD ?? process.cwd(), file)
const firstLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0]!

/** Everybody who takes part in a case; a peer that cannot prepare it is told in one line. */
async function contendersOf(c: Case, peers: readonly Peer[]): Promise<Contender[]> {
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

async function rowOf(suite: Suite, c: Case, peers: readonly Peer[], options: Options): Promise<Row> {
  const contenders = await contendersOf(c, peers)
  const plan = options.quick ? quick : full
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

async function main(options: Options): Promise<void> {
  const before =
    options.compare === undefined ? undefined : (JSON.parse(readFileSync(path(options.compare), 'utf8')) as Run)
  if (before !== undefined && before.quick !== options.quick) {
    throw new RangeError(
      `${options.compare} is a ${before.quick ? 'quick' : 'full'} run, which does other work than this one`,
    )
  }
  // After every suite: a run that is stopped leaves what it has.
  const save = (run: Run) => {
    if (options.json !== undefined) writeFileSync(path(options.json), `${JSON.stringify(run)}\n`)
    if (options.plot !== undefined) writeFileSync(path(options.plot), ratioPlot(run))
  }
  const absent: Record<string, string> = {}
  const peers = await loadPeers(options.peers, (name, reason) => {
    absent[name] = reason
    print(`${name} is absent: ${reason}\n`)
  })
  const run: Run = {
    format: 'unravel-bench-1',
    date: new Date().toISOString(),
    quick: options.quick,
    node: process.versions.node,
    machine: machine(),
    build: wasmBuild(),
    peers: Object.fromEntries(peers.map(p => [p.name, p.version])),
    absent,
    rows: [],
    quantities: [],
  }
  const versions = peers.map(p => `${p.name} ${p.version}`).join(', ')
  print(
    `${run.machine.cpu}, ${run.machine.cores} cores, ${run.machine.vectors}, Node ${run.node}, ${run.build} build${options.quick ? ', quick' : ''}\n`,
  )
  print(
    `peers: ${versions || 'none'}\nratios: time of a contender / time of the first, medians of rounds, quartiles\n\n`,
  )
  try {
    for (const suite of suites) {
      if (options.suites.length > 0 && !options.suites.includes(suite.name)) continue
      print(`── ${suite.name}: ${suite.what}\n\n`)
      for (const make of suite.cases(options)) {
        const row = await rowOf(suite, make(), peers, options)
        run.rows.push(row)
        print(caseTable(row))
      }
      for (const { measure, ...quantity } of suite.quantities?.(options) ?? []) {
        let value: number | null = null
        try {
          value = (await measure()) ?? null
        } catch (error) {
          print(`${quantity.name} failed: ${firstLine(error)}\n`)
        }
        const measured: Measured = { suite: suite.name, ...quantity, value }
        run.quantities.push(measured)
        print(quantityLine(measured))
      }
      print('\n')
      save(run)
    }
  } finally {
    for (const p of peers) await p.close?.()
  }
  print(`── goals\n\n${goalTables(goals, run)}`)
  if (before !== undefined) print(`\n── since ${before.date}\n\n${changeTable(compare(before, run))}`)
}

try {
  const options = parse(
    process.argv.slice(2),
    suites.map(s => s.name),
    peerNames,
  )
  if (options.help) print(usage)
  else await main(options)
} catch (error) {
  process.stderr.write(
    `bench: ${process.env.UNRAVEL_DEBUG === '1' && error instanceof Error ? error.stack : firstLine(error)}\n`,
  )
  process.exitCode = 2
}
// Workers of peers would keep the process alive.
process.exit()
