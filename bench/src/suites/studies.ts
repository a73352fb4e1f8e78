import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { program } from '../command.js'
import { median } from '../statistics.js'
import type { Size, Suite } from '../types.js'

const WORKERS = 2
const expand = { orders: 2 }
const settings = { data: 'data', depth: 1, width: 2, hidden: 2, batch: 4, steps: 1 }

/** IDX files of `count` images of 2×2 pixels. */
function images(folder: string, name: string, count: number): void {
  const header = (kind: number, ...sizes: number[]) => {
    const bytes = Buffer.alloc(4 + 4 * sizes.length)
    bytes.set([0, 0, 8, kind])
    sizes.forEach((size, i) => bytes.writeUInt32BE(size, 4 + 4 * i))
    return bytes
  }
  const pixels = Buffer.from(Array.from({ length: 4 * count }, (_, i) => (i * 37) % 256))
  const labels = Buffer.from(Array.from({ length: count }, (_, i) => i % 10))
  writeFileSync(join(folder, `${name}-images-idx3-ubyte`), Buffer.concat([header(3, count, 2, 2), pixels]))
  writeFileSync(join(folder, `${name}-labels-idx1-ubyte`), Buffer.concat([header(1, count), labels]))
}

const freePort = (): Promise<number> =>
  new Promise(resolve => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })

const residentMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

/** Seconds of one job after another in each of `WORKERS` processes, without a queue: the median. */
async function jobItself(count: number, folder: string): Promise<number> {
  const alone = async (worker: number): Promise<number[]> => {
    // Options of this process (`--import tsx`) would be looked up from the other folder.
    const child = fork(program, ['run-jobs'], {
      cwd: folder,
      env: { ...process.env, INIT_CWD: folder },
      execArgv: [],
    })
    const died = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the process of the jobs ended: ${signal ?? `exit status ${code}`}`)
    })
    const seconds: number[] = []
    try {
      for (let i = 0; i < count; i++) {
        const begin = performance.now()
        const done = once(child, 'message')
        const job = { id: `${worker}-${i}`, train: { ...settings, seed: i }, expand }
        child.send({ number: i, job, scratch: folder })
        const [{ outcome }] = await Promise.race([done, died])
        if ('error' in outcome) throw new Error(String(outcome.error))
        seconds.push((performance.now() - begin) / 1000)
      }
    } finally {
      died.catch(() => {})
      child.kill()
    }
    return seconds
  }
  const all = await Promise.all(Array.from({ length: WORKERS }, (_, worker) => alone(worker)))
  // The first ones compile.
  return median(all.flatMap(seconds => seconds.slice(count >> 1)))
}

interface Queued {
  /** Milliseconds of a worker for each job, beyond the job itself. */
  readonly overhead: number
  /** MiB by which the scheduler grew from a fifth of the jobs to nearly all of them. */
  readonly growth: number
  /** Jobs without a result, and runs beyond one of each. */
  readonly lostOrTwice: number
}

/** One study of `count` jobs through Redis; undefined without a redis-server. */
async function queued(count: number, sample: number): Promise<Queued | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'unravel-bench-'))
  const started: ChildProcess[] = []
  const start = (command: string, argv: readonly string[]): ChildProcess => {
    const child = spawn(command, argv, { cwd: folder, env: { ...process.env, INIT_CWD: folder } })
    started.push(child)
    return child
  }
  try {
    try {
      execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    } catch {
      return undefined
    }
    mkdirSync(join(folder, 'data'))
    images(join(folder, 'data'), 'train', 8)
    images(join(folder, 'data'), 't10k', 8)
    const seeds = Array.from({ length: count }, (_, seed) => seed)
    writeFileSync(
      join(folder, 'study.json'),
      JSON.stringify({ name: 'tiny', train: settings, grid: { seed: seeds }, expand }),
    )
    const alone = await jobItself(sample, folder)

    const port = await freePort()
    const url = `redis://127.0.0.1:${port}`
    const server = start('redis-server', [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
    ])
    await new Promise<void>(resolve => server.stdout!.on('data', text => /ready to accept/i.test(text) && resolve()))
    const times: number[] = []
    const runs = new Map<string, number>()
    const sizes: number[] = []
    const study = start(process.execPath, [program, 'study', 'study.json', '--out', 'out', '--redis', url])
    for (let i = 0; i < WORKERS; i++) {
      let rest = ''
      start(process.execPath, [program, 'worker', '--redis', url]).stderr!.on('data', text => {
        const lines = (rest + text).split('\n')
        rest = lines.pop()!
        for (const id of lines.flatMap(line => /^([0-9a-f]{12}) .*: done$/.exec(line)?.[1] ?? [])) {
          runs.set(id, (runs.get(id) ?? 0) + 1)
          times.push(performance.now() / 1000)
          if (times.length === Math.floor(count / 5) || times.length === Math.floor(0.95 * count))
            sizes.push(residentMiB(study.pid!))
        }
      })
    }
    const status = await new Promise(resolve => study.once('close', resolve))
    if (status !== 0) throw new Error(`the study ended with status ${status}`)
    const rows = readFileSync(join(folder, 'out', 'results.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
    const finished = new Set(rows.filter(row => 'result' in JSON.parse(row)))
    const twice = [...runs.values()].reduce((sum, n) => sum + n - 1, 0)
    const half = times.slice(times.length >> 1)
    const each = (WORKERS * (half.at(-1)! - half[0]!)) / (half.length - 1)
    return {
      overhead: 1000 * (each - alone),
      growth: sizes[1]! - sizes[0]!,
      lostOrTwice: count - finished.size + twice,
    }
  } finally {
    for (const child of started) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

export const studies: Suite = {
  name: 'studies',
  what: 'a study of tiny jobs through Redis on two workers',
  cases: () => [],
  quantities: ({ quick }: Size) => {
    const count = quick ? 300 : 10_000
    let found: ReturnType<typeof queued> | undefined
    const once = async (of: keyof Queued) => (await (found ??= queued(count, quick ? 60 : 500)))?.[of]
    return [
      {
        name: 'study-overhead',
        what: `time of a worker for each of ${count} jobs, beyond the job itself`,
        unit: 'ms',
        measure: () => once('overhead'),
      },
      {
        name: 'study-growth',
        what: 'growth of the scheduler from a fifth of the jobs to 95 % of them',
        unit: 'MiB',
        measure: () => once('growth'),
      },
      {
        name: 'study-lost-or-twice',
        what: 'jobs lost, or run twice',
        unit: 'jobs',
        measure: () => once('lostOrTwice'),
      },
    ]
  },
}
