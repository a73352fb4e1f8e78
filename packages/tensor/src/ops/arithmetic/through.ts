import { scalarLike } from '../../core/create.js'
import { apply } from '../../core/op.js'
import type { Binary, Op, Tensor } from '../../core/tensor.js'
import { where } from '../structure/where.js'
import { zipped } from '../structure/zipped.js'
import { equal } from './compare.js'
import { mul } from './mul.js'

export const throughOp: Op<void, Binary> = {
  ...zipped('through', 'through'),
  body([x, gate]) {
    const zero = scalarLike(0, gate)
    return where(equal(gate, zero), zero, mul(x, gate))
  },
}

/** Path sums behind a gate: x·gate, and 0 where the gate is closed, for infinite x too. */
export const through = (x: Tensor, gate: Tensor): Tensor => apply(throughOp, [x, gate], undefined)
