import { run } from '@unravel/resnet'
import { release, reshape, scope, type Tensor } from '@unravel/tensor'
import { addAligned, head, padded, shown, trimmedSeries } from '@unravel/tensor/internals'
import type { PathOptions } from './gradient.js'
import { KinkFinder } from './kink.js'
import { checkOrders, type Orders } from './orders.js'
import { counted, type Network, type SiteOptions } from './sites.js'

export interface TaylorOptions extends SiteOptions, Pick<PathOptions, 'onBlock'> {
  /** Start of the series: t in [0, 1) expands about t·λ (default 0). */
  readonly about?: number | undefined
}

/**
 * The Residual Expansion Theorem to any order (Dherin & Munn, arXiv 2510.03470): the power series in λ, about λ = 0,
 * of f_λ = γ ∘ (s_n + λF_n) ∘ … ∘ (s_1 + λF_1) ∘ α on a batch x `[batch, ...]`. Coefficient k is the total of order k
 * — every rooted tree of k blocks — times λ^k.
 *
 * h^(0) = α(x), h^(l)(z) = s_l(h^(l−1)(z)) + z λ_l F_l(h^(l−1)(z)), f = γ(h^(n)(z)), all modulo z^(orders+1).
 * Time O(n·orders) applications of each linear map and O(n·orders²) scalar work; memory O(orders·batch·width), whatever
 * n is. Branches that are only piecewise analytic (ReLU, max pooling) are expanded with the pieces of λ = 0.
 *
 * The series means something only within its radius of convergence: see `analyse`.
 *
 * `about` = t in [0, 1) starts it elsewhere, at t·λ: order 0 is then the run at t·λ and order k carries (λ − tλ)^k, so that
 * the orders still add up to the network at λ; h^(l)(z) = s_l(h) + λ_l (t + (1 − t)z) F_l(h).
 *
 * With `sites: 'all'`, and of a function that marks its branches, z stands at the end of every residual branch, nested ones
 * too.
 *
 * @throws RangeError when `orders` is not an integer of at least 0, or `about` outside of [0, 1)
 */
export function taylor(
  network: Network,
  x: Tensor,
  orders: number,
  { about = 0, sites, onBlock }: TaylorOptions = {},
): Orders {
  checkOrders('taylor', orders)
  if (!(about >= 0 && about < 1))
    throw new RangeError(`taylor: about must be at least 0 and below 1, got ${shown(about)}`)
  const kinks = new KinkFinder()
  return scope(() => {
    const { tower, passed, mark, marks, scales, output } = counted(network, x, sites, { about, onBlock })
    const expand = (f: (h: Tensor) => Tensor, h: Tensor, order: number) =>
      trimmedSeries(f, h, order, { observer: kinks.observer, mark })
    const encoded = tower.encode(x)
    let h = reshape(encoded, [1, ...encoded.shape])
    tower.blocks.forEach(block => {
      const before = h
      h = scope(() => {
        const skipped = block.skip === undefined ? before : expand(block.skip, before, orders)
        if (about > 0) {
          const branch = expand(block.branch, before, orders)
          const here = addAligned(skipped, branch, 0, about * block.scale)
          return orders === 0 ? here : addAligned(here, head(branch, orders), 1, (1 - about) * block.scale)
        }
        // z·F needs F to order − 1 only.
        if (orders === 0) return addAligned(skipped, skipped, 0, 0)
        return addAligned(skipped, expand(block.branch, before, orders - 1), 1, block.scale)
      })
      release(before)
      passed()
    })
    const coefficients = padded(expand(tower.decode, h, orders), orders + 1)
    // Gates flip away from their state at λ = 0, which a series about another run does not know.
    const kink = about > 0 && kinks.nearest !== null ? undefined : kinks.nearest
    return { expansion: 'taylor' as const, coefficients, total: output ?? run(tower, x), scales, marks, kink, about }
  })
}
