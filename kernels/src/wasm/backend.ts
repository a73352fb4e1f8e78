import { type Backend, contract, type DType, type Kernels } from '../contract.js'
import { CountedBackend } from '../shared/backend.js'
import { Fallbacks, jsKernelsOn, ownOrJs } from '../shared/fallback.js'
import { batchNormKernels } from './batchNorm.js'
import type { Build } from './builds.js'
import type { Context } from './context.js'
import { conv2dKernels } from './conv2d.js'
import { copyKernel } from './copy.js'
import { elementwiseKernels } from './elementwise.js'
import { gatherKernels } from './gather.js'
import type { Module } from './load.js'
import { matmulKernels } from './matmul.js'
import { Heap } from './memory.js'
import { normKernels } from './norm.js'
import { optimiseKernels } from './optimise.js'
import { pool2dKernels } from './pool2d.js'
import { randomKernel } from './random.js'
import { reduceKernels } from './reduce.js'
import { addressOf, type Region } from './region.js'
import { seriesKernels } from './series.js'
import { softmaxKernels } from './softmax.js'
import { sortKernel } from './sort.js'
import { type ThreadOptions, Threads } from './threads.js'

/** The backend, and the threads that it may use. */
export interface WasmBackend extends Backend<Region> {
  readonly build: Build
  /** Threads that work on one kernel, this one included. */
  readonly threads: number
  /** See `setThreads`. */
  setThreads(count: number, options?: ThreadOptions): Promise<number>
}

/** The kernels that have machine code, each for every dtype of the contract. */
const kernelsOf = (context: Context): Partial<Kernels<Region>> => ({
  copy: copyKernel(context),
  ...elementwiseKernels(context),
  ...matmulKernels(context),
  ...randomKernel(context),
  ...sortKernel(context),
  ...reduceKernels(context),
  ...gatherKernels(context),
  ...optimiseKernels(context),
  ...conv2dKernels(context),
  ...pool2dKernels(context),
  ...softmaxKernels(context),
  ...normKernels(context),
  ...batchNormKernels(context),
  ...seriesKernels(context),
})

class OnModule extends CountedBackend<Region> implements WasmBackend {
  readonly name = 'wasm'
  readonly build: Build
  readonly #threads: Threads
  readonly #scratch: () => number

  constructor({ build, exports, memory }: Module, threads: Threads) {
    const heap = new Heap(memory, exports.scratchBase() + exports.scratchBytes())
    const own = kernelsOf({ exports, heap, threads })
    const fallbacks = new Fallbacks('wasm', (kernel, dtype) => {
      if (own[kernel] === undefined) return `${kernel} has no WebAssembly kernel`
      const dtypes: readonly DType[] = contract[kernel].dtypes
      return dtypes.includes(dtype) || `${kernel} has a WebAssembly kernel for ${dtypes.join(' and ')} only`
    })
    const js = jsKernelsOn<Region>(fallbacks, (_kernel, _dtype, buffers) => buffers.map(buffer => heap.array(buffer)))
    super(ownOrJs(own, js, fallbacks), heap, fallbacks)
    this.build = build
    this.#threads = threads
    // Scratch of threads stays theirs for good: it is few, and used again.
    this.#scratch = () => addressOf(heap.alloc('f64', exports.scratchBytes() / 8))
  }

  get threads(): number {
    return this.#threads.count
  }

  setThreads(count: number, options?: ThreadOptions): Promise<number> {
    return this.#threads.set(count, this.#scratch, options)
  }
}

/** The backend on one instance of the module. */
export function createBackend(module: Module, made?: (threads: Threads) => void): WasmBackend {
  const threads = new Threads(module)
  made?.(threads)
  return new OnModule(module, threads)
}
