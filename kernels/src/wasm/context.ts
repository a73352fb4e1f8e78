import type { Heap } from './memory.js'
import type { Exports } from './module.generated.js'
import type { Threads } from './threads.js'

/** What a file of native kernels needs: the compiled module and the heap. */
export interface Context {
  readonly exports: Exports
  readonly heap: Heap
  readonly threads: Threads
}
