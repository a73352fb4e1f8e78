import { apply } from '../../core/op.js'
import { broadcastShapes } from '../../core/shape.js'
import type { Binary, Op, Tensor } from '../../core/tensor.js'
import { bilinear } from '../structure/builders.js'
import { aligned } from '../structure/reshape.js'
import { broadcastLast, unbroadcast } from '../structure/sum.js'
import type { Operand } from '../structure/zipped.js'
import { zipped } from '../structure/zipped.js'
import { affine } from './affine.js'
import { cauchy } from './cauchy.js'

export const mulOp: Op<void, Binary> = bilinear<void>({
  ...zipped('mul', 'mul', ['f32', 'f64', 'i32']),
  // (ab)′ = a′b + ab′
  vjp: ({ inputs: [a, b], output, wants }, c) => [
    wants[0] ? unbroadcast(mul(c, b), output.rank, a.shape) : null,
    wants[1] ? unbroadcast(mul(c, a), output.rank, b.shape) : null,
  ],
  product(a, b, _, order) {
    const item = broadcastShapes(a.shape.slice(1), b.shape.slice(1))!
    const whole = (stack: Tensor) => broadcastLast(aligned(stack, item.length), item)
    return cauchy(whole(a), whole(b), Math.min(order + 1, a.shape[0]! + b.shape[0]! - 1), item.length)
  },
  instead:
    'glu (frozen gate factor), scaledDotProductAttention (frozen pattern), or layerNorm / rmsNorm (frozen scale)',
})

/** a·b, elementwise with NumPy's broadcasting. */
export function mul(a: Operand, b: Operand): Tensor {
  if (typeof b === 'number') return affine(a as Tensor, b, 0)
  if (typeof a === 'number') return affine(b, a, 0)
  return apply(mulOp, [a, b], undefined)
}
