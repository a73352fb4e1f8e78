export * from './contract.js'
export { UnsupportedError } from './errors.js'
export { js } from './js/index.js'
export {
  DisposedError,
  type Region,
  setThreads,
  ThreadError,
  type ThreadOptions,
  type WasmBackend,
  wasm,
} from './wasm/index.js'
