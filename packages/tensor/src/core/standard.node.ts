import { type Backend, js, wasm } from '@unravel/kernels'

/** The backend of tensors where none is named, in Node, Deno and Bun: wasm, or js where the engine has no SIMD. */
export function standardBackend(_used: boolean): Backend {
  try {
    return wasm()
  } catch (error) {
    console.warn(`unravel: WebAssembly cannot run here (${(error as Error).message}): js is the default backend`)
    return js()
  }
}
