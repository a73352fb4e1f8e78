import { shown } from '@unravel/tensor/internals'
import { z } from 'zod'

/**
 * How the branches of a tower of n blocks are scaled: `"scale"` of config.json. Learned factors multiply it. The last three
 * also change the form of the blocks, and are there for the families where they are defined (`Architecture.refuses`). A rule with
 * a field that is not its own is refused.
 */
export const scaleSchema = z.discriminatedUnion('rule', [
  z.strictObject({ rule: z.literal('constant'), value: z.number() }),
  z.strictObject({ rule: z.literal('1/n') }),
  z.strictObject({ rule: z.literal('1/sqrt(n)') }),
  z.strictObject({ rule: z.literal('c/n'), value: z.number() }),
  z.strictObject({ rule: z.literal('c/sqrt(n)'), value: z.number() }),
  z.strictObject({ rule: z.literal('per-block'), values: z.array(z.number()) }),
  z.strictObject({ rule: z.literal('layer-scale'), value: z.number() }),
  z.strictObject({ rule: z.literal('deep-norm') }),
  z.strictObject({ rule: z.literal('fixup') }),
  z.strictObject({ rule: z.literal('nf'), alpha: z.number(), beta: z.number().positive().optional() }),
])
export type ScaleRule = z.output<typeof scaleSchema>

/** λ_1..λ_n of a rule. Throws RangeError for values that are not finite or not one per block. */
export function scalesOf(rule: ScaleRule, n: number): number[] {
  const equal = (value: number) => new Array<number>(n).fill(value)
  const scales = (): number[] => {
    switch (rule.rule) {
      case 'constant':
        return equal(rule.value)
      case '1/n':
        return equal(1 / n)
      case '1/sqrt(n)':
        return equal(1 / Math.sqrt(n))
      case 'c/n':
        return equal(rule.value / n)
      case 'c/sqrt(n)':
        return equal(rule.value / Math.sqrt(n))
      case 'per-block':
        return [...rule.values]
      case 'nf':
        return equal(rule.alpha)
      case 'layer-scale':
      case 'deep-norm':
      case 'fixup':
        return equal(1)
    }
  }
  const found = scales()
  if (found.length !== n) throw new RangeError(`scale per-block wants ${n} values, one per block, got ${found.length}`)
  const bad = found.findIndex(s => !Number.isFinite(s))
  if (bad >= 0) throw new RangeError(`the scale of block ${bad} must be a finite number, got ${shown(found[bad])}`)
  return found
}

/**
 * Named ways to scale the branches of a tower. `learned` adds a trainable factor to each block (`blocks.{l}.scale`) that
 * starts at the given number: a scalar, or for layerScale one number a channel.
 *
 * - constant λ; `1/n`, `1/sqrt(n)`: Marion et al., JMLR 26 (2025); Dherin & Munn, arXiv 2510.03470
 * - completeP: 1/n of transformers (Dey et al. 2025)
 * - skipInit: a learned scalar at the end of each branch, from 0 (De & Smith 2020)
 * - reZero: a learned α per layer, from 0 (Bachlechner et al. 2020)
 * - layerScale: a learned diagonal at the end of each branch, from ε (Touvron et al. 2021)
 * - perBlock: λ_1..λ_n
 * - deepNorm: h ← LN(αh + F(h)) of N layers with two branches each, α = (2N)^¼, weights of MLPs, values and outputs of
 *   attention times β = (8N)^−¼ at the start (Wang et al. 2022)
 * - fixup: without norms; the last weight of each branch and the classifier start at 0, the other weights of branches of m
 *   layers at He's times n^(−1/(2m−2)); scalar biases before each layer and activation, a scalar multiplier at the end of each
 *   branch (Zhang et al. 2019)
 * - nf: without norms; h + α·F(h/β), β the expected deviation of h (or a number), scaled weight standardisation (Brock et al.
 *   2021)
 * Any of the fixed ones with `trainable` gets a learned multiplier from 1.
 */
export interface ScalePreset {
  readonly rule: ScaleRule
  readonly learned?: number
}

export const constant = (value: number, trainable = false): ScalePreset =>
  preset({ rule: 'constant', value }, trainable)
export const inverseDepth = (trainable = false): ScalePreset => preset({ rule: '1/n' }, trainable)
export const inverseSqrtDepth = (trainable = false): ScalePreset => preset({ rule: '1/sqrt(n)' }, trainable)
export const perBlock = (values: readonly number[], trainable = false): ScalePreset =>
  preset({ rule: 'per-block', values: [...values] }, trainable)
export const skipInit = (): ScalePreset => ({ rule: { rule: 'constant', value: 1 }, learned: 0 })
export const reZero = (): ScalePreset => ({ rule: { rule: 'constant', value: 1 }, learned: 0 })
export const layerScale = (epsilon: number): ScalePreset => ({
  rule: { rule: 'layer-scale', value: epsilon },
  learned: epsilon,
})
export const completeP = (trainable = false): ScalePreset => inverseDepth(trainable)
export const deepNorm = (trainable = false): ScalePreset => preset({ rule: 'deep-norm' }, trainable)
export const fixup = (trainable = false): ScalePreset => preset({ rule: 'fixup' }, trainable)
export const nf = (alpha: number, beta?: number, trainable = false): ScalePreset =>
  preset({ rule: 'nf', alpha, ...(beta !== undefined && { beta }) }, trainable)

const preset = (rule: ScaleRule, trainable: boolean): ScalePreset => (trainable ? { rule, learned: 1 } : { rule })
