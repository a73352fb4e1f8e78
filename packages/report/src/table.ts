/** Rows of text as columns of equal width, flush right; the first `left` columns flush left. */
export function columns(rows: readonly (readonly string[])[], left = 0): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, [...cell].length)
    })
  }
  const pad = (cell: string, i: number) => {
    const space = ' '.repeat(widths[i]! - [...cell].length)
    return i < left ? cell + space : space + cell
  }
  return rows.map(row => `${row.map(pad).join('   ').trimEnd()}\n`).join('')
}

/** A list of blocks by their names, a long one by its ends. */
export const blockList = (names: readonly string[]): string =>
  (names.length <= 8 ? names : [...names.slice(0, 4), '…', ...names.slice(-2)]).join(', ')

/** Target of a gradient: an element of the output by its number, or words. */
export const targetText = (target: number | string): string =>
  typeof target === 'number' ? `output ${target}` : target

/** `digits` significant digits: 0.03123, 12.35, 4.5e-7, 1.2e+14; NaN and infinities by name. */
export function significant(x: number | null, digits = 4): string {
  if (x === null || Number.isNaN(x)) return '—'
  if (!Number.isFinite(x)) return x > 0 ? 'infinite' : '-infinite'
  const size = Math.abs(x)
  if (x === 0) return '0'
  return size >= 1e5 || size < 1e-3 ? x.toExponential(digits - 1) : x.toPrecision(digits)
}

/** A share of one as a percentage with one decimal. */
export function percent(share: number | null): string {
  if (share === null || !Number.isFinite(share)) return '—'
  if (share > 0 && share < 0.0005) return '<0.1 %'
  return `${(100 * share).toFixed(1)} %`
}

/** An exact count: digits while they can be read, a power of ten beyond. */
export function count(n: bigint): string {
  const digits = n.toString()
  if (digits.length <= 12) return digits
  return `${digits[0]}.${digits.slice(1, 4)}e+${digits.length - 1}`
}

interface Radius {
  readonly estimate: number
  readonly low: number
  readonly high: number
  readonly ratio: number
}

/** A radius of convergence with its range: `0.0217 (0.0174 to 0.024)`. */
export const radiusRange = (radius: Radius | null): string =>
  radius === null
    ? '—'
    : `${significant(radius.estimate, 3)} (${significant(radius.low, 3)} to ${significant(radius.high, 3)})`

/** λ over a radius, with the range that the radius' range leaves it. */
export function ratioRange(radius: Radius | null): string {
  if (radius === null) return '—'
  const { estimate, low, high, ratio } = radius
  if (!Number.isFinite(estimate)) return '0'
  return `${significant(ratio, 3)} (${significant((ratio * estimate) / high, 3)} to ${significant((ratio * estimate) / low, 3)})`
}

/** The mean order Σ k·share_k: how many branches the energy passes. */
export const meanOrder = ({ share }: { readonly share: readonly number[] }): number =>
  share.reduce((sum, s, k) => sum + k * s, 0)

/** 1 block, 2 blocks. */
export const plural = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
