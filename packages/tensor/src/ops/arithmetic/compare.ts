import type { ZipOp } from '@unravel/kernels'
import { scalarLike } from '../../core/create.js'
import { apply } from '../../core/op.js'
import type { Binary, Op, Tensor } from '../../core/tensor.js'
import { type Operand, zipped } from '../structure/zipped.js'

const comparison = (name: ZipOp): Op<void, Binary> => zipped(name, name, ['f32', 'f64', 'i32'])

export const equalOp = comparison('equal')
export const notEqualOp = comparison('notEqual')
export const lessOp = comparison('less')
export const lessEqualOp = comparison('lessEqual')
export const greaterOp = comparison('greater')
export const greaterEqualOp = comparison('greaterEqual')

function compare(op: Op<void, Binary>, a: Operand, b: Operand): Tensor {
  const left = typeof a === 'number' ? scalarLike(a, b as Tensor) : a
  return apply(op, [left, typeof b === 'number' ? scalarLike(b, left) : b], undefined)
}

// Masks: 1 where the comparison holds, else 0, in the dtype of the operands. Constant to derivatives.
export const equal = (a: Operand, b: Operand): Tensor => compare(equalOp, a, b)
export const notEqual = (a: Operand, b: Operand): Tensor => compare(notEqualOp, a, b)
export const less = (a: Operand, b: Operand): Tensor => compare(lessOp, a, b)
export const lessEqual = (a: Operand, b: Operand): Tensor => compare(lessEqualOp, a, b)
export const greater = (a: Operand, b: Operand): Tensor => compare(greaterOp, a, b)
export const greaterEqual = (a: Operand, b: Operand): Tensor => compare(greaterEqualOp, a, b)
