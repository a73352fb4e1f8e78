// What the module exports. Names end in the dtype they work on; every argument is a number, an address in bytes
// or a count of elements (both `usize`).
export { copy_4, copy_8 } from './copy'
export { affine_f32, affine_f64, axpy_f32, axpy_f64, fill_f32, fill_f64, map_f32, map_f64 } from './map'
export { matmul_f32, matmul_f64 } from './matmul'
export { adamw_f32, adamw_f64, mapGrad_f32, mapGrad_f64, sgd_f32, sgd_f64 } from './optimise'
export { scratchBase, scratchBytes } from './memory'
export { sum_f32, sum_f64 } from './reduce'
export {
  cauchy_f32, cauchy_f64, correlate_f32, correlate_f64, series_f32, series_f64, seriesDiv_f32, seriesDiv_f64,
} from './series'
export { zip_f32, zip_f64 } from './zip'
