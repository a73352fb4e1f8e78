import type { DType } from '../contract.js'
import type { Module } from './load.js'
import type { Exports } from './module.generated.js'

/** A thread stopped answering, or could not be started. */
export class ThreadError extends Error {
  override readonly name = 'ThreadError'
}

export interface ThreadOptions {
  /** How long a call waits for threads after its own share is done, in milliseconds, before it gives them up for dead
   *  (default 30 000). */
  readonly patience?: number
}

// Every worker has a slot of 256 bytes in a shared control block: its state in the first 4, then the number of the function, the
// number of its arguments, and from byte 16 on the arguments as f64.
const SLOT = 256
const STARTING = -1
const IDLE = 0
const READY = 1
const FAILED = 2

/** The program of a worker. It waits for its state to become READY, first spinning, for work often comes in bursts, then asleep. */
const source = `
const serve = ({ code, memory, control, slot, functions }) => {
  const { exports } = new WebAssembly.Instance(code, { env: { memory } })
  const state = new Int32Array(control, slot, 4)
  const args = new Float64Array(control, slot + 16, 28)
  Atomics.compareExchange(state, 0, ${STARTING}, ${IDLE})
  for (;;) {
    for (let spins = 0; spins < 2000 && Atomics.load(state, 0) !== ${READY}; spins++);
    for (let seen; (seen = Atomics.load(state, 0)) !== ${READY}; ) Atomics.wait(state, 0, seen)
    let next = ${IDLE}
    try {
      exports[functions[state[1]]](...args.subarray(0, state[2]))
    } catch {
      next = ${FAILED}
    }
    Atomics.store(state, 0, next)
    Atomics.notify(state, 0)
  }
}
if (typeof require === 'function') serve(require('node:worker_threads').workerData)
else self.onmessage = event => serve(event.data)
`

interface Worker {
  terminate(): unknown
  unref?(): void
}

/** Starts a worker; `ended` is called when it stops for whatever reason. */
function start(data: object, ended: () => void): Worker {
  type NodeWorker = Worker & { on(event: string, listener: () => void): void }
  type NodeThreads = { Worker: new (source: string, options: object) => NodeWorker }
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): NodeThreads | undefined } }
  const threads = process?.getBuiltinModule?.('node:worker_threads')
  if (threads !== undefined) {
    const worker = new threads.Worker(source, { eval: true, workerData: data, stdout: false, stderr: false })
    worker.on('exit', ended)
    worker.on('error', ended)
    worker.unref?.()
    return worker
  }
  type Page = { Worker: new (url: string) => Worker & { onerror: unknown; postMessage(data: object): void } }
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }))
  const worker = new (globalThis as unknown as Page).Worker(url)
  worker.onerror = ended
  worker.postMessage(data)
  return worker
}

/** Functions of the module that threads share, and their names as the module exports them. */
type SharedKernel = 'matmul' | 'map' | 'series'
const SHARED_FUNCTIONS = ['matmul_f32', 'matmul_f64', 'map_f32', 'map_f64', 'series_f32', 'series_f64']

/** The threads of one module: this one, and workers on the same memory. */
export class Threads {
  /** Threads that work, this one included. */
  count = 1
  readonly #module: Module
  #workers: Worker[] = []
  #control: SharedArrayBuffer | undefined
  #states: Int32Array[] = []
  #arguments: Float64Array[] = []
  #scratch: number[] = []
  #patience = 30_000
  #died = false

  constructor(module: Module) {
    this.#module = module
  }

