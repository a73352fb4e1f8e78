export {
  type Backend,
  DisposedError,
  type DType,
  js,
  type MemoryReport,
  type Shape,
  setThreads,
  type TypedArray,
  wasm,
} from '@unravel/kernels'
export { Gating, gated, Paths } from './autodiff/gated.js'
export { hessian, jacobian } from './autodiff/jacobian.js'
export { type Marks, marksOf } from './autodiff/marks.js'
export type { Orders } from './autodiff/orders.js'
export { type CountedMarks, grad, type Pullback, valueAndGrad, vjp, type WithAux } from './autodiff/reverse.js'
export { Expansion, jvp, type SelectionObserver, Series, series, trimmedSeries } from './autodiff/series.js'
export * from './core/create.js'
export type { Deferred } from './core/deferred.js'
export { BackendError, describe, RuleError, ShapeError, type TensorType } from './core/errors.js'
export { tapesRecording } from './core/levels.js'
export { apply, backendOf } from './core/op.js'
export type { Nested } from './core/printing.js'
export { keep, memory, release, scope } from './core/scope.js'
export {
  type Applied,
  Dense,
  defaultBackend,
  type Elementwise,
  type GateContext,
  type Mark,
  type Op,
  type OrdersContext,
  type SeriesContext,
  type Stacked,
  Tensor,
  useBackend,
} from './core/tensor.js'
export { leaves, type Mapped, mapTree, type Tree } from './core/tree.js'
export * from './files.js'
export { type GradcheckOptions, gradcheck } from './gradcheck.js'
export * from './io/index.js'
export { fromNdarray, toNdarray } from './ndarray.js'
export { addAligned } from './ops/arithmetic/addAligned.js'
export * from './ops/index.js'
export { padded } from './ops/structure/concat.js'
export { pick } from './ops/structure/pick.js'
export { head } from './ops/structure/slice.js'
export { opTable } from './ops/table.js'
export { type ChoiceOptions, Random } from './random.js'
export { adamwUpdate, sgdUpdate } from './update.js'
