import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { estimateRadius, type Radius } from './radius.js'

const MAX = 64
const series = (coefficient: (k: number) => number) => Array.from({ length: MAX + 1 }, (_, k) => coefficient(k))
const recurrence = (first: number, next: (k: number, c: number[]) => number) => {
  const c = [first]
  while (c.length <= MAX) c.push(next(c.length, c))
  return c
}
const times = (a: number[], b: number[]) =>
  series(k => a.slice(0, k + 1).reduce((sum, value, j) => sum + value * b[k - j]!, 0))

const exp = recurrence(1, (k, c) => c[k - 1]! / k)
const log = series(k => (k === 0 ? 0 : 1 / k)) // −log(1 − z)
const sqrt = recurrence(1, (k, c) => (c[k - 1]! * (k - 1.5)) / k) // sqrt(1 − z)
const triplePole = series(k => ((k + 1) * (k + 2)) / 2) // (1 − z)^-3
/** tanh(z + a), with poles at −a ± iπ/2: t′ = 1 − t². */
const tanh = (a = 0) =>
  recurrence(Math.tanh(a), (k, t) => {
    const square = t.reduce((sum, value, j) => sum + value * t[k - 1 - j]!, 0)
    return ((k === 1 ? 1 : 0) - square) / k
  })
const scale = (c: number[], t: number) => c.map((value, k) => value * t ** k)

const estimate = (c: number[], orders: number) => {
  const radius = estimateRadius(c.slice(0, orders + 1))
  expect(radius).not.toBeNull()
  return radius as Radius
}

/** The radius R up to a relative error, and inside the reported range. */
function expectRadius(radius: Radius, R: number, relative: number): void {
  expect(Math.abs(radius.estimate / R - 1)).toBeLessThanOrEqual(relative)
  expect(radius.low).toBeLessThanOrEqual(R)
  expect(radius.high).toBeGreaterThanOrEqual(R)
  expect(radius.low).toBeLessThanOrEqual(radius.estimate)
  expect(radius.high).toBeGreaterThanOrEqual(radius.estimate)
  expect(radius.ratio * radius.estimate).toBeCloseTo(1, 12)
}

describe('one real singularity', () => {
  test.each([
    ['1/(1 − z/2)', series(k => 2 ** -k), 2, 1e-12, 1e-12],
    ['log(1 − z)', log, 1, 1e-3, 1e-4],
    ['sqrt(1 − z)', sqrt, 1, 1e-3, 1e-4],
    ['(1 − z)^-3', triplePole, 1, 5e-3, 5e-4],
    ['e^z log(1 − z)', times(exp, log), 1, 3e-2, 1e-2],
    ['poles at 1 and 1.3', series(k => 1 + 5 * 1.3 ** -k), 1, 5e-2, 5e-2],
  ])('%s', (name, c, R, at8, at24) => {
    // With eight orders the second pole still counts, and nothing in eight numbers says so.
    if (name !== 'poles at 1 and 1.3') expectRadius(estimate(c, 8), R, at8)
    expectRadius(estimate(c, 24), R, at24)
  })

  test('the range narrows with the orders', () => {
    const widths = [8, 16, 32, 64].map(orders => {
      const { low, high } = estimate(log, orders)
      return high - low
    })
    for (let i = 1; i < widths.length; i++) expect(widths[i]!).toBeLessThan(0.6 * widths[i - 1]!)
  })
})

describe('singularities off the real axis', () => {
  test.each([
    ['tanh: every other order vanishes', tanh(), Math.PI / 2, 0.02, 1e-4],
    ['atan', series(k => (k % 2) / (k || 1)), 1, 1e-3, 1e-4],
    ['1/(1 + z²/4)', series(k => (k % 2 ? 0 : 2 ** -k)), 2, 1e-12, 1e-12],
    ['1/(1 − z³)', series(k => (k % 3 ? 0 : 1)), 1, null, 1e-12],
    ['tanh(z + 0.2)', tanh(0.2), Math.hypot(0.2, Math.PI / 2), 0.15, 0.03],
    ['tanh(z + 1)', tanh(1), Math.hypot(1, Math.PI / 2), 0.02, 0.01],
    ['tanh(z + 2): the phase turns slowly', tanh(2), Math.hypot(2, Math.PI / 2), 0.1, 0.05],
    ['|cos(k + 0.3)|', series(k => Math.abs(Math.cos(k + 0.3))), 1, 0.2, 0.02],
  ])('%s', (_, c, R, at8, at24) => {
    if (at8 !== null) expectRadius(estimate(c, 8), R, at8)
    expectRadius(estimate(c, 24), R, at24)
  })

  test('norms of a vector of functions: the nearest singularity wins', () => {
    const parts = [tanh(0.5), tanh(1), tanh(2)]
    const norms = series(k => Math.hypot(...parts.map(c => c[k]!)))
    expectRadius(estimate(norms, 16), Math.hypot(0.5, Math.PI / 2), 0.05)
    expectRadius(estimate(norms, 40), Math.hypot(0.5, Math.PI / 2), 0.05)
  })
})

