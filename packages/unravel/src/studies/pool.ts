import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Finished, Request } from './child.js'
import type { Outcome } from './job.js'
import type { Job } from './plan.js'

/** A pool that runs jobs: processes of this machine, or the workers of a Redis server. */
export interface Runner {
  /** Jobs that should be under way at the same time. */
  readonly together: number
  /** The outcome of a job; an error where its process died. */
  run(job: Job): Promise<Outcome>
  /** Ends what runs; jobs under way come to nothing. Resolves when processes and their files are gone. */
  close(): Promise<void>
}

/**
 * A pool of at most `size` processes, each started when it is first needed and again after it died.
 *
 * @param script the program that a process runs, with the argument `run-jobs`
 */
export function processPool(script: string, size: number): Runner {
  const scratch = mkdtempSync(join(tmpdir(), 'unravel-jobs-'))
  const idle: Child[] = []
  const waiting: ((child: Child) => void)[] = []
  const all = new Set<Child>()
  const taken = async (): Promise<Child> => {
    const free = idle.pop()
    if (free !== undefined) return free
    if (all.size < size) {
      const child = new Child(script, () => all.delete(child))
      all.add(child)
      return child
    }
    return new Promise(resolve => waiting.push(resolve))
  }
  const release = (child: Child): void => {
    // A process that died is replaced for the jobs that wait.
    const next = waiting.shift()
    if (child.alive) {
      if (next === undefined) idle.push(child)
      else next(child)
    } else if (next !== undefined) void taken().then(next)
  }
  return {
    together: size,
    async run(job) {
      const child = await taken()
      try {
        return await child.run(job, scratch)
      } finally {
        release(child)
      }
    },
    async close() {
      await Promise.all([...all].map(child => child.kill()))
      rmSync(scratch, { recursive: true, force: true })
    },
  }
}

class Child {
  readonly #process: ChildProcess
  readonly #pending = new Map<number, (outcome: Outcome) => void>()
  #next = 0
  alive = true

  constructor(script: string, gone: () => void) {
    // Its own group, so that an interruption of the terminal reaches the parent alone.
    this.#process = fork(script, ['run-jobs'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], detached: true })
    this.#process.on('message', (message: Finished) => {
      this.#pending.get(message.number)?.(message.outcome)
      this.#pending.delete(message.number)
    })
    const ended = (how: string): void => {
      this.alive = false
      gone()
      for (const settle of this.#pending.values()) settle({ error: `the process of the job ended: ${how}` })
      this.#pending.clear()
    }
    this.#process.once('exit', (code, signal) => ended(signal ?? `exit status ${code}`))
    this.#process.once('error', error => ended(error.message))
  }

  run(job: Job, scratch: string): Promise<Outcome> {
    const number = this.#next++
    return new Promise(resolve => {
      this.#pending.set(number, resolve)
      this.#process.send({ number, job, scratch } satisfies Request)
    })
  }

  async kill(): Promise<void> {
    if (!this.alive) return
    const gone = new Promise(resolve => this.#process.once('exit', resolve))
    this.#process.kill('SIGKILL')
    await gone
  }
}
