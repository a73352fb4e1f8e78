import { apply } from '../../core/op.js'
import type { Binary, Op, Tensor } from '../../core/tensor.js'
import type { Operand } from '../structure/zipped.js'
import { zipped } from '../structure/zipped.js'
import { affine } from './affine.js'
import { signedGate, signedStack, signedVjp } from './signedSum.js'

export const addOp: Op<void, Binary> = {
  ...zipped('add', 'add', ['f32', 'f64', 'i32']),
  vjp: (applied, c) => signedVjp(applied, c, 1),
  series: (inputs, _, at) => at.series(signedStack(inputs, at, 1)),
  gate: (inputs, _, at) => signedGate(addOp, inputs, at, 1),
}

/** a + b, with NumPy's broadcasting. */
export function add(a: Operand, b: Operand): Tensor {
  if (typeof b === 'number') return affine(a as Tensor, 1, b)
  if (typeof a === 'number') return affine(b, 1, a)
  return apply(addOp, [a, b], undefined)
}
