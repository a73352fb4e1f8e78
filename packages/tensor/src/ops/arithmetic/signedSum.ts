import { apply, each } from '../../core/op.js'
import type { Applied, Binary, GateContext, Op, OrdersContext, Tensor } from '../../core/tensor.js'
import { unbroadcast } from '../structure/sum.js'
import { addAligned } from './addAligned.js'
import { mul } from './mul.js'

// Rules of a + sign·b, linear in both.
type Sign = 1 | -1

export const signedVjp = ({ inputs: [a, b], output, wants }: Applied<void, Binary>, c: Tensor, sign: Sign) => [
  wants[0] ? unbroadcast(c, output.rank, a.shape) : null,
  wants[1] ? mul(unbroadcast(c, output.rank, b.shape), sign) : null,
]

/** The stack of the result. */
export function signedStack([a, b]: Binary, at: OrdersContext, sign: Sign): Tensor {
  const rank = Math.max(a.rank, b.rank)
  return addAligned(at.stack(a, rank), at.stack(b, rank), 0, sign)
}

export function signedGate(op: Op<void, Binary>, inputs: Binary, at: GateContext, sign: Sign): Tensor {
  const values = each(inputs, x => at.value(x))
  return at.paths(apply(op, values, undefined), signedStack(inputs, at, sign))
}
