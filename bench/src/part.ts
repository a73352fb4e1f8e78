import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { firstLine } from './firstLine.js'
import { inBrowser } from './gpu/serve.js'
import type { Options } from './options.js'
import { loadPeers } from './peers/index.js'
import type { Measured, Row } from './record.js'
import { rowsOf } from './rows.js'
import { suites } from './suites/index.js'
import { caseTable, quantityLine } from './table.js'

/** A message from the process of a suite to the one that started it. */
export type Told = { readonly row: Row } | { readonly quantity: Measured }

/**
 * Runs one suite in a process of its own, which prints what it finds. Work as large as the last cache was measured at up to
 * twice its time in memory that a suite before had used.
 */
export async function apart(suite: string, options: Options, hear: (told: Told) => void): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), [suite, JSON.stringify(options)])
  child.on('message', told => hear(told as Told))
  const status = await new Promise<number | null>(done => child.on('close', done))
  if (status !== 0) throw new Error(`the suite ${suite} ended with status ${status}`)
}

async function run(name: string, options: Options): Promise<void> {
  const print = (text: string) => process.stdout.write(text)
  const tell = (told: Told) => process.send!(told)
  const suite = suites.find(s => s.name === name)!
  const peers = await loadPeers(options.peers, () => {})
  try {
    print(`── ${suite.name}: ${suite.what}\n\n`)
    const rows =
      suite.name === 'gpu' && options.where !== 'node'
        ? inBrowser(options.where, options, print)
        : rowsOf(suite, peers, options, print)
    for await (const row of rows) {
      tell({ row })
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
      tell({ quantity: measured })
      print(quantityLine(measured))
    }
    print('\n')
  } finally {
    for (const p of peers) await p.close?.()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await run(process.argv[2]!, JSON.parse(process.argv[3]!) as Options)
  } catch (error) {
    process.stderr.write(`bench: ${firstLine(error)}\n`)
    process.exitCode = 2
  }
  // Messages are on their way before the process ends; workers of peers would keep it alive.
  process.disconnect()
  process.exit()
}
