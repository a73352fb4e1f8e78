import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { meanOrder, type OrderRecord } from '@unravel/report/data'
import type { Io } from '../io.js'
import { METRICS, metricsIn, ordersIn } from '../records.js'
import { argumentsOf, type Job } from './plan.js'

/** Numbers of a job that depend on its configuration alone: no times, no paths. */
export interface JobResult {
  /** `diverged`: the run ended before its last step, with the last finite weights. */
  readonly ended: 'done' | 'diverged'
  readonly steps: number
  /** Training loss, about a hundred points of the run. */
  readonly losses: readonly { readonly step: number; readonly loss: number }[]
  /** Loss of the last step's batch. */
  readonly loss: number | null
  readonly test_accuracy: number | null
  readonly gated: Spectrum | null
  readonly taylor: TaylorSpectrum | null
  /** Lines of `orders.jsonl`. */
  readonly orders: readonly OrderRecord[]
}

interface Spectrum {
  readonly norms: readonly (number | null)[]
  readonly share: readonly (number | null)[]
  readonly mean_order: number | null
}

interface TaylorSpectrum extends Spectrum {
  readonly radius: unknown
  /** Relative error of the sum of the orders up to each. */
  readonly remainder: readonly (number | null)[]
  readonly best_remainder: number | null
}

/** The outcome of a job: its numbers, or the reason for none. */
export type Outcome = { readonly result: JobResult } | { readonly error: string }

/** A line of results.jsonl. */
export type Row = Job & Outcome

/** Runs the program on arguments: its exit status. */
export type Program = (argv: readonly string[], io: Io) => Promise<number>

/** Points of the loss curve that a result keeps. */
const POINTS = 100

/**
 * Trains the network of a job and takes it apart.
 *
 * @param scratch folder in which a folder is made for the time of the job
 * @param unravel the program, run in this process
 * @returns its numbers, or the error of the command that failed
 */
export async function runJob(
  { train, expand }: Job,
  scratch: string,
  unravel: Program,
  signal: AbortSignal,
): Promise<Outcome> {
  const folder = mkdtempSync(join(scratch, 'job-'))
  const model = join(folder, 'model')
  const metrics = join(folder, METRICS)
  const every = expand.every === undefined ? [] : ['--expand-every', String(expand.every)]
  try {
    const trained = await documentFrom<TrainDocument>(
      unravel,
      ['train', ...argumentsOf(train), '--out', model, '--metrics', metrics, '--json', ...every],
      signal,
    )
    if ('error' in trained) return trained
    const { ended, steps, loss, test_accuracy } = trained.document
    const expansion = (kind: string, orders: string) =>
      documentFrom<ExpandDocument>(
        unravel,
        ['expand', model, '--input', join(model, 'sample.npy'), '--expansion', kind, '--orders', orders, '--json'],
        signal,
      )
    // The weights of a run that diverged are the last finite ones, of no use to an expansion.
    const gated = ended === 'done' ? await expansion('gated', 'all') : null
    if (gated !== null && 'error' in gated) return gated
    const taylor = ended === 'done' ? await expansion('taylor', String(expand.orders)) : null
    if (taylor !== null && 'error' in taylor) return taylor
    return {
      result: {
        ...{ ended, steps, loss, test_accuracy },
        losses: lossCurve(metricsIn(folder).map(({ step, loss }) => ({ step, loss: loss ?? Number.NaN }))),
        gated: gated && spectrumOf(gated.document),
        taylor: taylor && {
          ...spectrumOf(taylor.document),
          radius: taylor.document.radius,
          remainder: taylor.document.remainder,
          best_remainder: smallest(taylor.document.remainder),
        },
        orders: every.length > 0 ? ordersIn(model) : [],
      },
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The document of `unravel train --json`, as far as a result keeps it. */
interface TrainDocument {
  readonly ended: 'done' | 'diverged'
  readonly steps: number
  readonly loss: number | null
  readonly test_accuracy: number | null
}

/** The document of `unravel expand --json`, as far as a result keeps it. */
interface ExpandDocument {
  readonly norms: (number | null)[]
  readonly share: (number | null)[]
  readonly remainder: (number | null)[]
  readonly radius: unknown
}

/** Output of a command, read as JSON; its message where it printed none. */
async function documentFrom<T>(
  unravel: Program,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<{ document: T } | { error: string }> {
  let out = ''
  let err = ''
  const status = await unravel(argv, {
    cwd: process.env.INIT_CWD ?? process.cwd(),
    out: text => (out += text),
    err: text => (err += text),
    interruption: () => signal,
  })
  if (out.startsWith('{')) return { document: JSON.parse(out) as T }
  const message = err
    .trimEnd()
    .split('\n')
    .at(-1)!
    .replace(/^unravel: /, '')
  return { error: message === '' ? `unravel ${argv[0]} ended with status ${status}` : message }
}

function lossCurve(metrics: readonly { step: number; loss: number }[]): { step: number; loss: number }[] {
  const every = Math.ceil(metrics.length / POINTS)
  const kept = metrics.filter((_, i) => i % every === 0 || i === metrics.length - 1)
  return kept.map(({ step, loss }) => ({ step, loss }))
}

function spectrumOf({ norms, share }: ExpandDocument): Spectrum {
  return { norms, share, mean_order: share.every(part => part !== null) ? meanOrder({ share }) : null }
}

const smallest = (values: readonly (number | null)[]): number | null => {
  const finite = values.filter(value => value !== null)
  return finite.length > 0 ? Math.min(...finite) : null
}
