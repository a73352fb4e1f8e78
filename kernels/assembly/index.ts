// What the module exports. Names end in the dtype they work on; every argument is a number, an address in bytes
// or a count of elements (both `usize`).
export { cast_f32_f64, cast_f32_i32, cast_f64_f32, cast_f64_i32, cast_i32_f32, cast_i32_f64 } from './cast'
export {
  convolve_f32, convolve_f64, packWeights_4, packWeights_8, spread_4, spread_8, weightGrad_f32, weightGrad_f64,
} from './conv2d'
export { copy_4, copy_8 } from './copy'
export { gather_4, gather_8, scatterAdd_f32, scatterAdd_f64, scatterAdd_i32, scatterAddWide } from './gather'
export {
  affine_f32, affine_f64, affine_i32, axpy_f32, axpy_f64, fill_f32, fill_f64, fill_i32, map_f32, map_f64,
} from './map'
export { matmul_f32, matmul_f64 } from './matmul'
export {
  layerNorm_f32, layerNorm_f64, layerNormGrad_f32, layerNormGrad_f64, rmsNorm_f32, rmsNorm_f64, rmsNormGrad_f32, rmsNormGrad_f64,
} from './norm'
export { adamw_f32, adamw_f64, mapGrad_f32, mapGrad_f64, sgd_f32, sgd_f64 } from './optimise'
export {
  avgPool2d_f32, avgPool2d_f64, avgPool2dGrad_f32, avgPool2dGrad_f64, maxPool2d_f32, maxPool2d_f64,
} from './pool2d'
export { scratchBase, scratchBytes } from './memory'
export { power_f32, power_f64 } from './power'
export { random } from './random'
export { argmax_f32, argmax_f64, argmax_i32, reduce_f32, reduce_f64, reduce_i32 } from './reduce'
export {
  cauchy_f32, cauchy_f64, correlate_f32, correlate_f64, finite_f32, finite_f64, series_f32, series_f64, seriesDiv_f32,
  seriesDiv_f64, seriesSinCos_f32, seriesSinCos_f64,
} from './series'
export { seriesSoftmax_f32, seriesSoftmax_f64 } from './seriesSoftmax'
export {
  crossEntropy_f32, crossEntropy_f64, crossEntropyGrad_f32, crossEntropyGrad_f64, logSoftmax_f32, logSoftmax_f64,
  logSoftmaxGrad_f32, logSoftmaxGrad_f64, softmax_f32, softmax_f64, softmaxGrad_f32, softmaxGrad_f64,
} from './softmax'
export { argsort_f32, argsort_f64, argsort_i32 } from './sort'
export { where_f32, where_f64, where_i32 } from './where'
export { zip_f32, zip_f64, zip_i32 } from './zip'
