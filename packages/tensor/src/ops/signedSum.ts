import type { Gating, Paths } from '../autodiff/gated.js'
import type { Expansion } from '../autodiff/series.js'
import { type Applied, apply, type Op } from '../op.js'
import type { Tensor } from '../tensor.js'
import { addAligned } from './addAligned.js'
import { mul } from './mul.js'
import { unbroadcast } from './unbroadcast.js'

// Rules of a + sign·b, linear in both.
type Sign = 1 | -1

export const signedVjp = ({ inputs: [a, b], output, wants }: Applied<void>, c: Tensor, sign: Sign) => [
  wants[0] ? unbroadcast(c, output.rank, a!.shape) : null,
  wants[1] ? mul(unbroadcast(c, output.rank, b!.shape), sign) : null,
]

/** The stack of the result. */
export function signedStack([a, b]: readonly Tensor[], at: Expansion | Gating, sign: Sign): Tensor {
  const rank = Math.max(a!.rank, b!.rank)
  return addAligned(at.stack(a!, rank), at.stack(b!, rank), 0, sign)
}

export function signedGate(op: Op, inputs: readonly Tensor[], at: Gating, sign: Sign): Paths {
  const values = inputs.map(x => at.value(x))
  return at.paths(apply(op, values, undefined), signedStack(inputs, at, sign))
}
