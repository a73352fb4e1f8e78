import { apply, backendOf } from '../../core/op.js'
import { fromEnd } from '../../core/shape.js'
import { fromData, type Tensor } from '../../core/tensor.js'
import { gatherOp } from './gather.js'

/** Elements of x along `axis` at indices that are known to be inside, which no device has to read. */
export function pick(x: Tensor, indices: ArrayLike<number>, axis: number): Tensor {
  const at = fromEnd(axis, x.rank, 'pick')
  const length = x.shape[x.rank + at]!
  const index = fromData(Int32Array.from(indices), [indices.length], backendOf(x), 'pick')
  return apply(gatherOp, [x, index], { axis: at, length, inside: true })
}
