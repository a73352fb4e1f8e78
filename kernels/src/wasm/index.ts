import type { Backend } from '../contract.js'
import { createBackend } from './backend.js'
import { load } from './load.js'
import type { Region } from './region.js'

export { DisposedError, Region } from './region.js'

let instance: Backend<Region> | undefined

/**
 * The WebAssembly SIMD backend: one module and one memory, compiled and instantiated synchronously by the first call.
 * Uses relaxed SIMD (fused multiply-add) where the engine has it.
 */
export function wasm(): Backend<Region> {
  instance ??= createBackend(load())
  return instance
}
