import { existsSync, readFileSync } from 'node:fs'
import { FileError, jsonLines, writeFileAtomically } from '@unravel/resnet/node'

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

/** The lines of such a file; none where there is no file. Throws FileError for a file of another kind. */
export const stepRecords = <T extends StepRecord>(path: string): T[] =>
  wholeLines(path, path).map(({ record }) => record as T)

/** A run that was killed may have cut its last line short: whatever follows the last newline is left out. */
function wholeLines(path: string, where: string) {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
  return lines.map((line, i) => ({ line, record: parsed(line, `${where}: line ${i + 1}`) }))
}

function parsed(line: string, where: string): StepRecord {
  try {
    const record = JSON.parse(line) as StepRecord
    if (Number.isSafeInteger(record.step)) return record
  } catch {} // told below
  throw new FileError(`${where} is not one of a training run; name another file`)
}
