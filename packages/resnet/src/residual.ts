import { add, mul, type Tensor } from '@unravel/tensor'
import type { ScaleRule } from './scale.js'
import type { Block, Heads } from './tower.js'

/** Scale rules that change more of a block than λ. */
const forms = ['deep-norm', 'fixup', 'nf'] as const
export type Form = (typeof forms)[number]
export const isForm = (rule: ScaleRule['rule']): rule is Form => (forms as readonly string[]).includes(rule)

/** A branch in two parts, F = body ∘ norm, and its λ. */
export interface Sublayer {
  readonly scale: number
  norm(h: Tensor): Tensor
  body(x: Tensor): Tensor
  /** The parts of a body with attention. */
  readonly heads?: Heads
}

/** A body that attends, of its parts. */
export const attending = (heads: Heads): Pick<Sublayer, 'body' | 'heads'> => {
  const { mix, write, rest } = heads
  return { heads, body: x => (rest === undefined ? write(mix(x)) : add(write(mix(x)), rest(x))) }
}

/** The heads of body ∘ norm. */
const headsAfter = (norm: (h: Tensor) => Tensor, heads: Heads | undefined): Pick<Block, 'heads'> => {
  if (heads === undefined) return {}
  const { count, mix, write, rest } = heads
  return { heads: { count, write, mix: h => mix(norm(h)), ...(rest && { rest: h => rest(norm(h)) }) } }
}

/** Blocks, and the norm of what they put out, with which the decoder starts. */
interface Normed {
  readonly blocks: readonly Block[]
  last(h: Tensor): Tensor
}

/**
 * The residual steps h ← h + λ·body(norm(h)), and `last` after them; under `deep-norm` h ← norm(α·h + λ·body(h)) with
 * α = n^¼ for n branches, (2N)^¼ for N layers of two. Its norms come after the additions, so that the norm of one block is part
 * of the skip map and of the branch of the next, both nonlinear in h, and that of the last block takes the place of `last`.
 */
export function residualBlocks(
  sublayers: readonly Sublayer[],
  rule: ScaleRule | undefined,
  last: (h: Tensor) => Tensor,
): Normed {
  if (rule?.rule !== 'deep-norm') {
    const blocks = sublayers.map(
      ({ scale, norm, body, heads }): Block => ({ scale, branch: h => body(norm(h)), ...headsAfter(norm, heads) }),
    )
    return { blocks, last }
  }
  const alpha = deepNormAlpha(sublayers.length)
  const normed = (l: number) => (h: Tensor) => (l === 0 ? h : sublayers[l - 1]!.norm(h))
  return {
    blocks: sublayers.map(({ scale, body, heads }, l) => ({
      scale,
      branch: h => body(normed(l)(h)),
      skip: h => mul(normed(l)(h), alpha),
      ...headsAfter(normed(l), heads),
    })),
    last: normed(sublayers.length),
  }
}

/** α and β of DeepNorm for n branches, of encoders or decoders alone: (2N)^¼ and (8N)^−¼ of N layers (Wang et al. 2022). */
export const deepNormAlpha = (n: number): number => n ** (1 / 4)
export const deepNormBeta = (n: number): number => (4 * n) ** (-1 / 4)

/**
 * β_l of blocks of `nf`: the expected deviations of their inputs, where the encoder puts out deviation 1, every block adds
 * variance α², and a skip map that is not the identity brings h/β_l back to 1 (Brock et al. 2021, arXiv 2101.08692).
 */
export function nfDeviations(
  { alpha, beta }: Extract<ScaleRule, { rule: 'nf' }>,
  resets: readonly boolean[],
): number[] {
  let variance = 1
  return resets.map(reset => {
    const deviation = beta ?? Math.sqrt(variance)
    variance = (reset ? 1 : variance) + alpha ** 2
    return deviation
  })
}