describe('no finite radius', () => {
  test.each([
    ['exp z', exp],
    ['exp 3z', scale(exp, 3)],
    ['cos z', exp.map((c, k) => (k % 2 ? 0 : c))],
    ['exp z²', series(k => (k % 2 ? 0 : exp[k / 2]!))],
  ])('%s: the estimate grows and has no upper bound', (_, c) => {
    const radii = [8, 16, 24, 40].map(orders => estimate(c, orders))
    for (const radius of radii) expect(radius.high).toBe(Infinity)
    for (let i = 1; i < radii.length; i++) expect(radii[i]!.estimate).toBeGreaterThan(1.1 * radii[i - 1]!.estimate)
  })

  const binomial = [1, 5, 10, 10, 5, 1]
  test.each([
    ['exact zeros', [...binomial, 0, 0]],
    ['rounding noise', [...binomial, 3e-17, 1e-17, 0, 2e-17]],
    ['a small λ', [...binomial.map((c, k) => c * 1e-6 ** k), 0, 0]],
    ['a constant', [3, 0, 0]],
    ['nothing', [0, 0, 0, 0]],
    ['a line', [1, 2, 0, 0, 0]],
  ])('a polynomial that ends in %s', (_, c) => {
    expect(estimateRadius(c)).toEqual({ estimate: Infinity, low: Infinity, high: Infinity, ratio: 0 })
  })
})

describe('rounding, overflow and underflow', () => {
  const noisy = (c: number[], level: number) => c.map((value, k) => Math.abs(value + level * Math.sin(13 * k * k + 1)))

  test.each([
    ['1/(1 − z/10)', series(k => 0.1 ** k), 10],
    ['1/(1 − z/2)', series(k => 0.5 ** k), 2],
    ['tanh(z/20)', scale(tanh(), 0.05), 10 * Math.PI],
  ])('a noise floor is not a radius of 1: %s', (_, c, R) => {
    expectRadius(estimate(noisy(c, 1e-16), 64), R, 0.02)
    expect(estimateRadius(noisy(c, 1e-16))!.estimate).toBeGreaterThan(0.9 * R)
  })

  test('the noise of f32', () => {
    expectRadius(estimateRadius(noisy(scale(log, 0.2), 1e-7), 2 ** -23)!, 5, 0.05)
  })

  test('honest coefficients below the rounding of the first are used', () => {
    expectRadius(estimate(scale(tanh(0.5), 0.01), 40), 100 * Math.hypot(0.5, Math.PI / 2), 0.05)
    expectRadius(estimate(scale(log, 1e-6), 4), 1e6, 0.05)
  })

  test('scaling λ scales the radius', () => {
    const { estimate: R } = estimate(tanh(1), 16)
    fc.assert(
      fc.property(fc.integer({ min: -6, max: 40 }), exponent => {
        const scaled = estimate(scale(tanh(1), 2 ** exponent), 16)
        // Powers of two scale exactly; coefficients near the noise floor may lose their last one or two orders.
        const tolerance = exponent >= 0 ? 1e-12 : 0.05
        expect(Math.abs((scaled.estimate * 2 ** exponent) / R - 1)).toBeLessThan(tolerance)
      }),
    )
  })

  test('coefficients that leave the range of doubles are read up to there', () => {
    expectRadius(estimate(scale(log, 1e20), MAX), 1e-20, 1e-2)
    expectRadius(estimate(scale(log, 1e-20), MAX), 1e20, 1e-2)
    expectRadius(estimateRadius([1, 0.5, 0.25, 0.125, 0.0625, Number.NaN, 1])!, 2, 1e-12)
  })

  test('too few orders give no answer', () => {
    for (const c of [[], [1], [1, 0.5, 0.25, 0.125], [1, 0, 0, Number.NaN, 1], [Infinity, 1, 1, 1, 1, 1]]) {
      expect(estimateRadius(c)).toBeNull()
    }
  })

  test('never NaN, whatever the numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.double(), { maxLength: 24 }), norms => {
        const radius = estimateRadius(norms)
        if (radius) for (const value of Object.values(radius)) expect(value).not.toBeNaN()
      }),
    )
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1e-300, 1e-17, 0.5, 1, 3, 1e300), { maxLength: 24 }), norms => {
        const radius = estimateRadius(norms)
        if (radius) for (const value of Object.values(radius)) expect(value).not.toBeNaN()
      }),
    )
  })
})