  /**
   * Makes `count` threads work. Resolves when they are ready, to their number: 1 where memory cannot be shared, with one
   * line that says why. `scratchFor` gives the address of scratch memory for one more thread.
   */
  async set(count: number, scratchFor: () => number, { patience = 30_000 }: ThreadOptions = {}): Promise<number> {
    if (!Number.isSafeInteger(count) || count < 1 || count > 64) {
      throw new RangeError(`setThreads: the number of threads must be an integer from 1 to 64, got ${count}`)
    }
    const { memory } = this.#module
    if (count > 1 && !(typeof SharedArrayBuffer === 'function' && memory.buffer instanceof SharedArrayBuffer)) {
      console.warn(
        'unravel: one thread runs: memory is shared only in Node and in cross-origin isolated pages (COOP and COEP)',
      )
      return 1
    }
    this.stop()
    this.#patience = patience
    if (count === 1) return 1
    const control = new SharedArrayBuffer((count - 1) * SLOT)
    this.#control = control
    for (let i = 0; i < count - 1; i++) {
      this.#states.push(new Int32Array(control, i * SLOT, 4).fill(STARTING, 0, 1))
      this.#arguments.push(new Float64Array(control, i * SLOT + 16, 28))
      this.#scratch[i] ??= scratchFor()
      const data = { code: this.#module.code, memory, control, slot: i * SLOT, functions: SHARED_FUNCTIONS }
      this.#workers.push(
        start(data, () => {
          if (this.#control === control) this.#died = true
        }),
      )
    }
    for (const state of this.#states) await this.#started(state)
    this.count = count
    return count
  }

  async #started(state: Int32Array): Promise<void> {
    const until = performance.now() + this.#patience
    while (Atomics.load(state, 0) === STARTING) {
      if (this.#died || performance.now() > until) {
        this.stop()
        throw new ThreadError('a thread could not be started: one thread runs; setThreads may be called again')
      }
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }

  /** Ends the workers as a crash would, without a message. For tests. */
  kill(): void {
    for (const worker of this.#workers) worker.terminate()
  }

  /** Ends the workers; one thread goes on. */
  stop(): void {
    for (const worker of this.#workers) worker.terminate()
    this.count = 1
    this.#workers = []
    this.#states = []
    this.#arguments = []
    this.#control = undefined
    this.#died = false
  }

  /**
   * Runs an exported function on ranges of 0..n, one for each thread, in multiples of `unit`. `of(from, to, scratch)` makes the
   * arguments of a range. The ranges, and so the results, depend on the number of threads alone.
   */
  share<K extends SharedKernel>(
    kernel: K,
    dtype: DType,
    n: number,
    unit: number,
    of: (from: number, to: number, scratch: number) => Parameters<Exports[K]['f32']>,
  ): void {
    if (this.#died) this.#fail()
    const { exports } = this.#module
    const units = Math.ceil(n / unit)
    const bound = (i: number) => Math.min(n, Math.floor((units * i) / this.count) * unit)
    const number = SHARED_FUNCTIONS.indexOf(`${kernel}_${dtype}`)
    for (let i = 1; i < this.count; i++) {
      const [from, to] = [bound(i), i + 1 === this.count ? n : bound(i + 1)]
      if (from === to) continue
      const args = of(from, to, this.#scratch[i - 1]!)
      const state = this.#states[i - 1]!
      args.forEach((value, j) => (this.#arguments[i - 1]![j] = Number(value)))
      state[1] = number
      state[2] = args.length
      Atomics.store(state, 0, READY)
      Atomics.notify(state, 0)
    }
    const own = exports[kernel][dtype] as (...args: unknown[]) => void
    if (bound(1) > 0) own(...of(0, bound(1), exports.scratchBase()))
    for (const state of this.#states) this.#wait(state)
  }

  /** Waits until a worker is done: spinning at first, then asleep where this thread may sleep. */
  #wait(state: Int32Array): void {
    for (let spins = 0; spins < 20_000; spins++) {
      const now = Atomics.load(state, 0)
      if (now === IDLE) return
      if (now === FAILED) this.#fail()
    }
    const until = performance.now() + this.#patience
    while (Atomics.load(state, 0) === READY) {
      if (performance.now() > until) this.#fail()
      try {
        Atomics.wait(state, 0, READY, 50)
      } catch {
        // The main thread of a page may not sleep: it goes on looking.
      }
    }
    if (Atomics.load(state, 0) === FAILED) this.#fail()
  }

  #fail(): never {
    this.stop()
    throw new ThreadError(
      'a thread died while it worked: the results of this call are not valid. One thread goes on; setThreads starts new ones',
    )
  }
}
