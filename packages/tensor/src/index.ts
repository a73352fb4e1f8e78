export {
  type Backend,
  type DType,
  js,
  type MemoryReport,
  type Shape,
  setThreads,
  type TypedArray,
  wasm,
} from '@unravel/kernels'
export { Gating, gated, Paths } from './autodiff/gated.js'
export { tapesRecording } from './autodiff/recording.js'
export { grad, type Pullback, valueAndGrad, vjp, type WithAux } from './autodiff/reverse.js'
export {
  Expansion,
  head,
  jvp,
  padded,
  type SelectionObserver,
  Series,
  series,
  trimmedSeries,
} from './autodiff/series.js'
export * from './create.js'
export * from './errors.js'
export * from './files.js'
export { type GradcheckOptions, gradcheck } from './gradcheck.js'
export * from './io/index.js'
export { fromNdarray, toNdarray } from './ndarray.js'
export { type Applied, apply, backendOf, type Op } from './op.js'
export { addAligned } from './ops/addAligned.js'
export * from './ops/index.js'
export { opTable } from './ops/table.js'
export { Random } from './random.js'
export { keep, memory, release, scope } from './scope.js'
export { Dense, defaultBackend, type Pending, Tensor, useBackend } from './tensor.js'
export { leaves, type Mapped, mapTree, type Tree } from './tree.js'
export { adamwUpdate, sgdUpdate } from './update.js'
