import { gated, gradient, type Orders, subsets, taylor } from '@unravel/expansion'
import type { Tower } from '@unravel/resnet'
import type { Tensor } from '@unravel/tensor'

export const expansions = ['taylor', 'gated', 'gradient', 'subsets'] as const

/** Which expansion, to which order, and what each of them wants to know. */
export interface ExpansionChoice {
  readonly expansion: (typeof expansions)[number]
  /** `all` for all but taylor. */
  readonly orders: number | 'all'
  /** gradient: the output element to differentiate. */
  readonly target: number
  /** taylor: the series starts at this share of λ. */
  readonly about: number
  /** subsets: sets that are drawn of towers too deep for all of them, and the seed of the draw. */
  readonly samples: number
  readonly seed: number
}

/** The expansion of that name; `onBlock` is told how many blocks are done. */
export function expandBy(
  { expansion, orders, target, about, samples, seed }: ExpansionChoice,
  tower: Tower,
  x: Tensor,
  onBlock: (done: number) => void,
): Orders {
  if (expansion === 'gated') return gated(tower, x, orders, onBlock)
  if (expansion === 'gradient') return gradient(tower, x, target, orders, onBlock)
  if (expansion === 'subsets') {
    const onProgress = (done: number, of: number) => onBlock(Math.round((done / of) * tower.blocks.length))
    return subsets(tower, x, orders, { samples, seed, onProgress })
  }
  return taylor(tower, x, orders as number, onBlock, { about })
}
