import type { Backend, DType, KernelName, Kernels, TypedArray } from '../contract.js'
import { copyKernel } from './copy.js'
import { affineKernel, axpyKernel, fillKernel, mapKernel, zipKernel } from './elementwise.js'
import { jsOnHeap } from './fallback.js'
import type { Module } from './load.js'
import { linearKernel, matmulKernel } from './matmul.js'
import { Heap } from './memory.js'
import { optimiseKernels } from './optimise.js'
import { reduceKernel } from './reduce.js'
import { addressOf, type Region } from './region.js'
import { seriesKernels } from './series.js'

/** What a file of native kernels needs: the compiled module, the heap, and the js version of every kernel. */
export interface Context {
  readonly exports: Module['exports']
  readonly heap: Heap
  readonly js: Kernels<Region>
}

const real: readonly DType[] = ['f32', 'f64']

/** The dtypes that each kernel has machine code for: of map all but sin and cos, of zip all but pow, of reduce sums over
 *  neighbouring axes. What is left out runs on the js kernel and is counted. */
const native: Partial<Record<KernelName, readonly DType[]>> = {
  fill: real,
  copy: ['f32', 'f64', 'i32'],
  map: real,
  affine: real,
  zip: real,
  reduce: real,
  matmul: real,
  linear: real,
  axpy: real,
  mapGrad: real,
  sgd: real,
  adamw: real,
  cauchy: real,
  correlate: real,
  series: real,
  seriesPower: real,
  seriesDiv: real,
}

function supports(kernel: KernelName, dtype: DType): true | string {
  const dtypes = native[kernel]
  if (dtypes?.includes(dtype)) return true
  if (kernel === 'random') return 'random numbers come from the js kernel, so that every backend makes the same bits'
  if (dtypes === undefined) return `${kernel} has no WebAssembly kernel yet; the js kernel runs`
  return `${kernel} has a WebAssembly kernel for ${dtypes.join(' and ')} only; the js kernel runs on ${dtype}`
}

/** The backend on one instance of the module. */
export function createBackend({ exports, memory }: Module): Backend<Region> {
  const heap = new Heap(memory, exports.scratchBase() + exports.scratchBytes())
  const counts = new Map<string, number>()
  const js = jsOnHeap(heap, counts)
  const context: Context = { exports, heap, js }
  const kernels: Kernels<Region> = {
    ...js,
    fill: fillKernel(context),
    copy: copyKernel(context),
    map: mapKernel(context),
    affine: affineKernel(context),
    zip: zipKernel(context),
    reduce: reduceKernel(context),
    matmul: matmulKernel(context),
    linear: linearKernel(context),
    axpy: axpyKernel(context),
    ...optimiseKernels(context),
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
    fallbacks: () => counts,
  }
}
