import type { Tower } from '@unravel/resnet'
import { mul, scope, series, type Tensor, tensor } from '@unravel/tensor'
import { padded, trimmedSeries } from '@unravel/tensor/internals'
import { runWithScales } from './attribution.js'
import { checkOrders } from './orders.js'

/**
 * The Taylor expansion in two scales at once: blocks of group 0 carry z₀·λ_l and blocks of group 1 carry z₁·λ_l (attention
 * and MLP, or two stages). Entry (i, j) is the total of the terms with i branches of group 0 and j of group 1, λ's included;
 * entries with i + j = k sum to order k of `taylor`.
 *
 * @param groups 0 or 1 for every block
 * @returns `[orders + 1, orders + 1, ...output]`
 * @throws RangeError for groups that are not one 0 or 1 a block, or orders that are no integer of at least 0
 */
export function groupedTaylor(tower: Tower, x: Tensor, groups: readonly number[], orders: number): Tensor {
  checkOrders('groupedTaylor', orders)
  if (groups.length !== tower.blocks.length || groups.some(g => g !== 0 && g !== 1)) {
    throw new RangeError(
      `groupedTaylor: groups must be 0 or 1 for each of ${tower.blocks.length} blocks, got [${groups}]`,
    )
  }
  return scope(() => {
    const where = { dtype: dtypeOf(tower, x), backend: x.dense()[0]!.backend } as const
    const variable = () => tensor([0, 1], where) // z, as its Taylor coefficients
    const f = (z0: Tensor, z1: Tensor) =>
      runWithScales(
        tower,
        x,
        tower.blocks.map((block, l) => mul(groups[l] === 0 ? z0 : z1, block.scale)),
      )
    const inner = (z0: Tensor) =>
      padded(
        trimmedSeries((z1: Tensor) => f(z0, z1), variable(), orders),
        orders + 1,
      )
    return series(inner, variable(), orders)
  })
}

const dtypeOf = (tower: Tower, x: Tensor) => scope(() => tower.encode(x)).dtype
