import { shown } from '@unravel/tensor/internals'
import type { Redis } from 'ioredis'
import { oneLine, UsageError } from '../errors.js'
import type { Io } from '../io.js'
import type { Outcome } from './job.js'
import type { Job } from './plan.js'
import type { Runner } from './pool.js'

/** Name of the queue, and prefix of the keys that hold outcomes. */
const QUEUE = 'unravel'
const OUTCOME = 'unravel-outcome:'
/** Seconds that an outcome waits for the study that asked for it. */
const KEPT = 7 * 24 * 3600
/** Seconds that it stays when it was fetched. */
const FETCHED = 60
/** Jobs that a study has in the queue at a time. */
const TOGETHER = 256
/** Milliseconds between two looks for outcomes, and between two checks that the queue still has the jobs. */
const LOOK = 100
const CHECK = 5000
/** Milliseconds after which a job is taken over from a worker that does not report. */
const LOCK = 15_000
/** Milliseconds in which a server must answer at first. */
const ANSWER = 10_000

/**
 * Hands jobs to the workers of a Redis server. Outcomes are kept there under the jobs' names until they are fetched, so that
 * neither a lost message nor a restarted study loses one; a server that comes back empty is given the open jobs again.
 */
export async function redisRunner(url: string, io: Io): Promise<Runner> {
  const { Queue } = await library('bullmq')
  const connection = await connect(url, io)
  const tell = refusals(url, io)
  const queue = new Queue(QUEUE, { connection })
  queue.on('error', tell)
  const open = new Map<string, { job: Job; settle: (outcome: Outcome) => void }>()

  // `jobId`: the queue holds a job once, however often it is added.
  const add = (jobs: readonly Job[]) =>
    queue.addBulk(
      jobs.map(job => ({
        name: 'job',
        data: job,
        opts: { jobId: job.id, removeOnComplete: true, removeOnFail: true },
      })),
    )
  let fresh: Job[] = []
  let checked = Date.now()
  let looking = false
  const look = async (): Promise<void> => {
    if (looking) return
    looking = true
    try {
      const adding = fresh
      fresh = []
      if (adding.length > 0) await add(adding)
      const ids = [...open.keys()]
      if (ids.length === 0) return
      const found = await connection.mget(ids.map(id => OUTCOME + id))
      const fetched = connection.pipeline()
      for (const [i, text] of found.entries()) {
        if (text === null) continue
        const id = ids[i]!
        const outcome = JSON.parse(text) as Outcome
        open.get(id)!.settle(outcome)
        open.delete(id)
        // What succeeded stays for a while: a worker that is given the job again sees that it is done.
        if ('error' in outcome) fetched.del(OUTCOME + id)
        else fetched.expire(OUTCOME + id, FETCHED)
      }
      await fetched.exec()
      if (Date.now() - checked < CHECK) return
      checked = Date.now()
      await add(ids.flatMap(id => open.get(id)?.job ?? []))
    } finally {
      looking = false
    }
  }
  const timer = setInterval(() => void look().catch(tell), LOOK)
  return {
    together: TOGETHER,
    run: job =>
      new Promise(settle => {
        open.set(job.id, { job, settle })
        fresh.push(job)
      }),
    async close() {
      clearInterval(timer)
      // A job that nobody waits for any more need not run.
      await Promise.all([...open.keys()].map(id => queue.remove(id).catch(() => 0)))
      await queue.close()
      connection.disconnect()
    },
  }
}

/** Takes jobs from the queue of a Redis server until `signal` aborts; jobs that run then return to the queue. */
export async function work(url: string, pool: Runner, concurrency: number, signal: AbortSignal, io: Io): Promise<void> {
  const { Worker } = await library('bullmq')
  const connection = await connect(url, io)
  const tell = refusals(url, io)
  const worker = new Worker<Job>(
    QUEUE,
    async ({ data }) => {
      if (await connection.exists(OUTCOME + data.id)) return
      const outcome = await pool.run(data)
      if (signal.aborted) throw new Error('the worker was stopped')
      await connection.set(OUTCOME + data.id, JSON.stringify(outcome), 'EX', KEPT)
      const what = 'error' in outcome ? oneLine(outcome.error) : `${outcome.result.ended}`
      io.err(`${data.id.slice(0, 12)}  ${oneLine(JSON.stringify(data.train))}: ${what}\n`)
    },
    { connection, concurrency, lockDuration: LOCK, stalledInterval: LOCK / 3, maxStalledCount: 1000 },
  )
  worker.on('error', tell)
  worker.on('failed', (_, error) => tell(error))
  io.err(`waiting for jobs at ${placeOf(url)}\n`)
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await pool.close()
  await worker.close(true)
  connection.disconnect()
}

