import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { plural } from '@unravel/report/data'
import { Command, Option } from 'commander'
import { Interrupted, oneLine, UsageError } from '../errors.js'
import { at, type Io } from '../io.js'
import { progressBar } from '../progress.js'
import type { Outcome, Row } from '../studies/job.js'
import { type Job, parseStudy, type Study } from '../studies/plan.js'
import { processPool, type Runner } from '../studies/pool.js'
import { redisRunner } from '../studies/redis.js'
import { holdsStudy, storeIn, writeEvents, writeResults } from '../studies/results.js'
import { integer } from '../values.js'

interface StudyCommandOptions {
  readonly out: string
  readonly workers: number
  readonly redis?: string
  readonly tensorboard?: true
  readonly dryRun?: true
}

/** @param train makes `unravel train`, whose options jobs have */
export function studyCommand(io: Io, train: () => Command): Command {
  return new Command('study')
    .description('Grid of networks, trained and expanded: depths, scales, seeds and other options of train.')
    .argument('<FILE.json>', 'study: name, options that all jobs share (train), grid or list, expansion (expand)')
    .requiredOption('--out <DIR>', 'folder of the results; a study goes on from what is there')
    .addOption(
      new Option('--workers <N>', 'processes that train at the same time')
        .argParser(integer(1, 1024))
        .default(availableParallelism(), 'one for each core'),
    )
    .option('--redis <URL>', 'queue on a Redis server, whose jobs `unravel worker` takes')
    .option('--tensorboard', 'event files of the losses and spectra beside the results, for TensorBoard')
    .option('--dry-run', 'list of the jobs, none of which runs')
    .action((file: string, options: StudyCommandOptions) => runStudy(file, options, train, io))
}

async function runStudy(file: string, options: StudyCommandOptions, train: () => Command, io: Io): Promise<void> {
  const signal = io.interruption()
  const study = parseStudy(readText(at(io, file), file), file, train)
  if (options.dryRun) {
    for (const { id, train } of study.jobs) io.out(`${id}  ${JSON.stringify(train)}\n`)
    io.out(`${plural(study.jobs.length, 'job')}\n`)
    return
  }
  const folder = at(io, options.out)
  if (!holdsStudy(folder)) throw new UsageError(`--out ${options.out}: it holds other files; name a new folder`)
  const store = storeIn(folder)
  const errors = new Map<Job, string>()
  const open = study.jobs.filter(job => store.find(job) === undefined)
  if (open.length < study.jobs.length) {
    io.err(`${study.jobs.length - open.length} of ${study.jobs.length} jobs were finished before\n`)
  }
  if (open.length > 0) {
    const runner = await runnerOf(options, io)
    const bar = progressBar(io, oneLine(study.name), open.length, 'jobs')
    let done = 0
    const take = (job: Job, outcome: Outcome): void => {
      // Results wait in their files, so that the memory of a study does not grow with it.
      if ('result' in outcome) store.keep(job, outcome.result)
      else errors.set(job, outcome.error)
      bar.update(++done)
    }
    try {
      store.prepare()
      await runAll(open, runner, take, signal)
    } finally {
      bar.stop()
      await runner.close()
    }
  }
  const known = study.jobs.flatMap((job): Row[] => {
    const result = store.find(job)
    if (result !== undefined) return [{ ...job, result }]
    const error = errors.get(job)
    return error === undefined ? [] : [{ ...job, error }]
  })
  await writeResults(folder, study, known)
  if (options.tensorboard) writeEvents(folder, known)
  if (signal.aborted) {
    const left = study.jobs.length - known.length
    throw new Interrupted(`stopped with ${left} of ${study.jobs.length} jobs to do: run the same command to go on`)
  }
  conclude(study, known, options.out, io)
}

/** Runs jobs, as many at a time as the runner takes, and hands on their outcomes until they are done or `signal` aborts. */
async function runAll(
  jobs: readonly Job[],
  runner: Runner,
  take: (job: Job, outcome: Outcome) => void,
  signal: AbortSignal,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < jobs.length && !signal.aborted) {
      const job = jobs[next++]!
      const outcome = await runner.run(job)
      if (signal.aborted) return
      take(job, outcome)
    }
  }
  const stopped = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  await Promise.race([Promise.all(Array.from({ length: Math.min(runner.together, jobs.length) }, lane)), stopped])
}

function readText(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${name}: it cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

async function runnerOf({ workers, redis }: StudyCommandOptions, io: Io): Promise<Runner> {
  if (redis !== undefined) {
    return redisRunner(redis, io)
  }
  if (io.script === undefined) throw new UsageError('study: it needs the program `unravel` to start its processes')
  return processPool(io.script, workers)
}

/** Says where the results are; a failed job makes the exit status 1. */
function conclude(study: Study, rows: readonly Row[], out: string, io: Io): void {
  const failed = rows.filter(row => 'error' in row)
  io.out(
    `${rows.length - failed.length} of ${study.jobs.length} jobs: report.html and results.jsonl, .csv, .parquet in ${out}\n`,
  )
  if (failed.length === 0) return
  const { train, error } = failed[0] as Row & { error: string }
  throw new StudyFailed(
    `${failed.length} of ${study.jobs.length} jobs failed, the first ${JSON.stringify(train)}: ${error}`,
  )
}

/** Jobs failed: exit status 1. The others' results are written. */
export class StudyFailed extends Error {
  override readonly name = 'StudyFailed'
}
