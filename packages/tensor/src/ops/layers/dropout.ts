import type { Where } from '../../core/create.js'
import { shown } from '../../core/messages.js'
import { alias, checkTensors, like } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { greaterEqual } from '../arithmetic/compare.js'
import { mul } from '../arithmetic/mul.js'
import { gather } from '../structure/gather.js'
import { where } from '../structure/where.js'

/** A source of random numbers: a `Random`. */
export interface Draws {
  uniform(shape: readonly number[], low?: number, high?: number, where?: Where): Tensor
}

/**
 * In training each element of x is 0 with probability `rate` and else divided by 1 − rate, so that its mean stays; otherwise x.
 * The dropped elements are drawn from `random`, and constant to derivatives.
 */
export function dropout(x: Tensor, rate: number, random: Draws, training = true): Tensor {
  checkTensors('dropout', [x])
  if (!(rate >= 0 && rate <= 1)) throw new RangeError(`dropout: rate is a probability of 0 to 1, got ${shown(rate)}`)
  if (!training || rate === 0) return alias('dropout', x)
  const kept = greaterEqual(random.uniform(x.shape, 0, 1, like(x)), rate)
  return where(kept, rate === 1 ? x : mul(x, 1 / (1 - rate)), 0)
}

/** Rows of `weight` [n,d] at `ids` (i32, any shape): [...ids,d]. Throws RangeError for an id that is no row. */
export const embedding = (ids: Tensor, weight: Tensor): Tensor => gather(weight, ids, 0)
