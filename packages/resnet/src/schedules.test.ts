import { describe, expect, it } from 'vitest'
import { constantRate, cosine, stepDecay, warmUp } from './index.js'

describe('schedules', () => {
  it('stepDecay, cosine and warmUp give their rates', () => {
    expect([0, 9, 10, 25].map(stepDecay(1, 10, 0.5))).toEqual([1, 1, 0.5, 0.25])
    const c = cosine(1, 10, 0.2)
    expect(c(0)).toBe(1)
    expect(c(5)).toBeCloseTo(0.6, 15)
    expect(c(10)).toBeCloseTo(0.2, 15)
    expect(c(99)).toBeCloseTo(0.2, 15)
    expect([0, 1, 3, 4].map(warmUp(4, constantRate(2)))).toEqual([0.5, 1, 2, 2])
    expect(() => stepDecay(1, 0)).toThrow('every must be at least 1 step, got 0')
  })
})
