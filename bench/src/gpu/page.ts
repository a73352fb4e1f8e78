import './lodash.js'
import Benchmark from 'benchmark'
import { firstLine } from '../firstLine.js'
import { rowsOf } from '../rows.js'
import { gpu } from '../suites/gpu.js'
import { caseTable } from '../table.js'
import type { News } from './serve.js'

// The suite gpu in a page: rows are shown here and told to the server that serves it.

// Its functions for pages name it as a global.
Object.assign(globalThis, { Benchmark })

const shown = document.querySelector('pre')!
const show = (text: string) => shown.append(`\n${text}`)
const tell = (news: News) => fetch('/news', { method: 'POST', body: JSON.stringify(news) })

/** Chrome/156.0.0.0, Firefox/150.0, … */
const [browser = navigator.userAgent] =
  /(Firefox|Edg|Chrome|HeadlessChrome|Version)\/[\d.]+/.exec(navigator.userAgent) ?? []
const quick = new URLSearchParams(location.search).has('quick')
const lines: Promise<unknown>[] = []
const print = (text: string) => {
  show(text)
  lines.push(tell({ text }))
}

try {
  for await (const measured of rowsOf(gpu, [], { quick }, print)) {
    const row = { ...measured, browser }
    show(caseTable(row))
    await tell({ row })
  }
} catch (error) {
  print(`the page failed: ${firstLine(error)}\n`)
}
await Promise.all(lines)
await tell({})
show('done')
