import { scalarLike } from '../create.js'
import { apply, type Op } from '../op.js'
import { broadcastShapes } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { broadcastLast } from './broadcastTo.js'
import { mul } from './mul.js'
import { neg } from './neg.js'
import { seriesDiv } from './seriesDiv.js'
import { unbroadcast } from './unbroadcast.js'
import { type Operand, zipped } from './zipped.js'

export const divOp: Op = {
  ...zipped('div', 'div'),
  // (a/b)′ = a′/b − (a/b) b′/b
  vjp: ({ inputs: [a, b], output, wants }, c) => {
    const share = div(c, b!)
    return [
      wants[0] ? unbroadcast(share, output.rank, a!.shape) : null,
      wants[1] ? unbroadcast(neg(mul(share, output)), output.rank, b!.shape) : null,
    ]
  },
  series([a, b], _, at) {
    const item = broadcastShapes(a!.shape, b!.shape)!
    const stack = at.stack(a!, item.length)
    if (!at.has(b!)) return at.series(div(stack, b!))
    const [p, q] = [stack, at.stack(b, item.length)].map(s => broadcastLast(s, item))
    return at.series(seriesDiv(p!, q!, at.order + 1))
  },
  // A quotient is gated by freezing its denominator.
  gate([a, b], _, at) {
    const denominator = at.value(b!)
    const value = div(at.value(a!), denominator)
    if (!at.has(a!)) return value
    return at.paths(value, div(at.stack(a!, value.rank), denominator))
  },
}

/** a / b, elementwise with NumPy's broadcasting. */
export function div(a: Operand, b: Operand): Tensor {
  if (typeof b === 'number') return apply(divOp, [a as Tensor, scalarLike(b, a as Tensor)], undefined)
  if (typeof a === 'number') return apply(divOp, [scalarLike(a, b), b], undefined)
  return apply(divOp, [a, b], undefined)
}
