import { addScaled, release, scope, type Tensor } from '@unravel/tensor'

/** The attention of a branch, head by head: branch(h) = write(mix(h)) + rest(h). */
export interface Heads {
  readonly count: number
  /** The heads' values, mixed by attention, side by side: `[batch, positions, count·size]`. */
  mix(h: Tensor): Tensor
  /** An affine map of that into the state. */
  write(mixed: Tensor): Tensor
  /** Other terms of the branch, such as a parallel MLP. */
  rest?(h: Tensor): Tensor
}

/** One residual block h ↦ skip(h) + λ·branch(h). */
export interface Block {
  /** The residual branch F, learned scalars included, λ not. */
  branch(h: Tensor): Tensor
  /** The skip map; identity when absent. */
  skip?(h: Tensor): Tensor
  /** λ, the scale of the branch. */
  readonly scale: number
  /** The parts of a branch with attention, for attribution to its heads. */
  readonly heads?: Heads | undefined
}

/**
 * A residual tower f_λ = γ ∘ (s_n + λ_n F_n) ∘ … ∘ (s_1 + λ_1 F_1) ∘ α. Models implement it; the expansion consumes
 * it. All maps are ordinary tensor code, batches first.
 */
export interface Tower {
  /** α */
  encode(x: Tensor): Tensor
  readonly blocks: readonly Block[]
  /** Names of the blocks in tables and figures, such as `h.3.attn`; their numbers when absent. */
  readonly names?: readonly string[] | undefined
  /** γ */
  decode(h: Tensor): Tensor
}

export const skip = (block: Block, h: Tensor): Tensor => (block.skip === undefined ? h : block.skip(h))

/**
 * The tower's output on a batch. Memory for one block at a time, except under a tape, which keeps what it needs.
 *
 * @param options `onBlock` is called with the blocks done, of all
 */
export function run(
  tower: Tower,
  x: Tensor,
  { onBlock }: { readonly onBlock?: ((done: number, of: number) => void) | undefined } = {},
): Tensor {
  let h = tower.encode(x)
  for (const [l, block] of tower.blocks.entries()) {
    const before = h
    h = scope(() => addScaled(skip(block, before), block.branch(before), block.scale))
    if (before !== x) release(before)
    onBlock?.(l + 1, tower.blocks.length)
  }
  return tower.decode(h)
}

/** The tower with λ_1..λ_n in place of its own scales. Throws RangeError unless there is one for each block. */
export function withScales({ encode, blocks, decode, names }: Tower, scales: readonly number[]): Tower {
  if (scales.length !== blocks.length) {
    throw new RangeError(`withScales wants ${blocks.length} scales, one per block, got ${scales.length}`)
  }
  return { encode, decode, names, blocks: blocks.map((block, l) => ({ ...block, scale: scales[l]! })) }
}
