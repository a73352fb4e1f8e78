import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OrderRecord } from '@unravel/report/data'
import { FileError, jsonLines, writeFileAtomically } from '@unravel/resnet/node'
import { z } from 'zod'

/** Files of a training run, one line of JSON a step: numbers of the step, and the order spectra of the network. */
export const METRICS = 'metrics.jsonl'
export const ORDERS = 'orders.jsonl'

/** The fields that every line has. */
export interface StepRecord {
  /** Steps done, at least 1. */
  readonly step: number
}

/** A writer of lines; on resumption those up to step `from` stay. `where` names the file in errors. */
export function stepWriter(path: string, where: string, from: number): (record: StepRecord) => void {
  const kept = from === 0 ? [] : wholeLines(path, where).filter(({ record }) => record.step <= from)
  if (kept.length > 0) writeFileAtomically(path, kept.map(({ line }) => `${line}\n`).join(''))
  return jsonLines(path, { append: kept.length > 0 })
}

const real = z.number().nullable()
const step = z.int().min(1)
const metrics = z.looseObject({ step, loss: real })
const orders = z.looseObject({
  step,
  gated: z.object({ share: z.array(real), mean_order: real, norms: z.array(real) }),
  taylor: z.object({
    radius: z.object({ estimate: real, low: real, high: real, ratio: real }).nullable(),
    best_remainder: real,
  }),
  complexity: real,
  coherence: z.array(real),
})

/** The lines of `metrics.jsonl` in a folder; none where there is no file. Throws FileError for a file of another kind. */
export const metricsIn = (folder: string): z.output<typeof metrics>[] => recordsIn(join(folder, METRICS), metrics)
/** The lines of `orders.jsonl` in a folder; none where there is no file. Throws FileError for a file of another kind. */
export const ordersIn = (folder: string): OrderRecord[] => recordsIn(join(folder, ORDERS), orders)

const recordsIn = <T extends StepRecord>(path: string, schema: z.ZodType<T>): T[] =>
  wholeLines(path, path).map(({ record }, i) => {
    const found = schema.safeParse(record)
    if (found.success) return found.data
    const { path: field, message } = found.error.issues[0]!
    throw new FileError(`${path}: line ${i + 1} is not one of unravel train: ${field.join('.')}: ${message}`)
  })

/** A run that was killed may have cut its last line short: what follows the last newline is left out, where it begins as lines
 *  do. */
function wholeLines(path: string, where: string) {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : ['']
  const cut = lines.pop()!
  const begin = '{"step":'
  if (!begin.startsWith(cut.slice(0, begin.length))) throw foreign(`${where}: line ${lines.length + 1}`)
  return lines.map((line, i) => ({ line, record: parsed(line, `${where}: line ${i + 1}`) }))
}

function parsed(line: string, where: string): StepRecord {
  try {
    const record = JSON.parse(line) as StepRecord
    if (Number.isSafeInteger(record.step)) return record
  } catch {} // told below
  throw foreign(where)
}

const foreign = (where: string) => new FileError(`${where} is not one of a training run; name another file`)
