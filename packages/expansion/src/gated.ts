import { type Block, run } from '@unravel/resnet'
import {
  addScaled,
  gated as freeze,
  type Mark,
  narrow,
  release,
  reshape,
  scope,
  type Tensor,
  vjp,
} from '@unravel/tensor'
import { addAligned, padded } from '@unravel/tensor/internals'
import type { PathOptions } from './gradient.js'
import { checkWeights, lastOrder, type Orders } from './orders.js'
import { counted, type Network, type SiteOptions } from './sites.js'
import { BLOCKS_BETWEEN_TRIMS, trimmed } from './stacks.js'

/** The run's value before a block and its path sums `[stored orders, ...value]`. */
export interface GatedState {
  readonly value: Tensor
  readonly paths: Tensor
}

/** The state after a block, and the path sums that its branch made, λ not included. `weight` multiplies λ on paths. */
export function gatedStep(
  block: Block,
  { value, paths }: GatedState,
  orders: number,
  weight = 1,
  mark?: Mark,
): GatedState & { readonly branch: Tensor } {
  const skipped =
    block.skip === undefined ? { value, stack: paths } : freeze(block.skip, value, paths, orders, { mark })
  // Paths of length k through the branch come from paths of length k − 1 before it.
  const branch = freeze(block.branch, value, paths, Math.max(0, orders - 1), { mark })
  return {
    value: addScaled(skipped.value, branch.value, block.scale),
    paths:
      orders === 0
        ? addAligned(skipped.stack, skipped.stack, 0, 0)
        : addAligned(skipped.stack, branch.stack, 1, block.scale * weight),
    branch: branch.stack,
  }
}

/**
 * The run at the given λ with its gates frozen, by path length: every branch becomes affine, F_l = A_l h + b_l, and
 * S_k ← s_l(S_k) + λ_l (A_l S_{k−1} + [k=1] b_l). Orders 0..n sum to the output at any λ, to rounding. Exact, but not
 * unique: the gates (secants of activations, patterns of attention, scales of norms) are a choice.
 *
 * Time one application of every linear map to at most `orders` + 1 rows per input; memory O(orders·batch·width). Trailing
 * orders below 1e−270 (f32: 1e−26) may come out as zero.
 *
 * With `sites: 'all'`, and of a function that marks its branches, the length of a path is the number of all residual branches
 * that it takes, nested ones too.
 *
 * @param orders order to stop at, or 'all' for the longest path
 * @throws RangeError when `orders` is not an integer of at least 0; RuleError for an op without a canonical gate
 */
export function gated(
  network: Network,
  x: Tensor,
  orders: number | 'all',
  { weights, sites, onBlock }: PathOptions & SiteOptions = {},
): Orders {
  return scope(() => {
    const { tower, passed, mark, marks, scales, longest, output } = counted(network, x, sites, { onBlock })
    const most = lastOrder('gated', orders, longest)
    checkWeights('gated', weights, tower.blocks.length)
    const encoded = tower.encode(x)
    let state: GatedState = { value: encoded, paths: reshape(encoded, [1, ...encoded.shape]) }
    tower.blocks.forEach((block, l) => {
      const before = state
      state = scope(() => {
        const { value, paths } = gatedStep(block, before, most, weights?.[l], mark)
        return { value, paths: l % BLOCKS_BETWEEN_TRIMS === 0 ? trimmed(paths) : paths }
      })
      release(before.value, before.paths)
      passed()
    })
    const coefficients = padded(freeze(tower.decode, state.value, state.paths, most, { mark }).stack, most + 1)
    return { expansion: 'gated' as const, coefficients, total: output ?? run(tower, x), scales, marks }
  })
}

/** The linear part A of the map f with its gates frozen at `value`, on a stack `[count, ...value]`, without any bias. */
export function frozen(f: (h: Tensor) => Tensor, value: Tensor, stack: Tensor): Tensor {
  const count = stack.shape[0]!
  // Biases join order 0, which is left out again.
  const shifted = addAligned(reshape(value, [1, ...value.shape]), stack, 1)
  return narrow(padded(freeze(f, value, shifted, count).stack, count + 1), 0, 1, count)
}

/** Aᵀ of the same map, on cotangents `[lead..., ...output]`. */
export function frozenTransposed(f: (h: Tensor) => Tensor, value: Tensor, cotangents: Tensor): Tensor {
  const stack = reshape(value, [1, ...value.shape])
  const { value: out, pullback } = vjp((s: Tensor) => freeze(f, value, s, 0).stack, stack)
  const lead = cotangents.shape.slice(0, cotangents.rank - (out.rank - 1))
  const pulled = pullback(reshape(cotangents, [...lead, ...out.shape]))
  return reshape(pulled, [...lead, ...value.shape])
}
