/** Median and quartiles of a sample. */
export interface Spread {
  readonly median: number
  readonly q1: number
  readonly q3: number
  /** Size of the sample. */
  readonly rounds: number
}

/** A quantile by linear interpolation between order statistics (type 7, as NumPy and R have it). Throws RangeError for an
 *  empty sample. */
export function quantile(sample: readonly number[], p: number): number {
  if (sample.length === 0) throw new RangeError('quantile of an empty sample')
  const sorted = [...sample].sort((a, b) => a - b)
  const at = p * (sorted.length - 1)
  const low = Math.floor(at)
  const [a, b] = [sorted[low]!, sorted[Math.min(low + 1, sorted.length - 1)]!]
  return a === b ? a : a + (b - a) * (at - low)
}

export const median = (sample: readonly number[]): number => quantile(sample, 0.5)

export const spread = (sample: readonly number[]): Spread => ({
  median: median(sample),
  q1: quantile(sample, 0.25),
  q3: quantile(sample, 0.75),
  rounds: sample.length,
})

/** Round by round a/b, where both were measured. */
export function ratios(a: readonly (number | null)[], b: readonly (number | null)[]): number[] {
  const found: number[] = []
  for (let r = 0; r < Math.min(a.length, b.length); r++) {
    const [x, y] = [a[r]!, b[r]!]
    if (x !== null && y !== null && y > 0) found.push(x / y)
  }
  return found
}

/** The spread of a/b over the rounds where both were measured; undefined where there is none. */
export function ratioSpread(a: readonly (number | null)[], b: readonly (number | null)[]): Spread | undefined {
  const sample = ratios(a, b)
  return sample.length === 0 ? undefined : spread(sample)
}

export const geometricMean = (sample: readonly number[]): number =>
  Math.exp(sample.reduce((total, x) => total + Math.log(x), 0) / sample.length)

/** The order in which `n` contenders run in a round: every one is first in turn, and every other round runs backwards, so
 *  that no contender always follows the same neighbour. */
export function turns(n: number, round: number): number[] {
  const order = Array.from({ length: n }, (_, i) => (i + (round >> 1)) % n)
  return round % 2 === 0 ? order : order.reverse()
}
