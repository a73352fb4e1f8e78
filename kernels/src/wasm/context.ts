import type { Module } from './load.js'
import type { Heap } from './memory.js'
import type { Threads } from './threads.js'

/** What a file of native kernels needs: the compiled module and the heap. */
export interface Context {
  readonly exports: Module['exports']
  readonly heap: Heap
  readonly threads: Threads
}
