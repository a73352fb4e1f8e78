export * from './contract.js'
export { UnsupportedError } from './errors.js'
export { bareJs, js } from './js/index.js'
export {
  type Build,
  DisposedError,
  newWasm,
  type Region,
  setThreads,
  ThreadError,
  type ThreadOptions,
  type WasmBackend,
  wasm,
} from './wasm/index.js'
