export * from './contract.js'
export { bareJs, js } from './js/index.js'
export { type CountedBuffer, DisposedError } from './shared/counted.js'
export { UnsupportedError } from './shared/errors.js'
export {
  type Build,
  newWasm,
  type Region,
  setThreads,
  ThreadError,
  type ThreadOptions,
  type WasmBackend,
  wasm,
} from './wasm/index.js'
