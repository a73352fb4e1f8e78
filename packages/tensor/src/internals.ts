// For the other packages of this project. Nothing here is stable: names, signatures and meanings change in
// any release. Users import '@unravel/tensor'.
export { Gating, Paths } from './autodiff/gated.js'
export { operatorsOf } from './autodiff/operators.js'
export type { Orders } from './autodiff/orders.js'
export { Expansion, type SelectionObserver, Series, trimmedSeries } from './autodiff/series.js'
export type { Deferred } from './core/deferred.js'
export { tapesRecording } from './core/levels.js'
export { brief, entryOf, shown } from './core/messages.js'
export { apply, like } from './core/op.js'
export {
  type Applied,
  type Binary,
  Dense,
  type Elementwise,
  type GateContext,
  type Op,
  type OrdersContext,
  type SeriesContext,
  type Stacked,
  type Tracer,
  type Unary,
} from './core/tensor.js'
export { leaves, named } from './core/tree.js'
export { bounded, fromJson, messageOf } from './io/errors.js'
export { fromBfloat, fromHalf } from './io/numbers.js'
export { sourceOf } from './io/source.js'
export { addAligned } from './ops/arithmetic/addAligned.js'
export { batchNormTraining } from './ops/layers/batchNorm.js'
export { padded } from './ops/structure/concat.js'
export { head } from './ops/structure/slice.js'
export { opTable } from './ops/table.js'
