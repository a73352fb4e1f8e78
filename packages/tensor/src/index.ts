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
export { gated } from './autodiff/gated.js'
export { hessian, jacobian } from './autodiff/jacobian.js'
export { type Marks, marksOf } from './autodiff/marks.js'
export { type CountedMarks, grad, type Pullback, valueAndGrad, vjp, type WithAux } from './autodiff/reverse.js'
export { jvp, series } from './autodiff/series.js'
export * from './core/create.js'
export { BackendError, describe, RuleError, ShapeError, type TensorType } from './core/errors.js'
export { backendOf } from './core/op.js'
export type { Nested } from './core/printing.js'
export { keep, memory, release, scope } from './core/scope.js'
export { defaultBackend, type Mark, Tensor, useBackend } from './core/tensor.js'
export { type Mapped, mapTree, type Tree } from './core/tree.js'
export * from './files.js'
export { type GradcheckOptions, gradcheck } from './gradcheck.js'
export * from './io/index.js'
export { fromNdarray, toNdarray } from './ndarray.js'
export * from './ops/index.js'
export { pick } from './ops/structure/pick.js'
export { type ChoiceOptions, Random } from './random.js'
export { adamwUpdate, sgdUpdate } from './update.js'
