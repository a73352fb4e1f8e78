import { run, skip, type Tower } from '@unravel/resnet'
import {
  add,
  addScaled,
  concat,
  mul,
  narrow,
  Random,
  release,
  reshape,
  scope,
  sqrt,
  sub,
  type Tensor,
  zerosLike,
} from '@unravel/tensor'
import { head, shown } from '@unravel/tensor/internals'
import { lastOrder, type Orders } from './orders.js'

/** Every subset of this many blocks is run; of more, subsets are sampled. */
export const MAX_EXACT_BLOCKS = 20
/** A sample runs every subset of as many of its blocks as orders are asked for. */
export const MAX_SAMPLED_ORDERS = 16
/** Rows that go through a block together. */
const MAX_ROWS = 4096

export interface SubsetOptions {
  /** Subsets that are drawn where not all are run (default 64). */
  readonly samples?: number
  /** Default 0. */
  readonly seed?: number
  readonly onProgress?: (done: number, of: number) => void
}

/**
 * The Möbius expansion over sets of active blocks: f = Σ_S Δ_S with Δ_S = Σ_{T⊆S} (−1)^{|S|−|T|} f_T, where f_T is the
 * tower with the branches outside of T removed. Order k is Σ_{|S|=k} Δ_S. Exact for any network.
 *
 * Up to 20 blocks every subset is run: 2^n applications of a block, for subsets that agree on the first blocks share them.
 * Beyond, sets of `orders` blocks are drawn uniformly and expanded exactly with the others removed; Δ_S of their subsets,
 * times the number of such subsets there are, are unbiased for the totals of the orders, with the standard error measured.
 *
 * @param orders order to stop at; 'all' only where every subset is run
 * @throws RangeError for orders that are no integer of at least 0, or more than can be sampled
 */
export function subsets(tower: Tower, x: Tensor, orders: number | 'all', options: SubsetOptions = {}): Orders {
  const n = tower.blocks.length
  const most = lastOrder('subsets', orders, n)
  const common = { expansion: 'subsets' as const, scales: tower.blocks.map(b => b.scale) }
  if (n <= MAX_EXACT_BLOCKS) {
    return scope(() => {
      let done = 0
      const finished = (count: number) => options.onProgress?.((done += count), 2 ** n)
      const all = moebius(tower, new Set(tower.blocks.keys()), x, finished)
      return { ...common, coefficients: head(all, most + 1), all, total: run(tower, x) }
    })
  }
  if (most > MAX_SAMPLED_ORDERS) {
    throw new RangeError(
      `subsets: ${n} blocks are sampled, at most to order ${MAX_SAMPLED_ORDERS} (more than ${MAX_EXACT_BLOCKS}); got ${most}`,
    )
  }
  return scope(() => ({ ...common, ...sampled(tower, x, most, options), total: run(tower, x) }))
}

/** Order totals `[active blocks + 1, ...output]`. Blocks whose places are not `active` only skip. The call stack grows with
 *  the active blocks, not with the depth of the tower. */
function moebius(
  tower: Tower,
  active: ReadonlySet<number>,
  x: Tensor,
  finished: (subsets: number) => void = () => {},
): Tensor {
  const { blocks } = tower
  const batch = x.shape[0]!
  /**
   * The totals over the subsets of blocks l.. for each of the stacked states, `[orders, copies·batch, ...]`. A block takes
   * part or not: P₀ + z·(P₁ − P₀).
   */
  const from = (first: number, given: Tensor): Tensor =>
    scope(() => {
      let states = given
      let l = first
      for (; l < blocks.length && !active.has(l); l++) {
        const before = states
        states = skip(blocks[l]!, before)
        if (states !== before) release(before)
      }
      const block = blocks[l]
      if (block === undefined) {
        finished(states.shape[0]! / batch)
        const out = tower.decode(states)
        return reshape(out, [1, ...out.shape])
      }
      const skipped = skip(block, states)
      const taken = addScaled(skipped, block.branch(states), block.scale)
      if (2 * states.shape[0]! <= MAX_ROWS) {
        const both = from(l + 1, concat([skipped, taken], 0))
        const rows = states.shape[0]!
        const at = (begin: number) => narrow(both, 1, begin, rows)
        return merged(at(0), at(rows))
      }
      return merged(from(l + 1, skipped), from(l + 1, taken))
    })
  return from(0, tower.encode(x))
}

/** P₀ + z·(P₁ − P₀) of two polynomials `[orders, ...]`. */
function merged(p0: Tensor, p1: Tensor): Tensor {
  const nothing = reshape(zerosLike(narrow(p0, 0, 0, 1)), [1, ...p0.shape.slice(1)])
  return add(concat([p0, nothing], 0), concat([nothing, sub(p1, p0)], 0))
}

/** Means and standard errors of the order totals over random sets of `most` blocks. */
function sampled(tower: Tower, x: Tensor, most: number, { samples = 64, seed = 0, onProgress }: SubsetOptions) {
  if (!Number.isSafeInteger(samples) || samples < 2) {
    throw new RangeError(`subsets: samples must be an integer of at least 2, got ${shown(samples)}`)
  }
  const n = tower.blocks.length
  const random = new Random(seed)
  // C(n, k) / C(most, k): every subset of size k is among those of as many draws.
  const weights = [1]
  for (let k = 0; k < most; k++) weights.push((weights[k]! * (n - k)) / (most - k))
  let mean: Tensor | undefined
  let squares: Tensor | undefined
  for (let s = 1; s <= samples; s++) {
    ;[mean, squares] = scope(() => {
      const drawn = new Set(random.permutation(n).subarray(0, most))
      const totals = moebius(tower, drawn, x)
      const rows = weights.map((w, k) => mul(narrow(totals, 0, k, 1), w))
      const value = concat(rows, 0)
      if (mean === undefined || squares === undefined) return [value, zerosLike(value)]
      // Welford's update.
      const gap = sub(value, mean)
      const next = addScaled(mean, gap, 1 / s)
      return [next, add(squares, mul(gap, sub(value, next)))]
    }) as [Tensor, Tensor]
    onProgress?.(s, samples)
  }
  return { coefficients: mean!, standardError: sqrt(mul(squares!, 1 / (samples * (samples - 1)))) }
}

/**
 * The mean output under block dropout, where every branch is kept with probability p on its own: Σ_k p^k E_k, for the
 * totals E_k of a `subsets` expansion of all orders. Throws RangeError for another expansion, or one that was cut.
 */
export function dropoutMean(expansion: Orders, keep: number): Tensor {
  if (!(keep >= 0 && keep <= 1))
    throw new RangeError(`dropoutMean: a probability is between 0 and 1, got ${shown(keep)}`)
  const { coefficients, scales } = expansion
  if (expansion.expansion !== 'subsets' || coefficients.shape[0] !== scales.length + 1) {
    throw new RangeError(
      `dropoutMean wants a subsets expansion of all orders 0..${scales.length}, ` +
        `got ${expansion.expansion} to order ${coefficients.shape[0]! - 1}`,
    )
  }
  return scope(() => {
    let sum = narrow(coefficients, 0, 0, 1)
    for (let k = 1; k < coefficients.shape[0]!; k++) sum = addScaled(sum, narrow(coefficients, 0, k, 1), keep ** k)
    return reshape(sum, coefficients.shape.slice(1))
  })
}
