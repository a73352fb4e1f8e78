// What the module exports. Names end in the dtype they work on; every argument is a number, an address in bytes
// or a count of elements (both `usize`).
export { scratchBase, scratchBytes } from './memory'
export { matmul_f32, matmul_f64 } from './matmul'
