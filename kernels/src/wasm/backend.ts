import type { Backend, DType, KernelName, Kernels, TypedArray } from '../contract.js'
import type { Context } from './context.js'
import { conv2dKernels } from './conv2d.js'
import { copyKernel } from './copy.js'
import {
  affineKernel,
  axpyKernel,
  castKernel,
  fillKernel,
  mapKernel,
  powerKernel,
  whereKernel,
  zipKernel,
} from './elementwise.js'
import { Fallbacks, jsOnHeap } from './fallback.js'
import { gatherKernels } from './gather.js'
import type { Build, Module } from './load.js'
import { linearKernel, matmulKernel } from './matmul.js'
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

const real: readonly DType[] = ['f32', 'f64']
const all: readonly DType[] = ['f32', 'f64', 'i32']

/** The dtypes that each kernel has machine code for. A kernel that is left out runs on the js kernel and is counted. */
const native: Partial<Record<KernelName, readonly DType[]>> = {
  fill: all,
  cast: all,
  copy: all,
  map: real,
  affine: all,
  power: real,
  zip: all,
  where: all,
  reduce: all,
  argmax: all,
  argsort: all,
  gather: all,
  scatterAdd: all,
  matmul: real,
  linear: real,
  axpy: real,
  mapGrad: real,
  sgd: real,
  adamw: real,
  conv2d: real,
  conv2dInputGrad: real,
  conv2dWeightGrad: real,
  maxPool2dIndices: real,
  avgPool2d: real,
  avgPool2dGrad: real,
  softmax: real,
  logSoftmax: real,
  softmaxGrad: real,
  logSoftmaxGrad: real,
  crossEntropy: real,
  crossEntropyGrad: real,
  layerNorm: real,
  layerNormGrad: real,
  rmsNorm: real,
  rmsNormGrad: real,
  random: all,
  cauchy: real,
  correlate: real,
  series: real,
  seriesPower: real,
  seriesSinCos: real,
  seriesDiv: real,
  seriesSoftmax: real,
}

function supports(kernel: KernelName, dtype: DType): true | string {
  const dtypes = native[kernel]
  if (dtypes?.includes(dtype)) return true
  if (dtypes === undefined) return `${kernel} has no WebAssembly kernel`
  return `${kernel} has a WebAssembly kernel for ${dtypes.join(' and ')} only`
}

/** The backend on one instance of the module. */
export function createBackend(module: Module, made?: (threads: Threads) => void): WasmBackend {
  const { exports, memory } = module
  const heap = new Heap(memory, exports.scratchBase() + exports.scratchBytes())
  const fallbacks = new Fallbacks('wasm', supports)
  const threads = new Threads(module)
  made?.(threads)
  const context: Context = { exports, heap, threads }
  const kernels: Kernels<Region> = {
    ...jsOnHeap(heap, fallbacks),
    fill: fillKernel(context),
    copy: copyKernel(context),
    map: mapKernel(context),
    affine: affineKernel(context),
    power: powerKernel(context),
    zip: zipKernel(context),
    where: whereKernel(context),
    cast: castKernel(context),
    matmul: matmulKernel(context),
    linear: linearKernel(context),
    axpy: axpyKernel(context),
    random: randomKernel(context),
    argsort: sortKernel(context),
    ...reduceKernels(context),
    ...gatherKernels(context),
    ...optimiseKernels(context),
    ...conv2dKernels(context),
    ...pool2dKernels(context),
    ...softmaxKernels(context),
    ...normKernels(context),
    ...seriesKernels(context),
  }

  function write(buffer: Region, data: TypedArray): void {
    if (data.length !== buffer.length) {
      throw new RangeError(`write: the buffer has ${buffer.length} elements, the data ${data.length}.`)
    }
    const start = addressOf(buffer)
    if (buffer.dtype === 'f32') heap.f32.set(data, start >>> 2)
    else if (buffer.dtype === 'f64') heap.f64.set(data, start / 8)
    else heap.i32.set(data, start >>> 2)
  }

  const readSync = (buffer: Region): TypedArray => heap.array(buffer).slice()

  return {
    name: 'wasm',
    build: module.build,
    get threads() {
      return threads.count
    },
    setThreads(count, options) {
      // Scratch of threads stays theirs for good: it is few, and used again.
      const scratchFor = () => addressOf(heap.alloc('f64', exports.scratchBytes() / 8))
      return threads.set(count, scratchFor, options)
    },
    kernels,
    supports,
    alloc: (dtype, length) => heap.alloc(dtype, length),
    retain: buffer => heap.retain(buffer),
    release: buffer => heap.release(buffer),
    watch: buffer => heap.watch(buffer),
    unwatch: buffer => heap.unwatch(buffer),
    view: (buffer, offset, length) => heap.view(buffer, offset, length),
    write,
    read: async buffer => readSync(buffer),
    readSync,
    memory: () => heap.report(),
    get policy() {
      return fallbacks.policy
    },
    set policy(policy) {
      fallbacks.policy = policy
    },
    fallbacks: () => fallbacks.counts,
  }
}
