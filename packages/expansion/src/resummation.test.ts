import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { componentwisePade, vectorEpsilon } from './resummation.js'

const EPS = Number.EPSILON

/** Coefficients 0..orders of component functions as `[orders + 1, components]`. */
const stack = (orders: number, ...components: ((k: number) => number)[]) =>
  Float64Array.from({ length: (orders + 1) * components.length }, (_, i) =>
    components[i % components.length]!(Math.floor(i / components.length)),
  )

const tanhSeries = (() => {
  const t = [0]
  for (let k = 1; k <= 40; k++) {
    const square = t.reduce((sum, value, j) => sum + value * t[k - 1 - j]!, 0)
    t.push(((k === 1 ? 1 : 0) - square) / k)
  }
  return t
})()
const tanh = (z: number) => (k: number) => tanhSeries[k]! * z ** k
const atan = (z: number) => (k: number) => (k % 2 ? ((-1) ** ((k - 1) / 2) * z ** k) / k : 0)
const log1p = (z: number) => (k: number) => (k === 0 ? 0 : -((-z) ** k) / k)
const geometric = (ratio: number) => (k: number) => ratio ** k

const error = (values: Float64Array, expected: readonly number[]) =>
  Math.hypot(...expected.map((x, i) => values[i]! - x)) / Math.hypot(...expected)
const plain = (c: Float64Array, size: number) =>
  Float64Array.from({ length: size }, (_, i) => c.reduce((sum, x, at) => (at % size === i ? sum + x : sum), 0))

describe('vectorEpsilon', () => {
  test('1/(1 + 2z) at 1, twice its radius away', () => {
    expect(error(vectorEpsilon(stack(8, geometric(-2)), 9, 1), [1 / 3])).toBeLessThan(8 * EPS)
    expect(error(vectorEpsilon(stack(2, geometric(-2)), 3, 1), [1 / 3])).toBeLessThan(8 * EPS)
  })

  test('vectors that share two poles, at 1/3 and −1/2, whatever their numerators', () => {
    const a = (k: number) => 3 ** k + (-2) ** k
    const b = (k: number) => 5 * 3 ** k - 2 * (-2) ** k
    const c = (k: number) => (-2) ** k + (k === 0 ? 7 : 0)
    const exact = [1 / (1 - 3) + 1 / 3, 5 / (1 - 3) - 2 / 3, 1 / 3 + 7]
    // The partial sums reach 5·3^8: that is the scale of the rounding.
    expect(error(vectorEpsilon(stack(8, a, b, c), 9, 3), exact)).toBeLessThan(64 * 3 ** 8 * EPS)
  })

  test.each([
    ['1/(1 + z²) with gaps', (k: number) => (k % 2 ? 0 : (-1) ** (k / 2)), 1 / 2],
    ['(1 + z)/(1 + z²), an infinite entry', (k: number) => [1, 1, -1, -1][k % 4]!, 1],
    ['1/(1 − z + z²), period six', (k: number) => [1, 1, 0, -1, -1, 0][k % 6]!, 1],
    ['1/(1 − 2z + 4z²)', (k: number) => [1, 2, 0][k % 3]! * (-8) ** Math.floor(k / 3), 1 / 3],
  ])('%s', (_, c, exact) => {
    expect(error(vectorEpsilon(stack(12, c), 13, 1), [exact])).toBeLessThan(1e-9)
  })

  test.each([
    ['tanh at 2.5 (radius π/2)', stack(24, tanh(2.5)), [Math.tanh(2.5)], 1e-7],
    ['atan at 3 (radius 1)', stack(24, atan(3)), [Math.atan(3)], 1e-3],
    ['log(1 + z) at 4 (radius 1)', stack(24, log1p(4)), [Math.log(5)], 1e-6],
    ['tanh at 1.8, 2, 2.2 as one vector', stack(24, ...[1.8, 2, 2.2].map(tanh)), [1.8, 2, 2.2].map(Math.tanh), 1e-3],
  ])('%s', (_, c, exact, tolerance) => {
    const values = vectorEpsilon(c, 25, exact.length)
    expect(error(values, exact)).toBeLessThan(tolerance)
    expect(error(plain(c, exact.length), exact)).toBeGreaterThan(1)
  })

  test('separate vectors are summed as if alone', () => {
    const c = stack(16, tanh(2), atan(2), log1p(3), geometric(-5))
    const together = vectorEpsilon(c, 17, 4, 2)
    const half = (offset: number) => c.filter((_, i) => Math.floor((i % 4) / 2) === offset)
    expect([...together]).toEqual([...vectorEpsilon(half(0), 17, 2), ...vectorEpsilon(half(1), 17, 2)])
  })

  test('a convergent series is not made worse', () => {
    for (const ratio of [0.5, -0.3, 1e-3]) {
      expect(error(vectorEpsilon(stack(40, geometric(ratio)), 41, 1), [1 / (1 - ratio)])).toBeLessThan(8 * EPS)
    }
  })

  test.each([
    ['constants', [3, 0, 0, 0], 3],
    ['zero', [0, 0, 0], 0],
    ['polynomials', [1, 2, 3, 0, 0], 6],
    ['equal terms and then nothing', [1, 1, 1, 1, 0, 0], 4],
    ['one order', [5], 5],
    ['two orders', [5, -2], 3],
    ['a sum that overflows later', [1, 2, 3, Infinity, 1], 6],
    ['a zero constant', [0, 4, 0, 0], 4],
  ])('exact sums: %s', (name, c, sum) => {
    const value = vectorEpsilon(Float64Array.from(c), c.length, 1)[0]!
    // With three terms left before the overflow the table may extrapolate: finite is all there is to ask.
    if (name.startsWith('a sum')) expect(value).not.toBeNaN()
    else expect(value).toBe(sum)
  })

  test('a resummed value does not depend on the scale of the values', () => {
    for (const scale of [1e-290, 1e280]) {
      const c = stack(16, tanh(2.5), atan(2)).map(x => x * scale)
      const unscaled = vectorEpsilon(stack(16, tanh(2.5), atan(2)), 17, 2)
      expect(
        error(
          vectorEpsilon(c, 17, 2).map(x => x / scale),
          [...unscaled],
        ),
      ).toBeLessThan(1e-6)
    }
  })

  test('finite in, finite out', () => {
    const term = fc.oneof(fc.constantFrom(0, 1, -1, 2), fc.double({ min: -1e3, max: 1e3, noNaN: true }))
    fc.assert(
      fc.property(fc.array(fc.tuple(term, term), { minLength: 1, maxLength: 14 }), rows => {
        expect(vectorEpsilon(Float64Array.from(rows.flat()), rows.length, 2).every(Number.isFinite)).toBe(true)
      }),
    )
  })

  test('wrong sizes are named', () => {
    expect(() => vectorEpsilon(new Float64Array(5), 2, 3)).toThrow(/5 values: expected 2 × 3/)
    expect(() => vectorEpsilon(new Float64Array(6), 2, 3, 2)).toThrow(/vectors is 2/)
  })
})

