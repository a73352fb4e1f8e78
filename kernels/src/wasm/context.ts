import type { Heap } from './memory.js'
import type { Exports } from './module.generated.js'
import type { Threads } from './threads.js'

/** The compiled module and the heap, which every file of native kernels needs. */
export interface Context {
  readonly exports: Exports
  readonly heap: Heap
  readonly threads: Threads
}
