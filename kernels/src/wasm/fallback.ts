import { contract, type DType, type KernelName, type Kernels, type TypedArray } from '../contract.js'
import { jsKernels } from '../js/index.js'
import type { Heap } from './memory.js'
import { Region } from './region.js'

const kernelNames = Object.keys(contract) as KernelName[]

/** The dtype a call is counted under: that of its data, which for `gather` and `scatterAdd` come after the index. */
function dtypeOf(kernel: KernelName, args: readonly unknown[]): DType {
  const regions = args.filter(arg => arg instanceof Region)
  return regions[kernel === 'gather' || kernel === 'scatterAdd' ? 1 : 0]!.dtype
}

/** Every kernel as its js version, on typed arrays over the heap; `counts` says how often each ran on each dtype. */
export function jsOnHeap(heap: Heap, counts: Map<string, number>): Kernels<Region> {
  const wrap = (kernel: KernelName) => {
    const run = jsKernels[kernel] as (...args: unknown[]) => void
    return (...args: unknown[]): void => {
      const key = `${kernel} ${dtypeOf(kernel, args)}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
      run(...args.map((arg): unknown | TypedArray => (arg instanceof Region ? heap.array(arg) : arg)))
    }
  }
  return Object.fromEntries(kernelNames.map(kernel => [kernel, wrap(kernel)])) as unknown as Kernels<Region>
}
