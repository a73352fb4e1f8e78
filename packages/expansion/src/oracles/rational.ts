/** An exact fraction in lowest terms with a positive denominator. */
export interface Rational {
  readonly num: bigint
  readonly den: bigint
}

/** num / den. @throws RangeError if den is zero. */
export function rational(num: bigint | number, den: bigint | number = 1n): Rational {
  const n = BigInt(num)
  const d = BigInt(den)
  if (d === 0n) throw new RangeError(`rational ${n}/0: expected a nonzero denominator`)
  const divisor = (d < 0n ? -1n : 1n) * gcd(n, d)
  return { num: n / divisor, den: d / divisor }
}

export const add = (a: Rational, b: Rational): Rational => rational(a.num * b.den + b.num * a.den, a.den * b.den)
export const mul = (a: Rational, b: Rational): Rational => rational(a.num * b.num, a.den * b.den)
export const div = (a: Rational, b: Rational): Rational => rational(a.num * b.den, a.den * b.num)

/** The nearest double, as far as numerator and denominator themselves are in range. */
export const toNumber = (a: Rational): number => Number(a.num) / Number(a.den)

/** `'525/2'`, and `'10'` for an integer. */
export const format = (a: Rational): string => (a.den === 1n ? `${a.num}` : `${a.num}/${a.den}`)

/** The greatest common divisor, never negative. */
function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b]
  return a < 0n ? -a : a
}
