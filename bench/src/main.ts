import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { compare } from './compare.js'
import { firstLine } from './firstLine.js'
import { goals } from './goals.js'
import { machine } from './machine.js'
import { type Options, parse, usage } from './options.js'
import { apart } from './part.js'
import { loadPeers, peerNames } from './peers/index.js'
import { wasmBuild } from './peers/unravel.js'
import { ratioPlot } from './plot.js'
import type { Run } from './record.js'
import { suites } from './suites/index.js'
import { changeTable, goalTables } from './table.js'

const print = (text: string) => process.stdout.write(text)
/** Files are named from where the caller stands, which pnpm keeps in INIT_CWD. */
const path = (file: string) => resolve(process.env.INIT_CWD ?? process.cwd(), file)

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
  for (const p of peers) await p.close?.()
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
  for (const { name } of suites) {
    if (options.suites.length > 0 && !options.suites.includes(name)) continue
    await apart(name, options, told => {
      if ('row' in told) run.rows.push(told.row)
      else run.quantities.push(told.quantity)
    })
    save(run)
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
