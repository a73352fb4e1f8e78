import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OrderRecord } from '@unravel/report/data'
import { prepareFile, replaceFile, writeFileAtomically } from '@unravel/resnet/node'
import { UsageError } from '../errors.js'
import type { JobResult, Row } from './job.js'
import type { Job, Setting, Study } from './plan.js'
import { eventFile, eventFileName, type Scalar } from './tensorboard.js'

/** The results of finished jobs in a folder: one file each, written whole, named by the job. */
export interface Store {
  /** Makes the folder. */
  prepare(): void
  /** The result of a job that finished, in this study or in one before. */
  find(job: Job): JobResult | undefined
  keep(job: Job, result: JobResult): void
}

/** The store in `DIR/jobs`. */
export function storeIn(folder: string): Store {
  const jobs = join(folder, 'jobs')
  const there = new Set(existsSync(jobs) ? readdirSync(jobs) : [])
  for (const name of there) {
    const leftover = /^(.+\.json)\.\d+\.tmp$/.exec(name)
    if (leftover !== null) prepareFile(join(jobs, leftover[1]!)) // removes it
  }
  return {
    prepare: () => void mkdirSync(jobs, { recursive: true }),
    find({ id }) {
      const name = `${id}.json`
      if (!there.has(name)) return undefined
      const file = join(jobs, name)
      try {
        return JSON.parse(readFileSync(file, 'utf8')) as JobResult
      } catch {
        throw new UsageError(`${file}: it is no result of a job; remove it, and the job runs again`)
      }
    },
    keep({ id }, result) {
      const name = `${id}.json`
      replaceFile(join(jobs, name), `${JSON.stringify(result)}\n`)
      there.add(name)
    },
  }
}

/** Columns of results.csv and results.parquet: the settings of the study, then numbers of the result. */
export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (Setting | null)[])[]
}

const measured: Readonly<Record<string, (result: JobResult) => Setting | null>> = {
  ended: result => result.ended,
  steps: result => result.steps,
  loss: result => result.loss,
  test_accuracy: result => result.test_accuracy,
  gated_mean_order: result => result.gated?.mean_order ?? null,
  taylor_mean_order: result => result.taylor?.mean_order ?? null,
  radius: result => (result.taylor?.radius as { estimate: number | null } | null | undefined)?.estimate ?? null,
  best_remainder: result => result.taylor?.best_remainder ?? null,
}

export function tableOf({ varied }: Study, rows: readonly Row[]): Table {
  return {
    columns: ['id', ...varied, ...Object.keys(measured), 'error'],
    rows: rows.map(row => [
      row.id,
      ...varied.map(name => row.train[name] ?? null),
      ...Object.values(measured).map(of => ('result' in row ? of(row.result) : null)),
      'error' in row ? row.error : null,
    ]),
  }
}

/** RFC 4180. */
export function csvOf({ columns, rows }: Table): string {
  const cell = (value: Setting | null): string => {
    const text = value === null ? '' : String(value)
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  return [columns, ...rows].map(row => `${row.map(cell).join(',')}\r\n`).join('')
}

/** Column-wise values of one Parquet type: numbers where all are, else text. */
export async function parquetOf({ columns, rows }: Table): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: columns.map((name, i) => {
        const values = rows.map(row => row[i]!)
        const numeric = values.every(value => value === null || typeof value === 'number')
        return numeric
          ? { name, data: values as (number | null)[], type: 'DOUBLE' as const, nullable: true }
          : {
              name,
              data: values.map(value => (value === null ? null : String(value))),
              type: 'STRING' as const,
              nullable: true,
            }
      }),
    }),
  )
}

export async function writeResults(folder: string, study: Study, rows: readonly Row[]): Promise<void> {
  const table = tableOf(study, rows)
  writeFileAtomically(join(folder, 'results.jsonl'), rows.map(row => `${JSON.stringify(row)}\n`).join(''))
  writeFileAtomically(join(folder, 'results.csv'), csvOf(table))
  writeFileAtomically(join(folder, 'results.parquet'), await parquetOf(table))
  // Drawing takes a charting library, which nothing but the end of a study needs.
  const { studyPage } = await import('./page.js')
  writeFileAtomically(join(folder, 'report.html'), studyPage(study, rows))
}

/** Whether a folder can take a study: it is none yet, or it is empty, or it holds one. */
export const holdsStudy = (folder: string): boolean =>
  !existsSync(folder) || readdirSync(folder).length === 0 || existsSync(join(folder, 'jobs'))

/** Events of every job in `DIR/tensorboard/JOB`: the loss and, of `expand.every`, the spectra by step; other numbers of the trained
 *  network at its last step. */
export function writeEvents(folder: string, rows: readonly Row[]): void {
  for (const row of rows) {
    if (!('result' in row)) continue
    const { result, id } = row
    const run = join(folder, 'tensorboard', id.slice(0, 12))
    mkdirSync(run, { recursive: true })
    const curves = [...result.losses.flatMap(lossAt), ...result.orders.flatMap(record => spectrumAt(record, row))]
    const tags = new Set(['steps', ...curves.map(({ tag }) => tag)])
    const last = Object.entries(measured).filter(([tag]) => !tags.has(tag))
    const ends = last.flatMap(([tag, of]) => scalar(tag, result.steps, of(result)))
    writeFileAtomically(join(run, eventFileName), eventFile([...curves, ...ends]))
  }
}

/** A scalar event; none for text and missing numbers. */
const scalar = (tag: string, step: number, value: Setting | null): Scalar[] =>
  typeof value === 'number' ? [{ tag, step, value }] : []

const lossAt = ({ step, loss }: JobResult['losses'][number]): Scalar[] => scalar('loss', step, loss)

/** The shares of the orders that a study expands to, and what sums them up. */
const spectrumAt = ({ step, gated, taylor, complexity }: OrderRecord, { expand }: Job): Scalar[] => [
  ...gated.share.slice(0, expand.orders + 1).flatMap((share, k) => scalar(`gated_share/order ${k}`, step, share)),
  ...scalar('gated_mean_order', step, gated.mean_order),
  ...scalar('radius', step, taylor.radius?.estimate ?? null),
  ...scalar('best_remainder', step, taylor.best_remainder),
  ...scalar('complexity', step, complexity),
]
