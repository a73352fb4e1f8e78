import type { Module } from './load.js'

/** A thread stopped answering, or could not be started. */
export class ThreadError extends Error {
  override readonly name = 'ThreadError'
}

export interface ThreadOptions {
  /** How long a call waits for threads after its own share is done, in milliseconds, before it gives them up for dead
   *  (default 30 000). */
  readonly patience?: number
}

/** Milliseconds that a thread may take to start, and a call waits for it unless it is told otherwise. */
const PATIENCE = 30_000

// Every worker has a slot in a shared control block: its state in the first 4 bytes, the length of its list of calls in the next
// 4, whether the list is complete in the next, and from byte 16 on that list as f64: for each call the number of its function, that
// of its arguments, and these. A worker makes the first calls while this thread writes down the next ones.
const SLOT = 1 << 16
const ROOM = SLOT / 8 - 2
const STARTING = -1
const IDLE = 0
const READY = 1
const FAILED = 2

/** The program of a worker. It waits for its state to become READY, first spinning, for work often comes in bursts, then asleep. */
const source = `
const serve = ({ code, memory, control, slot, functions }) => {
  const { exports } = new WebAssembly.Instance(code, { env: { memory } })
  const state = new Int32Array(control, slot, 4)
  const list = new Float64Array(control, slot + 16, ${ROOM})
  Atomics.compareExchange(state, 0, ${STARTING}, ${IDLE})
  for (;;) {
    for (let spins = 0; spins < 2000 && Atomics.load(state, 0) !== ${READY}; spins++);
    for (let seen; (seen = Atomics.load(state, 0)) !== ${READY}; ) Atomics.wait(state, 0, seen)
    let next = ${IDLE}
    try {
      for (let at = 0; ; ) {
        const complete = Atomics.load(state, 2) === 1
        const length = Atomics.load(state, 1)
        if (at === length && complete) break
        while (at < length) {
          const end = at + 2 + list[at + 1]
          // Several times faster than to spread the arguments.
          Reflect.apply(exports[functions[list[at]]], undefined, list.subarray(at + 2, end))
          at = end
        }
      }
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

/** Calls a function of the module, at once or later on another thread. */
export type Call = <A extends readonly unknown[]>(f: (...args: A) => unknown, ...args: A) => void

/** Makes the calls of the range `from` to `to`, by `call`; `scratch` is its thread's. */
export type Work = (call: Call, from: number, to: number, scratch: number) => void

export const atOnce: Call = (f, ...args) => void f(...args)

/** The threads of one module: this one, and workers on the same memory. */
export class Threads {
  /** Threads that work, this one included. */
  count = 1
  readonly #module: Module
  #workers: Worker[] = []
  #control: SharedArrayBuffer | undefined
  #states: Int32Array[] = []
  #lists: Float64Array[] = []
  readonly #names: readonly string[]
  readonly #numbers: ReadonlyMap<unknown, number>
  #scratch: number[] = []
  #patience = PATIENCE
  #died = false

  constructor(module: Module) {
    this.#module = module
    this.#names = Object.keys(module.functions)
    this.#numbers = new Map(Object.values(module.functions).map((f, i) => [f, i]))
  }

  /**
   * Makes `count` threads work. Resolves when they are ready, to their number: 1 where memory cannot be shared, with one
   * line that says why. `scratchFor` gives the address of scratch memory for one more thread.
   */
  async set(count: number, scratchFor: () => number, { patience = PATIENCE }: ThreadOptions = {}): Promise<number> {
    if (!Number.isSafeInteger(count) || count < 1 || count > 64) {
      throw new RangeError(
        `setThreads: the number of threads must be an integer from 1 to 64, got ${typeof count === 'string' ? `"${count}"` : count}`,
      )
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
      this.#lists.push(new Float64Array(control, i * SLOT + 16, ROOM))
      this.#scratch[i] ??= scratchFor()
      const data = { code: this.#module.code, memory, control, slot: i * SLOT, functions: this.#names }
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
    const until = performance.now() + PATIENCE
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
    this.#lists = []
    this.#control = undefined
    this.#died = false
  }

  /**
   * Does work on ranges of 0..n, one for each thread, in multiples of `unit`: `work` makes the calls of one range, which are done in
   * order, by `call`; `scratch` is its thread's. The ranges, and so the results, depend on the number of threads alone. Work
   * that is not `worthwhile` stays on this thread.
   */
  share(n: number, unit: number, work: Work, worthwhile = true): void {
    const own = this.#module.exports.scratchBase()
    if (this.count === 1 || !worthwhile) return work(atOnce, 0, n, own)
    if (this.#died) this.#fail()
    const units = Math.ceil(n / unit)
    // Fewer units than threads begin with this one.
    const bound = (i: number) => Math.min(n, Math.ceil((units * i) / this.count) * unit)
    for (let i = 1; i < this.count; i++) {
      const [from, to] = [bound(i), i + 1 === this.count ? n : bound(i + 1)]
      if (from < to) this.#send(i - 1, call => work(call, from, to, this.#scratch[i - 1]!))
    }
    if (bound(1) > 0) work(atOnce, 0, bound(1), own)
    for (const state of this.#states) this.#wait(state)
  }

  /** Lets a worker do the calls that `work` makes; those of a full list before the others are written down. */
  #send(worker: number, work: (call: Call) => void): void {
    const [state, list] = [this.#states[worker]!, this.#lists[worker]!]
    let length = 0
    const end = () => Atomics.store(state, 2, 1)
    try {
      work((f, ...args) => {
        if (length + 2 + args.length > ROOM) {
          end()
          this.#wait(state)
          length = 0
        }
        const first = length === 0
        list[length++] = this.#numbers.get(f)!
        list[length++] = args.length
        for (const value of args) list[length++] = Number(value)
        Atomics.store(state, 1, length)
        if (!first) return
        Atomics.store(state, 2, 0)
        Atomics.store(state, 0, READY)
        Atomics.notify(state, 0)
      })
    } finally {
      end()
    }
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
