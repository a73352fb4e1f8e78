import { createBackend, type WasmBackend } from './backend.js'
import { type Build, load } from './load.js'
import type { ThreadOptions } from './threads.js'

export type { WasmBackend } from './backend.js'
export type { Build } from './load.js'
export { Region } from './region.js'
export { ThreadError, type ThreadOptions } from './threads.js'

let instance: WasmBackend | undefined

/**
 * The WebAssembly SIMD backend: one module and one memory, compiled and instantiated synchronously by the first call.
 * Uses relaxed SIMD (fused multiply-add) where the engine has it.
 */
export function wasm(): WasmBackend {
  instance ??= createBackend(load())
  return instance
}

/**
 * A backend beside that of `wasm()`, with a module and a memory of its own; `build` asks for one build of the module.
 *
 * @throws Error when the engine does not have it
 */
export const newWasm = (build?: Build): WasmBackend => createBackend(load(build))

/**
 * Lets `count` threads share large matrix products, convolutions, batch norm, elementwise functions, steps of optimisers and series
 * on the wasm backend (default: 1).
 * Results are the same, to the bit, for any number of threads. Small work never pays for it, idle threads sleep, and none
 * keeps a program from ending.
 *
 * @returns the number of threads that work: 1, after one line that says why, where memory cannot be shared
 * @throws RangeError unless `count` is an integer from 1 to 64; ThreadError when a thread does not start. Later calls of
 *   kernels throw ThreadError when a thread dies.
 */
export const setThreads = (count: number, options?: ThreadOptions): Promise<number> => wasm().setThreads(count, options)
