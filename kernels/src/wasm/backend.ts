import { type Backend, contract, type DType, type KernelName, type Kernels } from '../contract.js'
import { CountedBackend } from '../shared/backend.js'
import { Fallbacks } from '../shared/policy.js'
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

/** Every kernel of the contract, in each of its dtypes: nothing runs as a js kernel here. */
const kernelsOf = (context: Context): Kernels<Region> => ({
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

function supports(kernel: KernelName, dtype: DType): true | string {
  const dtypes: readonly DType[] = contract[kernel].dtypes
  return dtypes.includes(dtype) || `${kernel} has a WebAssembly kernel for ${dtypes.join(' and ')} only`
}

class OnModule extends CountedBackend<Region> implements WasmBackend {
  readonly name = 'wasm'
  readonly build: Build
  readonly #threads: Threads
  readonly #scratch: () => number

  constructor({ build, exports, memory }: Module, threads: Threads) {
    const heap = new Heap(memory, exports.scratchBase() + exports.scratchBytes())
    super(kernelsOf({ exports, heap, threads }), heap, new Fallbacks('wasm', supports))
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
