import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bestTruncation, norm, orderNorms, remainders, shares } from './spectrum.js'

const EPS = Number.EPSILON
const SMALLEST = 5e-324
const LARGEST = Number.MAX_VALUE

describe('norm', () => {
  test.each([1, 2 ** 1000, 2 ** -1000, 2 ** -1070, 2 ** 1020])('of (3, 4) times %d', scale => {
    expect(norm([3 * scale, 4 * scale])).toBe(5 * scale)
  })

  test('at both ends of the double range', () => {
    expect(norm([SMALLEST])).toBe(SMALLEST)
    expect(norm([LARGEST, 0, SMALLEST])).toBe(LARGEST)
    expect(norm([LARGEST, LARGEST], 2)).toBe(LARGEST) // the mean is finite although the sum is not
    expect(norm([])).toBe(0)
    expect(norm([0, -0])).toBe(0)
  })

  test('infinity wins over NaN, NaN over numbers', () => {
    expect(norm([1, Number.NaN, 2])).toBeNaN()
    expect(norm([Number.NaN, -Infinity, 1])).toBe(Infinity)
  })

  test('keeps its accuracy over a million terms', () => {
    const root = norm(new Float64Array(1 << 20).fill(0.1))
    expect(Math.abs(root / 102.4 - 1)).toBeLessThanOrEqual(4 * EPS)
  })

  test('norm is absolutely homogeneous under powers of two', () => {
    const vector = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(vector, fc.integer({ min: -800, max: 800 }), (x, exponent) => {
        const scale = 2 ** exponent
        fc.pre(x.every(value => value === 0 || Math.abs(value) * Math.min(scale, 1) > 1e-290))
        expect(norm(x.map(value => value * scale))).toBe(norm(x) * scale)
      }),
    )
  })
})

describe('orderNorms and shares', () => {
  test('root mean square over the batch, not the elements', () => {
    // two orders, a batch of two vectors in the plane
    const coefficients = Float64Array.of(3, 4, 0, 0, 1, 1, 1, 1)
    expect([...orderNorms(coefficients, 2, 2, 2)]).toEqual([Math.sqrt(25 / 2), Math.SQRT2])
  })

  test.each([1e-310, 1, 1e300])('shares do not depend on the scale %d', scale => {
    const result = shares([3 * scale, 0, 4 * scale])
    const expected = [9 / 25, 0, 16 / 25]
    const tolerance = 8 * (EPS + SMALLEST / scale) // a subnormal norm is itself rounded to a multiple of the smallest
    for (const [k, share] of result.entries()) expect(Math.abs(share - expected[k]!)).toBeLessThanOrEqual(tolerance)
  })

  test('orders 600 decades apart', () => {
    expect([...shares([1e300, 1e-300])]).toEqual([1, 0])
  })

  test('no share exists of nothing or of infinity', () => {
    expect([...shares([0, 0])]).toEqual([Number.NaN, Number.NaN])
    expect([...shares([1, Infinity])]).toEqual([Number.NaN, Number.NaN])
    expect([...shares([1, Number.NaN])]).toEqual([Number.NaN, Number.NaN])
  })

  test('a wrong length names the shape', () => {
    expect(() => orderNorms(new Float64Array(5), 1, 2, 3)).toThrow(/coefficients has 5 values: expected 1 × 2 × 3 = 6/)
  })
})

describe('remainders', () => {
  test('of a sum that is exact at the last order', () => {
    const coefficients = Float64Array.of(1, 0, 1, 2, 1, 2)
    const output = Float64Array.of(3, 4)
    const expected = [Math.hypot(2, 4) / 5, Math.hypot(1, 2) / 5, 0]
    const result = remainders(coefficients, output, 3)
    for (const [k, value] of result.entries()) expect(Math.abs(value - expected[k]!)).toBeLessThanOrEqual(4 * EPS)
    expect(result[2]).toBe(0)
  })

  test.each([1e-320, 1e-300, 1e300])('remainders do not depend on the scale %d', scale => {
    const coefficients = Float64Array.of(8, 4, 2, 1).map(x => x * scale)
    const result = remainders(coefficients, Float64Array.of(16 * scale), 4)
    expect([...result]).toEqual([8, 4, 2, 1].map(x => x / 16))
  })

  test('huge orders that cancel leave the small remainder to full precision', () => {
    // 1e20 − 1e20 swallows the third order in plain summation: the remainder would be 1, not 1/4.
    const coefficients = Float64Array.of(1e20, -1e20, 0.75)
    expect(remainders(coefficients, Float64Array.of(1), 3)[2]).toBe(0.25)
    const exp = Float64Array.from({ length: 120 }, (_, k) => {
      let term = 1
      for (let j = 1; j <= k; j++) term *= -30 / j
      return term
    })
    // The terms of exp(−30) reach 8e11; each is itself good to k ε, so the sum is good to about 30 ε Σ|terms|.
    const absolute = exp.reduce((sum, x) => sum + Math.abs(x), 0)
    const rest = remainders(exp, Float64Array.of(Math.exp(-30)), exp.length)[119]!
    expect(rest * Math.exp(-30)).toBeLessThanOrEqual(30 * EPS * absolute)
  })

  test('zero output and non-finite orders', () => {
    expect([...remainders(Float64Array.of(0, 1), Float64Array.of(0), 2)]).toEqual([Number.NaN, Infinity])
    const result = remainders(Float64Array.of(1, Infinity, 0), Float64Array.of(2), 3)
    expect([...result]).toEqual([0.5, Number.NaN, Number.NaN])
  })

  test('best truncation', () => {
    expect(bestTruncation([0.5, 0.1, 0.06, 0.2, 3])).toBe(2)
    expect(bestTruncation([0.5, 0, 0])).toBe(1)
    expect(bestTruncation([Number.NaN, Infinity, 2, Number.NaN])).toBe(2)
    expect(bestTruncation([Number.NaN])).toBeNull()
  })
})
