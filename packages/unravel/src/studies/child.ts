import { Command } from 'commander'
import type { Io } from '../io.js'
import { type Outcome, type Program, runJob } from './job.js'
import type { Job } from './plan.js'

/** A message to a child process. */
export interface Request {
  readonly number: number
  readonly job: Job
  /** Folder for what the job writes while it runs. */
  readonly scratch: string
}

/** A message from a child process: `number` is that of the job it was given. */
export interface Finished {
  readonly number: number
  readonly outcome: Outcome
}

/** The hidden command that a pool starts: runs the jobs that its parent sends, one after another, until the parent is gone. */
export function jobsCommand(io: Io, unravel: Program): Command {
  return new Command('run-jobs').action(async () => {
    if (process.send === undefined) return
    const signal = io.interruption()
    // An interruption of the terminal reaches the whole group of processes: the parent ends its children.
    let last: Promise<void> = Promise.resolve()
    process.on('message', ({ number, job, scratch }: Request) => {
      last = last.then(async () => {
        const outcome = await runJob(job, scratch, unravel, signal).catch(
          (error: unknown): Outcome => ({ error: String(error) }),
        )
        if (process.connected) process.send!({ number, outcome } satisfies Finished)
      })
    })
    await new Promise(resolve => process.once('disconnect', resolve))
    process.exit(0)
  })
}
