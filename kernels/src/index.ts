export * from './contract.js'
export { UnsupportedError } from './errors.js'
export { js } from './js/index.js'
export { DisposedError, type Region, wasm } from './wasm/index.js'
