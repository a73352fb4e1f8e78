import { gated, gradient, longestPath, type Orders, subsets, type Target, taylor } from '@unravel/expansion'
import { run, type Tower } from '@unravel/resnet'
import { scope, type Tensor } from '@unravel/tensor'
import { head } from '@unravel/tensor/internals'

export const expansions = ['taylor', 'gated', 'gradient', 'subsets'] as const

/** Which expansion, to which order, and what each of them wants to know. */
export interface ExpansionChoice {
  readonly expansion: (typeof expansions)[number]
  /** `all` for all but taylor. */
  readonly orders: number | 'all'
  /** gradient: the function of the output to differentiate. */
  readonly target: Target
  /** taylor: the series starts at this share of λ. */
  readonly about: number
  /** subsets: sets that are drawn of towers too deep for all of them, and the seed of the draw. */
  readonly samples: number
  readonly seed: number
  /** All but subsets: the sites that orders count (default: blocks). */
  readonly sites?: 'blocks' | 'all' | undefined
  /** Called with the number of blocks done, of sites where these are counted, or of sets, and of how many. */
  readonly onBlock?: ((done: number, of: number) => void) | undefined
}

/** The most numbers of all orders together, and times blocks, that are computed for the shares of a few. */
const MAX_NUMBERS = 2 ** 24
const MAX_WORK = 2 ** 31

/**
 * The expansion of that name. Of gated and gradient all orders are computed
 * where they are not too many, so that the share of an order does not depend on how many are asked for.
 */
export function expandBy(
  tower: Tower,
  x: Tensor,
  { expansion, orders, target, about, samples, seed, sites, onBlock }: ExpansionChoice,
): Orders {
  if (expansion === 'gated' || expansion === 'gradient') {
    const n = longestPath(tower, x, sites)
    const of = (k: number | 'all') =>
      expansion === 'gated' ? gated(tower, x, k, { onBlock, sites }) : gradient(tower, x, target, k, { onBlock, sites })
    const state = scope(() => tower.encode(x)).size
    // Orders of logits over a vocabulary are far larger than the states that they are made of.
    const size = expansion === 'gated' ? scope(() => run(tower, x).size) : x.size
    const tooMany = (n + 1) * Math.max(size, state) > MAX_NUMBERS || n * (n + 1) * state > MAX_WORK
    if (orders === 'all' || orders >= n || tooMany) return of(orders)
    const { coefficients: all, ...rest } = of('all')
    return { ...rest, all, coefficients: head(all, orders + 1) }
  }
  if (expansion === 'subsets') {
    return subsets(tower, x, orders, { samples, seed, ...(onBlock && { onProgress: onBlock }) })
  }
  return taylor(tower, x, orders as number, { about, sites, onBlock })
}
