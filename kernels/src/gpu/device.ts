import { functions } from './functions.js'
import { type GpuBuffer, type Output, Pool, type Raw, type Result } from './pool.js'

// TypeScript has it in its DOM library only. Where that is there, this adds nothing to it.
declare global {
  interface WebGL2RenderingContext {}
}

/** The modes of gpu.js that run on a graphics processor, and the class of kernel that each must turn out to be. */
export const kernelClasses = {
  webgl2: 'WebGL2Kernel',
  webgl: 'WebGLKernel',
  webgpu: 'WebGPUKernel',
  headlessgl: 'HeadlessGLKernel',
} as const
export type GpuMode = keyof typeof kernelClasses

// The part of gpu.js in use, so that no type of an optional package stands in ours.

interface Shortcut {
  (...args: unknown[]): Result | Promise<Result>
  readonly kernel: Output & { readonly context: Context | null }
  destroy(removeCanvas?: boolean): void
}
type Context = WebGL2RenderingContext & {
  readonly adapter?: {
    readonly info?: { readonly vendor?: string; readonly architecture?: string; readonly description?: string }
  }
  readonly device?: { readonly lost: Promise<unknown> }
  readonly isLost?: boolean
}
interface Instance {
  createKernel(source: string, settings: object): Shortcut
  addFunction(source: string, settings: object): void
  readonly context: Context | null
  /** The class of kernel that the mode stands for. */
  readonly Kernel: unknown
}
/** The class `GPU` of gpu.js. */
export type GpuClass = new (settings: { mode: string }) => unknown

/** The graphics context is gone, and with it every number that was on it. */
export class GpuContextLostError extends Error {
  override readonly name = 'GpuContextLostError'
}

const lostMessage =
  'The graphics context was lost (the driver was reset, or the page asked for too many contexts): tensors on the gpu backend ' +
  'are gone. Open a new one with `await gpu()`; tensors on js and wasm are unharmed.'

/** A compiled kernel, how many of its results are alive, and the shape of where they stand, known once it ran. */
interface Compiled {
  readonly shortcut: Shortcut
  live: number
  shape: string | null
}

/** Numbers on the device; `result` and where they stand are set as soon as the kernel that makes them was submitted. */
export interface Handle {
  readonly length: number
  readonly kernel: Compiled
  result: Result | null
  raw: Raw | null
}

/** Most elements of one buffer: indices are f32 and must be exact. */
export const maxLength = 2 ** 24

/**
 * gpu.js with every kernel by its source and output length. On WebGL a call is made at once; gpu.js on WebGPU answers by
 * promise, so there the calls stand in a queue, whose order is the program's, and only reading waits for it.
 */
export class Device {
  readonly mode: GpuMode
  readonly #gpu: Instance
  readonly #limit: number
  readonly #pool: Pool
  /** Least recently used first. */
  readonly #kernels = new Map<string, Compiled>()
  #queue: Promise<void> = Promise.resolve()
  #failure: unknown = null
  #context: Context | null = null
  compiled = 0
  launches = 0

