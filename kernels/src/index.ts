export * from './contract.js'
export { js } from './js/index.js'
export { DisposedError, type Region, wasm } from './wasm/index.js'
