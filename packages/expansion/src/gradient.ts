import { run, skip, type Tower } from '@unravel/resnet'
import { addScaled, type Mark, mul, release, reshape, scope, type Tensor, tensor, vjp } from '@unravel/tensor'
import { addAligned, head, like, padded, shown } from '@unravel/tensor/internals'
import { checkWeights, lastOrder, type Orders } from './orders.js'
import { counted, type Network, type OnBlock, type SiteOptions } from './sites.js'
import { BLOCKS_BETWEEN_TRIMS, trimmed } from './stacks.js'

export interface PathOptions {
  /** Called with the number of blocks done, or of sites where these are counted, and of how many. */
  readonly onBlock?: OnBlock | undefined
  /** Multiplies λ_l on paths, one number for each block, while the run stays as it is. */
  readonly weights?: readonly number[] | undefined
  /** The effect of the marks inside of the network's maps; they only multiply where it is absent. */
  readonly mark?: Mark | undefined
}

/** Told, before block l is passed, of the stack of cotangents after it and of what comes of it through the branch alone, λ_l
 *  not included. */
type Visit = (l: number, after: Tensor, through: Tensor, h: Tensor) => void

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

/** Numbers in cotangents that travel together. */
const MAX_TOGETHER = 2 ** 23

/** How many stacks of so many cotangents of a batch may travel together, at least one. */
export function together(tower: Tower, x: Tensor, cotangents: number): number {
  const largest = scope(() => statesOf(tower, x).reduce((most, h) => Math.max(most, h.size), x.size))
  return Math.max(1, Math.floor(MAX_TOGETHER / (cotangents * largest)))
}

/**
 * Cotangents of the output pulled back along gradient paths, by the number of branches they take:
 * g_k^(l−1) = s_l′ᵀ g_k^(l) + λ_l F_l′ᵀ g_{k−1}^(l), from the last block down, with derivatives at the run. All orders and
 * all cotangents travel as one stack: n block-vjps in all. Memory O(n·batch·width) for the run.
 *
 * @param seed the cotangents `[lead..., ...output]`, from the output
 * @param options `weights` may be tensors `[lead...]`, one number for each cotangent
 * @returns `[orders + 1, lead..., ...x]`
 */
export function gradientPaths(
  tower: Tower,
  x: Tensor,
  seed: (output: Tensor) => Tensor,
  orders: number,
  {
    onBlock,
    weights,
    mark,
    visit,
  }: Omit<PathOptions, 'weights'> & { readonly weights?: readonly (number | Tensor)[]; readonly visit?: Visit } = {},
): Tensor {
  return scope(() => {
    const states = statesOf(tower, x)
    const upTo = (order: number) => mark && { mark, order }
    let paths = scope(() => {
      const { value, pullback } = vjp(tower.decode, states[states.length - 1]!, upTo(orders))
      const cotangents = seed(value)
      return pullback(reshape(cotangents, [1, ...cotangents.shape]))
    })
    for (let l = tower.blocks.length - 1; l >= 0; l--) {
      const after = paths
      const block = tower.blocks[l]!
      const h = states[l]!
      paths = scope(() => {
        const skipped = block.skip === undefined ? after : vjp(block.skip, h, upTo(orders)).pullback(after)
        if (orders === 0) return addAligned(skipped, skipped, 0, 0)
        const through = vjp(block.branch, h, upTo(orders - 1)).pullback(head(after, orders))
        visit?.(l, after, through, h)
        const weight = weights?.[l] ?? 1
        const next =
          typeof weight === 'number'
            ? addAligned(skipped, through, 1, block.scale * weight)
            : addAligned(
                skipped,
                mul(through, reshape(weight, [...weight.shape, ...h.shape.map(() => 1)])),
                1,
                block.scale,
              )
        return l % BLOCKS_BETWEEN_TRIMS === 0 ? trimmed(next) : next
      })
      release(after, states.pop()!)
      onBlock?.(tower.blocks.length - l, tower.blocks.length)
    }
    return padded(vjp(tower.encode, x).pullback(paths), orders + 1)
  })
}

/**
 * The gradient of an output element, or of a linear functional of the output, with respect to the input, or to its embeddings
 * where it is integer ids, by path length (Veit et al., arXiv 1605.06431): the exact sum over all C(n,k) gradient paths of
 * length k.
 *
 * With `sites: 'all'`, and of a function that marks its branches, the length of a path is the number of all residual branches
 * that it takes, nested ones too.
 *
 * @param orders order to stop at, or 'all' for the longest path
 * @returns coefficients `[orders + 1, ...x.shape]`; `total` is the whole gradient `[...x.shape]`
 * @throws RangeError for orders that are no integer of at least 0, or a target outside of the output
 */
export function gradient(
  network: Network,
  input: Tensor,
  target: Target,
  orders: number | 'all',
  { sites, onBlock, weights, ...options }: PathOptions & SiteOptions = {},
): Orders {
  return scope(() => {
    const { tower: whole, passed, mark, marks, scales, longest } = counted(network, input, sites, { onBlock })
    const most = lastOrder('gradient', orders, longest)
    checkWeights('gradient', weights, whole.blocks.length)
    const { tower, x } = embedded(whole, input)
    const seed = (output: Tensor) => cotangentOf(output, target)
    const coefficients = gradientPaths(tower, x, seed, most, { mark, onBlock: passed, weights, ...options })
    const { value, pullback } = vjp((h: Tensor) => run(tower, h), x)
    return { expansion: 'gradient' as const, coefficients, total: pullback(seed(value)), scales, marks }
  })
}

/**
 * The target of a gradient, for each input of a batch: an element of the last axis of the output (of the last position where the
 * output is `[batch, sequence, …]`), or a linear functional of the output by its coefficients. These are of the output's shape,
 * with or without the batch axis, or of its last axis alone, for the last position.
 */
export type Target = number | Tensor

/** How many elements a target chooses from: those of the last axis of the output, or one where each input of a batch has one
 *  number, `[batch]`. Throws RangeError for an output without a batch axis. */
export function targets(output: Tensor): number {
  if (output.rank === 0) throw new RangeError('gradient: the output must have a batch axis, [batch, …], got []')
  return output.rank === 1 ? 1 : output.shape[output.rank - 1]!
}

/** The cotangent of an output, of its shape, that a target stands for. Throws RangeError for a target outside of the output. */
export function cotangentOf(output: Tensor, target: Target): Tensor {
  const width = targets(output)
  const each = output.size / output.shape[0]!
  const data = new Float64Array(output.size)
  if (typeof target === 'number') {
    if (!Number.isSafeInteger(target) || target < 0 || target >= width) {
      throw new RangeError(`gradient: the target must be an output element 0..${width - 1}, got ${shown(target)}`)
    }
    for (let i = each - width + target; i < data.length; i += each) data[i] = 1
  } else {
    const { shape } = target
    const fits = [output.shape, output.shape.slice(1), [width]].some(wanted => String(wanted) === String(shape))
    if (!fits || shape.length === 0) {
      throw new RangeError(`gradient: the target must be of the output's shape [${output.shape}], got [${shape}]`)
    }
    const coefficients = target.dataSync()
    // The end of every input's output; all of it where the coefficients are of the whole batch.
    const step = Math.max(each, coefficients.length)
    for (let i = step - coefficients.length; i < data.length; i += step) data.set(coefficients, i)
  }
  return tensor(data, { shape: output.shape, ...like(output) })
}