  /** Keeps at most `kernels` compiled kernels, and `pool` bytes of textures that hold nothing. */
  constructor(GPU: GpuClass, mode: GpuMode, kernels: number, pool: number) {
    this.mode = mode
    this.#limit = kernels
    this.#pool = new Pool(pool, raw => {
      if (this.waits) (raw as GpuBuffer).destroy()
      else this.#context!.deleteTexture(raw)
    })
    this.#gpu = new GPU({ mode }) as Instance
    for (const f of functions) {
      const argumentTypes = Object.fromEntries(f.arguments.map(name => [name, 'Number']))
      this.#gpu.addFunction(f.source, { argumentTypes, returnType: 'Number' })
    }
  }

  get waits(): boolean {
    return this.mode === 'webgpu'
  }
  /** Whether kernels may read what another one made with four numbers a thread: gpu.js cannot on WebGPU. */
  get readsTiles(): boolean {
    return this.mode !== 'webgpu'
  }
  get cached(): number {
    return this.#kernels.size
  }

  /** Bytes of textures that hold nothing and wait for the next result of their shape. */
  get idleBytes(): number {
    return this.#pool.bytes
  }

  /** Runs a kernel of `threads` threads on buffers and scalars, the parameters of `source` in this order; each returns `lanes`
   *  numbers. */
  run(source: string, threads: number, inputs: readonly Handle[], scalars: readonly number[], lanes = 1): Handle {
    return this.#submit(source, threads, inputs, scalars, lanes)
  }

  upload(data: Float32Array): Handle {
    return this.#submit('function (x) { return x[this.thread.x]; }', data.length, [], [data])
  }

  /** Frees the numbers after everything that was asked of them before. */
  free(handle: Handle): void {
    const free = () => {
      handle.kernel.live--
      handle.result?.delete()
      if (handle.raw !== null) this.#pool.put(handle.raw, handle.kernel.shape!, 4 * handle.length)
      handle.result = handle.raw = null
    }
    if (this.waits) this.#enqueue(free)
    else free()
  }

  async read(handle: Handle): Promise<Float32Array> {
    if (!this.waits) return this.readSync(handle)
    this.check()
    let answer: Float32Array | Promise<Float32Array> | undefined
    await this.#enqueue(() => {
      answer = handle.result!.toArray()
    })
    const data = await Promise.resolve(answer).catch(error => {
      this.check()
      throw error
    })
    this.check()
    return data!
  }

  readSync(handle: Handle): Float32Array {
    this.check()
    return handle.result!.toArray() as Float32Array
  }

  /** Throws what went wrong on the device. */
  check(): void {
    const context = this.#context
    if (context?.isLost || context?.isContextLost?.()) throw new GpuContextLostError(lostMessage)
    if (this.#failure !== null) throw this.#failure
  }

  /** The graphics processor, as far as the driver names it. */
  renderer(): string {
    const context = this.#context
    if (context === null) return 'unknown'
    if (context.device !== undefined) {
      const { vendor, architecture, description } = context.adapter?.info ?? {}
      return [vendor, architecture, description].filter(Boolean).join(' ') || 'unnamed WebGPU adapter'
    }
    const names = context.getExtension('WEBGL_debug_renderer_info')
    return String(context.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER))
  }

  /** Everything that was asked for is done, or has failed. */
  async settle(): Promise<void> {
    await this.#queue
    this.check()
  }

  #submit(source: string, threads: number, inputs: readonly Handle[], rest: readonly unknown[], lanes = 1): Handle {
    this.check()
    const kernel = this.#kernel(source, threads, rest.length)
    const handle: Handle = { length: threads * lanes, kernel, result: null, raw: null }
    kernel.live++
    this.launches++
    const call = () => {
      if (kernel.shape !== null) this.#pool.lend(kernel.shortcut.kernel, kernel.shape)
      return kernel.shortcut(...inputs.map(input => input.result), ...rest)
    }
    const keep = (result: Result) => {
      this.#verify(kernel)
      const { raw, shape } = this.#pool.adopt(kernel.shortcut.kernel, result)
      kernel.shape = shape
      handle.result = result
      handle.raw = raw
    }
    if (!this.waits) keep(call() as Result)
    else this.#enqueue(async () => keep(await call()))
    return handle
  }

  #enqueue(task: () => void | Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(async () => {
      if (this.#failure !== null) return
      try {
        await task()
      } catch (error) {
        this.#failure = error
      }
    })
    return this.#queue
  }

  #kernel(source: string, length: number, scalars: number): Compiled {
    const key = `${length} ${scalars} ${source}`
    let kernel = this.#kernels.get(key)
    if (kernel !== undefined) {
      this.#kernels.delete(key)
    } else {
      if (this.#kernels.size >= this.#limit) this.#evict()
      this.compiled++
      const shortcut = this.#gpu.createKernel(source, {
        output: [length],
        precision: 'single',
        pipeline: true,
        // On WebGPU an immutable kernel refuses to write where it is told.
        immutable: !this.waits,
        dynamicArguments: true,
        tactic: 'precision',
        loopMaxIterations: maxLength,
      })
      kernel = { shortcut, live: 0, shape: null }
    }
    this.#kernels.set(key, kernel)
    return kernel
  }

  /** Gives up the kernel that was not used for longest. gpu.js reads and frees a result through the kernel that made it, so
   *  one whose results are alive stays, even above the limit. */
  #evict(): void {
    for (const [key, { shortcut, live }] of this.#kernels) {
      if (live > 0) continue
      this.#kernels.delete(key)
      shortcut.destroy()
      return
    }
  }

  /** Every kernel that ran must be of the class that was asked for: gpu.js falls back to the processor on its own. */
  #verify({ shortcut: { kernel } }: Compiled): void {
    if (kernel.constructor !== this.#gpu.Kernel) {
      throw new Error(
        `gpu.js was asked for ${this.mode} and ran ${kernel.constructor.name}: this machine has no such device`,
      )
    }
    this.#context ??= kernel.context ?? this.#gpu.context
  }
}
