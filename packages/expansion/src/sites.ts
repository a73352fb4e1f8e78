import { run, type Tower } from '@unravel/resnet'
import { affine, branch, type Mark, type Marks, marksOf, narrow, scope, type Tensor, zerosLike } from '@unravel/tensor'
import { addAligned, head } from '@unravel/tensor/internals'

/**
 * A network that can be expanded: a tower, or any function of a batch that marks the ends of its residual branches (`branch` of
 * `@unravel/tensor`): nested and parallel ones, and networks that are no chain of blocks.
 */
export type Network = Tower | ((x: Tensor) => Tensor)

export interface SiteOptions {
  /** The sites that the order of a path counts: the blocks of a tower (the default), or `all` residual branches that it takes, those of the
   *  blocks and those marked inside of its maps after the encoder. Of a function always `all`. */
  readonly sites?: 'blocks' | 'all' | undefined
}

/** A network as a tower, and how its residual branches are counted. */
export interface Counted {
  readonly tower: Tower
  /** Tells that a block is passed, or a mark where marks are counted. */
  readonly passed: () => void
  /** The effect of a mark where marks are counted. */
  readonly mark?: Mark
  readonly marks?: Marks
  /** The largest order of a path. */
  readonly longest: number
  readonly scales: readonly number[]
  /** The output, where it is known already. */
  readonly output?: Tensor
}

/** One pass of the network finds its marks. With `about` = t, a mark is λ(t + (1 − t)z). `onBlock` is told of what is passed. */
export function counted(
  network: Network,
  x: Tensor,
  sites: SiteOptions['sites'],
  { about = 0, onBlock }: { readonly about?: number; readonly onBlock?: OnBlock | undefined } = {},
): Counted {
  const tower = typeof network === 'function' ? { encode: same, blocks: [], decode: network } : network
  if (typeof network !== 'function' && sites !== 'all') {
    const scales = tower.blocks.map(b => b.scale)
    return { tower, longest: scales.length, scales, passed: counter(scales.length, onBlock) }
  }
  const { value: output, marks } = marksOf(h => run(afterEncoder(tower), h), tower.encode(x))
  const { scales } = marks
  const passed = counter(scales.length, onBlock)
  const effect = raise(about)
  const mark: Mark = (stack, scale, order) => {
    passed()
    return effect(stack, scale, order)
  }
  return { tower, passed, mark, marks, longest: longestChain(marks), scales, output }
}

/** Told how many blocks, or sites, are done, and of how many. */
export type OnBlock = (done: number, of: number) => void

/** Counts calls up to `of`: marks between blocks are in the skip and in the branch of the next one, and are passed twice. */
function counter(of: number, tell: OnBlock | undefined): () => void {
  let done = 0
  return () => {
    done = Math.min(done + 1, of)
    tell?.(done, of)
  }
}

/** The largest number of residual branches on one path: the number of blocks, or with `sites: 'all'` of branches that follow
 *  each other. Runs the network once. */
export const longestPath = (network: Network, x: Tensor, sites?: SiteOptions['sites']): number => {
  let longest = 0
  scope(() => {
    longest = counted(network, x, sites).longest
  })
  return longest
}

const same = (x: Tensor) => x

/** The network from its encoded input on, with marks at the ends of the blocks. */
const afterEncoder = ({ blocks, decode }: Tower): Tower => ({
  encode: same,
  blocks: blocks.map(block => ({ ...block, branch: h => branch(block.branch(h), block.scale), scale: 1 })),
  decode,
})

/** λ(t + (1 − t)z) times a stack of orders. */
const raise =
  (about: number): Mark =>
  (stack, scale, order) => {
    const here = about > 0 ? affine(stack, about * scale, 0) : zerosLike(narrow(stack, 0, 0, 1))
    return order === 0 ? here : addAligned(here, head(stack, order), 1, (1 - about) * scale)
  }

/** The largest number of marks on one path. */
export function longestChain({ before, last }: Marks): number {
  const lengths: number[] = []
  const longest = (from: readonly number[]) => from.reduce((most, m) => Math.max(most, lengths[m] ?? 0), 0)
  for (const from of before) lengths.push(1 + longest(from))
  return longest(last)
}
