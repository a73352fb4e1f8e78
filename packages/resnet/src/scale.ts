import { z } from 'zod'

/** How the branches of a tower of n blocks are scaled: `"scale"` of config.json. Learned scalars multiply it. */
export const scaleSchema = z.discriminatedUnion('rule', [
  z.object({ rule: z.literal('constant'), value: z.number() }),
  z.object({ rule: z.literal('1/n') }),
  z.object({ rule: z.literal('1/sqrt(n)') }),
  z.object({ rule: z.literal('c/n'), value: z.number() }),
  z.object({ rule: z.literal('c/sqrt(n)'), value: z.number() }),
  z.object({ rule: z.literal('per-block'), values: z.array(z.number()) }),
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
    }
  }
  const found = scales()
  if (found.length !== n) throw new RangeError(`scale per-block wants ${n} values, one per block, got ${found.length}`)
  const bad = found.findIndex(s => !Number.isFinite(s))
  if (bad >= 0) throw new RangeError(`the scale of block ${bad} must be a finite number, got ${found[bad]}`)
  return found
}

/**
 * Named ways to scale the branches of a tower. `learned` adds one trainable scalar a block (`blocks.{l}.scale`) that
 * starts at the given number.
 *
 * - constant λ; `1/n`, `1/sqrt(n)`: Marion et al., JMLR 26 (2025); Dherin & Munn, arXiv 2510.03470
 * - skipInit: a learned scalar at the end of each branch, from 0 (De & Smith 2020)
 * - reZero: a learned α per layer, from 0 (Bachlechner et al. 2020)
 * - perBlock: λ_1..λ_n
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

const preset = (rule: ScaleRule, trainable: boolean): ScalePreset => (trainable ? { rule, learned: 1 } : { rule })
