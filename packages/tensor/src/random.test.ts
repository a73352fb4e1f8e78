import { describe, expect, it } from 'vitest'
import { arange, js, Random, reshape, type Tensor, wasm } from './index.js'

const numbers = (t: Tensor) => [...t.dataSync()]
/** Whether counts are those of equally likely, or so weighted, values: χ² with a chance of about 1e-6 to fail. */
function chiSquare(counts: readonly number[], shares: readonly number[]): number {
  const n = counts.reduce((a, b) => a + b, 0)
  return counts.reduce((sum, c, i) => sum + (c - n * shares[i]!) ** 2 / (n * shares[i]!), 0)
}
const countsOf = (values: readonly number[], n: number) => {
  const counts = new Array<number>(n).fill(0)
  for (const v of values) counts[v]!++
  return counts
}

describe.each([js(), wasm()])('random numbers on $name', backend => {
  it('numbers of a seed are the same on every backend, and go on where they stopped', () => {
    const draw = (random: Random, at = backend) => [
      numbers(random.integers([3, 2], -5, 1000, { backend: at })),
      numbers(random.bernoulli([4], 0.4, { backend: at })),
      numbers(random.choice(10, 4, { replace: false, backend: at })),
      numbers(random.choice(3, 4, { weights: [1, 0, 2], backend: at })),
      [...random.permutation(6)],
    ]
    expect(draw(new Random(7))).toEqual(draw(new Random(7), js()))
    const random = new Random(7)
    const first = draw(random)
    const { seed, offset } = random.state
    const next = draw(random)
    expect(draw(new Random(seed, offset))).toEqual(next)
    expect(next).not.toEqual(first)
  })

  it('integers are of their range, each equally likely, up to all of i32', () => {
    const values = numbers(new Random(1).integers([6000], 3, 9, { backend }))
    expect(chiSquare(countsOf(values.map(v => v - 3), 6), new Array(6).fill(1 / 6))).toBeLessThan(35) // biome-ignore format: short
    // Of 3·2^30 values a third would come twice as often, were 32 bits cut to them by a remainder.
    const wide = numbers(new Random(2).integers([9000], -(2 ** 31), 2 ** 30, { backend }))
    const thirds = countsOf(wide.map(v => Math.floor((v + 2 ** 31) / 2 ** 30)), 3) // biome-ignore format: short
    expect(chiSquare(thirds, [1 / 3, 1 / 3, 1 / 3])).toBeLessThan(28)
    const whole = numbers(new Random(3).integers([1000], -(2 ** 31), 2 ** 31, { backend }))
    expect([Math.min(...whole) < -2e9, Math.max(...whole) > 2e9]).toEqual([true, true])
    expect(numbers(new Random(3).integers([3], 4, 5, { backend }))).toEqual([4, 4, 4])
  })

  it('bernoulli is 1 as often as it is told to', () => {
    const ones = numbers(new Random(4).bernoulli([10000], 0.3, { backend })).filter(v => v === 1).length
    expect(Math.abs(ones - 3000)).toBeLessThan(5 * Math.sqrt(10000 * 0.3 * 0.7))
    expect(numbers(new Random(4).bernoulli([3], 0, { backend }))).toEqual([0, 0, 0])
    expect(numbers(new Random(4).bernoulli([3], 1, { backend }))).toEqual([1, 1, 1])
    expect(new Random(4).bernoulli([1], 0.5, { dtype: 'i32', backend }).dtype).toBe('i32')
  })

  it('choices follow their weights, with and without replacement', () => {
    const weights = [1, 0, 2, 5]
    const shares = weights.map(w => w / 8)
    const drawn = countsOf(numbers(new Random(5).choice(4, 8000, { weights, backend })), 4)
    expect(drawn[1]).toBe(0)
    expect(chiSquare([0, 2, 3].map(i => drawn[i]!), [0, 2, 3].map(i => shares[i]!))).toBeLessThan(28) // biome-ignore format: short
    // First of two without replacement by weight; second by what is left: P(2, 3) = 2/8 · 5/6.
    const random = new Random(6)
    const pairs = Array.from({ length: 4000 }, () => numbers(random.choice(4, 2, { weights, replace: false, backend })))
    expect(pairs.every(([a, b]) => a !== b && a !== 1 && b !== 1)).toBe(true)
    const hits = pairs.filter(([a, b]) => a === 2 && b === 3).length
    const p = (2 / 8) * (5 / 6)
    expect(Math.abs(hits - 4000 * p)).toBeLessThan(5 * Math.sqrt(4000 * p * (1 - p)))
    expect(numbers(random.choice(5, 5, { replace: false, backend })).sort()).toEqual([0, 1, 2, 3, 4])
  })

  it('choices of a tensor are its rows', () => {
    const x = reshape(arange(6, undefined, 1, { backend }), [3, 2])
    const rows = new Random(8).choice(x, 4)
    const index = numbers(new Random(8).choice(3, 4, { backend }))
    expect(numbers(rows)).toEqual(index.flatMap(i => [2 * i, 2 * i + 1]))
  })
})

it('what cannot be drawn is refused, with what was wanted', () => {
  const random = new Random(0)
  for (const [low, high] of [
    [3, 3],
    [0.5, 2],
    [0, 2 ** 32],
    [Number.NaN, 1],
  ] as const) {
    // biome-ignore format: pairs
    expect(() => random.integers([1], low, high)).toThrow('wants integers low < high within i32')
  }
  for (const p of [-0.1, 1.1, Number.NaN]) expect(() => random.bernoulli([1], p)).toThrow('random.bernoulli')
  expect(() => random.choice(0, 1)).toThrow('at least one thing to choose from')
  expect(() => random.choice(3, 4, { replace: false })).toThrow('4 of 3 that can be chosen')
  expect(() => random.choice(3, 2, { replace: false, weights: [1, 0, 0] })).toThrow('2 of 1 that can be chosen')
  expect(() => random.choice(3, 1, { weights: [1, 2] })).toThrow('2 weights for 3 choices')
  expect(() => random.choice(3, 1, { weights: [0, 0, 0] })).toThrow('that can be chosen')
  expect(() => random.choice(3, 1, { weights: [1, -1, 1] })).toThrow('finite and >= 0, got -1')
})