/** A connection that waits for a server which goes away. Throws UsageError where there is none to begin with. */
async function connect(url: string, io: Io): Promise<Redis> {
  const { Redis } = await library('ioredis')
  if (!/^rediss?:\/\//.test(url)) {
    throw new UsageError(
      `--redis ${placeOf(url)}: expected redis://[user:password@]host[:port][/database], or rediss:// for TLS`,
    )
  }
  if (!URL.canParse(url)) {
    throw new UsageError(
      `--redis ${placeOf(url)}: it is no URL; characters such as / : @ of a password are written as %2F %3A %40`,
    )
  }
  const [, database = ''] = new URL(url).pathname.split('/')
  if (!/^\d*$/.test(database)) {
    throw new UsageError(
      `--redis ${placeOf(url)}: database ${shown(database)}: expected its number, as in redis://host/0`,
    )
  }
  let away = false
  let reached = false
  const connection = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: tries => (reached ? Math.min(100 * tries, 2000) : null),
  })
  connection.on('error', () => {}) // each ends in a close, which is followed by another try
  connection.on('reconnecting', () => {
    if (!away) io.err(`the Redis server at ${placeOf(url)} went away: waiting for it\n`)
    away = true
  })
  connection.on('ready', () => {
    reached = true
    if (away) io.err(`the Redis server at ${placeOf(url)} is back\n`)
    away = false
  })
  let why = ''
  connection.once('error', (error: Error) => (why = error.message))
  let patience: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_, fail) => {
    patience = setTimeout(() => fail(new Error(`no answer in ${ANSWER / 1000} seconds`)), ANSWER)
  })
  try {
    await Promise.race([connection.connect().then(() => connection.select(connection.options.db ?? 0)), silence])
  } catch (error) {
    connection.disconnect()
    const reason = why || (error as Error).message
    throw new UsageError(`--redis ${placeOf(url)}: no connection: ${oneLine(reason)}${adviceOn(reason)}`)
  } finally {
    clearTimeout(patience)
  }
  return connection
}

/** Tells once each command that the server refuses, as one without memory or rights does: the command is tried again. Where the connection
 *  breaks, it tells itself. */
function refusals(url: string, io: Io): (error: Error) => void {
  const told = new Set<string>()
  return ({ name, message }) => {
    if (name !== 'ReplyError' || told.has(message)) return
    told.add(message)
    io.err(`the Redis server at ${placeOf(url)} refuses a command, which is tried again: ${oneLine(message)}\n`)
  }
}

/** What to do about a refused connection, where its message does not say it. */
function adviceOn(reason: string): string {
  if (/^NOAUTH/.test(reason)) return '; give its password, as in redis://:password@host'
  if (/certificate/i.test(reason)) return '; for a certificate of your own set NODE_EXTRA_CA_CERTS to its file'
  if (/ECONNREFUSED/.test(reason)) return '; start redis-server there, or give another host or port'
  if (/ECONNRESET|EPIPE/.test(reason)) return '; a server that speaks TLS has a rediss:// URL'
  return /RESP|no answer|closed/.test(reason) ? '; is it a Redis server? Give its host and port' : ''
}

/** The address without its password, which may hold an unescaped @, and without options. */
const placeOf = (url: string): string => url.replace(/\/\/.*@/, '//').replace(/\?.*$/, '')

/** A package of the queue; UsageError where it is not installed. */
async function library<Name extends 'bullmq' | 'ioredis'>(name: Name): Promise<Libraries[Name]> {
  try {
    return (await import(name)) as Libraries[Name]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new UsageError('--redis needs two packages: npm install bullmq@6.7.0 ioredis@6.0.0')
  }
}

interface Libraries {
  readonly bullmq: typeof import('bullmq')
  readonly ioredis: typeof import('ioredis')
}
