import { checkScalar } from '../../core/dtype.js'
import { apply } from '../../core/op.js'
import { type Binary, type Op, Tensor } from '../../core/tensor.js'
import type { Operand } from '../structure/zipped.js'
import { zipped } from '../structure/zipped.js'
import { affine } from './affine.js'
import { signedGate, signedStack, signedVjp } from './signedSum.js'

export const subOp: Op<void, Binary> = {
  ...zipped('sub', 'sub', ['f32', 'f64', 'i32']),
  vjp: (applied, c) => signedVjp(applied, c, -1),
  series: (inputs, _, at) => at.series(signedStack(inputs, at, -1)),
  gate: (inputs, _, at) => signedGate(subOp, inputs, at, -1),
}

/** a − b, with NumPy's broadcasting. */
export function sub(a: Operand, b: Operand): Tensor {
  if (typeof b === 'number') {
    if (!(a instanceof Tensor) || a.dtype !== 'i32') return affine(a as Tensor, 1, -b)
    checkScalar(b, a)
    // Modulo 2^32, for −(−2^31) is no i32.
    return affine(a, 1, -b | 0)
  }
  if (typeof a === 'number') return affine(b, -1, a)
  return apply(subOp, [a, b], undefined)
}
