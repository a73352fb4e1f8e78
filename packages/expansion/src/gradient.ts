import { run, skip, type Tower } from '@unravel/resnet'
import {
  addAligned,
  addScaled,
  backendOf,
  head,
  padded,
  release,
  reshape,
  scope,
  type Tensor,
  tensor,
  vjp,
} from '@unravel/tensor'
import { checkOrders, type Orders } from './orders.js'

/**
 * The gradient of one output element with respect to the input, by path length (Veit et al., arXiv 1605.06431): the
 * exact sum over all C(n,k) gradient paths of length k,
 * g_k^(l−1) = s_l′ᵀ g_k^(l) + λ_l F_l′ᵀ g_{k−1}^(l), from the last block down, with derivatives at the run.
 * All orders travel as one stack of cotangents: n block-vjps in all. Memory O(n·batch·width) for the run.
 *
 * @param target index into the last axis of the output; of the last position where the output is `[batch, sequence, …]`
 * @param orders order to stop at, or 'all' for the number of blocks
 * @returns coefficients `[orders + 1, ...x.shape]`; `total` is the whole gradient `[...x.shape]`
 * @throws RangeError for orders that are no integer of at least 0, or a target outside the output
 */
export function gradient(
  tower: Tower,
  x: Tensor,
  target: number,
  orders: number | 'all',
  onBlock?: (done: number) => void,
): Orders {
  const most = Math.min(orders === 'all' ? Number.POSITIVE_INFINITY : orders, tower.blocks.length)
  checkOrders('gradient', most)
  return scope(() => {
    const states = [tower.encode(x)]
    for (const block of tower.blocks) {
      const h = states[states.length - 1]!
      states.push(scope(() => addScaled(skip(block, h), block.branch(h), block.scale)))
    }
    let paths = scope(() => {
      const { value, pullback } = vjp(tower.decode, states[states.length - 1]!)
      const seed = oneElement(value, target)
      return pullback(reshape(seed, [1, ...seed.shape]))
    })
    for (let l = tower.blocks.length - 1; l >= 0; l--) {
      const after = paths
      const block = tower.blocks[l]!
      const h = states[l]!
      paths = scope(() => {
        const skipped = block.skip === undefined ? after : vjp(block.skip, h).pullback(after)
        if (most === 0) return addAligned(skipped, skipped, 0, 0)
        const through = vjp(block.branch, h).pullback(head(after, most))
        return addAligned(skipped, through, 1, block.scale)
      })
      release(after, states.pop()!)
      onBlock?.(tower.blocks.length - l)
    }
    const coefficients = padded(vjp(tower.encode, x).pullback(paths), most + 1)
    const whole = vjp((input: Tensor) => run(tower, input), x)
    const total = whole.pullback(oneElement(whole.value, target))
    return { expansion: 'gradient' as const, coefficients, total, scales: tower.blocks.map(b => b.scale) }
  })
}

/** The cotangent that selects output element `target` of every input (at the last position of a sequence). */
function oneElement(output: Tensor, target: number): Tensor {
  const width = output.shape[output.rank - 1]!
  if (!Number.isSafeInteger(target) || target < 0 || target >= width) {
    throw new RangeError(`gradient: the target must be an output element 0..${width - 1}, got ${target}`)
  }
  const data = new Float64Array(output.size)
  const each = output.size / output.shape[0]!
  for (let i = each - width + target; i < data.length; i += each) data[i] = 1
  return tensor(data, { shape: output.shape, dtype: output.dtype, backend: backendOf(output) })
}
