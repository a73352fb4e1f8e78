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
import { lastOrder, type Orders } from './orders.js'
import { BLOCKS_BETWEEN_TRIMS, trimmed } from './stacks.js'

export interface PathOptions {
  /** Called with the number of blocks done. */
  readonly onBlock?: ((done: number) => void) | undefined
  /** Multiplies λ_l on paths, one number for each block, while the run stays as it is. */
  readonly weights?: readonly number[] | undefined
}

/** The network from its embeddings on, for one that begins with integer ids, which have no gradient. */
export function embedded(tower: Tower, x: Tensor): { readonly tower: Tower; readonly x: Tensor } {
  if (x.dtype !== 'i32') return { tower, x }
  return { tower: { encode: h => h, blocks: tower.blocks, decode: h => tower.decode(h) }, x: tower.encode(x) }
}

/** The states of the run: after the encoder, and after every block. */
export function statesOf(tower: Tower, x: Tensor): Tensor[] {
  const states = [tower.encode(x)]
  for (const block of tower.blocks) {
    const h = states[states.length - 1]!
    states.push(scope(() => addScaled(skip(block, h), block.branch(h), block.scale)))
  }
  return states
}

/**
 * Cotangents of the output pulled back along gradient paths, by the number of branches they take:
 * g_k^(l−1) = s_l′ᵀ g_k^(l) + λ_l F_l′ᵀ g_{k−1}^(l), from the last block down, with derivatives at the run. All orders and
 * all cotangents travel as one stack: n block-vjps in all. Memory O(n·batch·width) for the run.
 *
 * @param seed the cotangents `[lead..., ...output]`, from the output
 * @param visit told, before block l is passed, of the stack of cotangents after it and what comes of it through the branch
 *   alone, λ_l not included
 * @returns `[orders + 1, lead..., ...x]`
 */
export function gradientPaths(
  tower: Tower,
  x: Tensor,
  seed: (output: Tensor) => Tensor,
  orders: number,
  { onBlock, weights }: PathOptions = {},
  visit?: (l: number, after: Tensor, through: Tensor, h: Tensor) => void,
): Tensor {
  return scope(() => {
    const states = statesOf(tower, x)
    let paths = scope(() => {
      const { value, pullback } = vjp(tower.decode, states[states.length - 1]!)
      const cotangents = seed(value)
      return pullback(reshape(cotangents, [1, ...cotangents.shape]))
    })
    for (let l = tower.blocks.length - 1; l >= 0; l--) {
      const after = paths
      const block = tower.blocks[l]!
      const h = states[l]!
      paths = scope(() => {
        const skipped = block.skip === undefined ? after : vjp(block.skip, h).pullback(after)
        if (orders === 0) return addAligned(skipped, skipped, 0, 0)
        const through = vjp(block.branch, h).pullback(head(after, orders))
        visit?.(l, after, through, h)
        const next = addAligned(skipped, through, 1, block.scale * (weights?.[l] ?? 1))
        return l % BLOCKS_BETWEEN_TRIMS === 0 ? trimmed(next) : next
      })
      release(after, states.pop()!)
      onBlock?.(tower.blocks.length - l)
    }
    return padded(vjp(tower.encode, x).pullback(paths), orders + 1)
  })
}

/**
 * The gradient of one output element with respect to the input, or to its embeddings where it is integer ids, by path length
 * (Veit et al., arXiv 1605.06431): the exact sum over all C(n,k) gradient paths of length k.
 *
 * @param target index into the last axis of the output; of the last position where the output is `[batch, sequence, …]`
 * @param orders order to stop at, or 'all' for the number of blocks
 * @returns coefficients `[orders + 1, ...x.shape]`; `total` is the whole gradient `[...x.shape]`
 * @throws RangeError for orders that are no integer of at least 0, or a target outside the output
 */
export function gradient(
  network: Tower,
  input: Tensor,
  target: number,
  orders: number | 'all',
  onBlock?: (done: number) => void,
  options: PathOptions = {},
): Orders {
  const most = lastOrder('gradient', orders, network.blocks.length)
  return scope(() => {
    const { tower, x } = embedded(network, input)
    const seed = (output: Tensor) => oneElement(output, target)
    const coefficients = gradientPaths(tower, x, seed, most, { onBlock, ...options })
    const whole = vjp((h: Tensor) => run(tower, h), x)
    const total = whole.pullback(seed(whole.value))
    return { expansion: 'gradient' as const, coefficients, total, scales: tower.blocks.map(b => b.scale) }
  })
}

/** The cotangent that selects output element `target` of every input (at the last position of a sequence). */
export function oneElement(output: Tensor, target: number): Tensor {
  const width = output.shape[output.rank - 1]!
  if (!Number.isSafeInteger(target) || target < 0 || target >= width) {
    throw new RangeError(`gradient: the target must be an output element 0..${width - 1}, got ${target}`)
  }
  const data = new Float64Array(output.size)
  const each = output.size / output.shape[0]!
  for (let i = each - width + target; i < data.length; i += each) data[i] = 1
  return tensor(data, { shape: output.shape, dtype: output.dtype, backend: backendOf(output) })
}
