import * as reference from '@unravel/kernels/reference'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { shown } from '../../core/messages.js'
import { apply, backendOf, checkFlag, checkTensors } from '../../core/op.js'
import { fromEnd, sizeOf } from '../../core/shape.js'
import { allocate, fromData, type Op, type Tensor, type Unary } from '../../core/tensor.js'
import { checkIndices, gatherOp } from './gather.js'
import { reshape } from './reshape.js'
import { narrow } from './slice.js'

export const argsortOp: Op<{ axis: number; descending: boolean }, Unary> = {
  name: 'argsort',
  signature: '[...] -> i32[...]',
  infer(inputs, { axis, descending }) {
    const { shape, rank } = inputs[0]
    checkFlag('sort', 'descending', descending)
    if (axis < -rank) throw new ShapeError(argsortOp, inputs, `axis ${axis} is out of range`)
    return { shape, dtype: 'i32' }
  },
  run([x], { axis, descending }, type) {
    const out = allocate(x.backend, type.shape, 'i32', 'argsort')
    const at = x.rank + axis
    const [outer, inner] = [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at + 1))]
    kernelOf(x.backend, 'argsort', reference.argsort)(outer, x.shape[at]!, inner, descending, x.buffer, out.buffer)
    return out
  },
}

/** Elements of x at `index`, i32 places along an axis; index has the shape of x but for that axis. */
function along(x: Tensor, index: Tensor, axis: number): Tensor {
  const at = x.rank + axis
  const inner = sizeOf(x.shape.slice(at + 1))
  const [block, from] = [index.shape[at]! * inner, x.shape[at]! * inner]
  const places = index.dense()[0]!.dataSync()
  const flat = Int32Array.from(places, (p, i) => Math.floor(i / block) * from + p * inner + (i % inner))
  const where = fromData(flat, index.shape, backendOf(index), 'takeAlong')
  return apply(gatherOp, [reshape(x, [x.size]), where], { axis: -1, length: x.size, inside: true })
}

/**
 * Elements of x at `index` (i32) along an axis, each with its own index: result[i][j] = x[index[i][j]][j] for axis 0. NumPy's
 * take_along_axis and PyTorch's gather. Throws RangeError for an index outside.
 */
export function takeAlong(x: Tensor, index: Tensor, axis: number): Tensor {
  checkTensors('takeAlong', [x, index])
  const at = fromEnd(axis, x.rank, 'takeAlong')
  const fits = index.rank === x.rank && index.shape.every((n, d) => d === x.rank + at || n === x.shape[d])
  if (!fits || index.dtype !== 'i32') {
    throw new ShapeError({ name: 'takeAlong', signature: '[...,n,...], i32[...,m,...] -> [...,m,...]' }, [x, index])
  }
  checkIndices('takeAlong', index.dense()[0]!, x.shape[x.rank + at]!)
  return along(x, index, at)
}

/** The i32 indices that sort x along an axis: ascending with NaN last, or descending with NaN first. Equal elements keep their
 *  order. Constant to derivatives. */
export function argsort(x: Tensor, axis = -1, descending = false): Tensor {
  checkTensors('argsort', [x])
  return apply(argsortOp, [x], { axis: fromEnd(axis, x.rank, 'argsort'), descending })
}

/** x sorted along an axis: ascending with NaN last, or descending with NaN first. Derivatives, series and paths follow the
 *  elements to their places. */
export function sort(x: Tensor, axis = -1, descending = false): Tensor {
  checkTensors('sort', [x])
  return along(x, argsort(x, axis, descending), fromEnd(axis, x.rank, 'sort'))
}

/** The k largest elements along an axis, the largest first, and their i32 indices; NaN counts as the largest, and of equal
 *  elements the first is taken. With `largest` false the smallest, the smallest first. */
export function topK(x: Tensor, k: number, axis = -1, largest = true): { values: Tensor; indices: Tensor } {
  checkTensors('topK', [x])
  const at = fromEnd(axis, x.rank, 'topK')
  const n = x.shape[x.rank + at]!
  if (!Number.isSafeInteger(k) || k < 0 || k > n) throw new RangeError(`topK: k is from 0 to ${n}, got ${shown(k)}`)
  const indices = narrow(argsort(x, at, largest), at, 0, k)
  return { values: along(x, indices, at), indices }
}
