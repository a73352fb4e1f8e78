import { run, type Tower } from '@unravel/resnet'
import { addAligned, addScaled, gated as freeze, padded, release, reshape, scope, type Tensor } from '@unravel/tensor'
import { checkOrders, type Orders } from './orders.js'

/**
 * The run at the given λ with its gates frozen, by path length: every branch becomes affine, F_l = A_l h + b_l, and
 * S_k ← s_l(S_k) + λ_l (A_l S_{k−1} + [k=1] b_l). Orders 0..n sum to the output at any λ, to rounding. Exact, but not
 * unique: the gates (secants of activations, patterns of attention, scales of norms) are a choice.
 *
 * Time one application of every linear map to at most `orders` + 1 rows per input; memory O(orders·batch·width).
 *
 * @param orders order to stop at, or 'all' for the number of blocks
 * @throws RangeError when `orders` is not an integer of at least 0; RuleError for an op without a canonical gate
 */
export function gated(tower: Tower, x: Tensor, orders: number | 'all', onBlock?: (done: number) => void): Orders {
  const most = Math.min(orders === 'all' ? Number.POSITIVE_INFINITY : orders, tower.blocks.length)
  checkOrders('gated', most)
  return scope(() => {
    let value = tower.encode(x)
    let paths = reshape(value, [1, ...value.shape])
    tower.blocks.forEach((block, l) => {
      const before = { value, paths }
      const after = scope(() => {
        const skipped =
          block.skip === undefined
            ? { value: before.value, stack: before.paths }
            : freeze(block.skip, before.value, before.paths, most)
        // Paths of length k through the branch come from paths of length k − 1 before it.
        const branch = freeze(block.branch, before.value, before.paths, Math.max(0, most - 1))
        return {
          value: addScaled(skipped.value, branch.value, block.scale),
          paths:
            most === 0
              ? addAligned(skipped.stack, skipped.stack, 0, 0)
              : addAligned(skipped.stack, branch.stack, 1, block.scale),
        }
      })
      value = after.value
      paths = after.paths
      release(before.value, before.paths)
      onBlock?.(l + 1)
    })
    const coefficients = padded(freeze(tower.decode, value, paths, most).stack, most + 1)
    return { expansion: 'gated' as const, coefficients, total: run(tower, x), scales: tower.blocks.map(b => b.scale) }
  })
}