describe('componentwisePade', () => {
  test('rational functions of the asked degrees, outside their radii', () => {
    // (1 + z)/((1 + 2z)(1 − 3z)) = Σ (a (−2)^k + b 3^k) z^k
    const c = (k: number) => 0.2 * (-2) ** k + 0.8 * 3 ** k
    const { values, reduced } = componentwisePade(stack(4, c, geometric(-2)), 5, 2, 2, 2)
    expect(error(values, [2 / (3 * -2), 1 / 3])).toBeLessThan(64 * 3 ** 4 * EPS)
    expect(reduced).toBe(1) // 1/(1 + 2z) has no quadratic denominator
  })

  test.each([
    ['tanh', stack(16, ...[2, 2.5, 4].map(tanh)), [2, 2.5, 4].map(Math.tanh), 1e-5],
    ['atan', stack(16, ...[1.5, 2, 3].map(atan)), [1.5, 2, 3].map(Math.atan), 1e-2],
    ['log(1 + z)', stack(16, ...[2, 4].map(log1p)), [Math.log(3), Math.log(5)], 1e-5],
  ])('%s beyond the radius', (_, c, exact, tolerance) => {
    const { values } = componentwisePade(c, 17, exact.length, 8, 8)
    expect(error(values, exact)).toBeLessThan(tolerance)
    expect(error(plain(c, exact.length), exact)).toBeGreaterThan(1)
  })

  test('polynomials and constants are their sums', () => {
    const c = stack(
      4,
      k => [1, 2, 3, 0, 0][k]!,
      k => [3, 0, 0, 0, 0][k]!,
      () => 0,
    )
    expect(componentwisePade(c, 5, 3, 2, 2)).toEqual({ values: Float64Array.of(6, 3, 0), reduced: 2 })
  })

  test('[K/0] is the plain sum and reduces nothing', () => {
    expect(componentwisePade(stack(4, geometric(2)), 5, 1, 4, 0)).toEqual({ values: Float64Array.of(31), reduced: 0 })
  })

  test('a pole exactly at 1 falls back to a finite value', () => {
    const { values, reduced } = componentwisePade(
      stack(8, () => 1),
      9,
      1,
      4,
      4,
    )
    expect([...values]).toEqual([9])
    expect(reduced).toBe(1)
  })

  test('steep and extreme coefficients', () => {
    const steep = stack(
      8,
      geometric(-1e30),
      k => 1e-290 * (-1e30) ** k,
      k => 1e290 * (-0.5) ** k,
    )
    const { values } = componentwisePade(steep, 9, 3, 4, 4)
    expect(Math.abs(values[0]! * 1e30 - 1)).toBeLessThan(1e-12)
    expect(Math.abs((values[2]! / 1e290) * 1.5 - 1)).toBeLessThan(1e-12)
    expect(values.every(Number.isFinite)).toBe(true)
  })

  test('orders that are not finite are left out', () => {
    const { values, reduced } = componentwisePade(Float64Array.of(1, -2, 4, -8, 16, Number.NaN, 1), 7, 1, 3, 3)
    expect(error(values, [1 / 3])).toBeLessThan(8 * EPS)
    expect(reduced).toBe(1)
    expect(componentwisePade(Float64Array.of(Number.NaN, 1, 1), 3, 1, 1, 1).values[0]).toBeNaN()
  })

  test('too few orders are named', () => {
    expect(() => componentwisePade(new Float64Array(4), 4, 1, 2, 2)).toThrow(/\[2\/2\] needs 5 coefficients/)
  })
})
