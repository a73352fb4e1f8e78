import { describe, expect, it } from 'vitest'
import { js } from './index.js'
import { philox, random } from './random.js'

describe('random', () => {
  // The known answers that the authors of Philox publish with it.
  it.each([
    [0, 0, [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
    [0xffffffff, 0xffffffff, [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
  ])('is Philox4x32-10 (%i)', (counter, key, expected) => {
    const words = new Uint32Array(4)
    philox(counter, counter, counter, counter, key, key, words)
    expect([...words]).toEqual(expected)
  })

  it('can be had from any place on', () => {
    for (const kind of ['uniform', 'normal', 'bits'] as const) {
      for (const dtype of kind === 'bits' ? (['i32'] as const) : (['f32', 'f64'] as const)) {
        const all = js().alloc(dtype, 100)
        const some = js().alloc(dtype, 60)
        random(kind, 5, 0, all)
        random(kind, 5, 37, some)
        expect(some).toEqual(all.slice(37, 97))
      }
    }
  })

  it.each(['f32', 'f64'] as const)('has the moments of its distributions in %s', dtype => {
    const n = 200_000
    const x = js().alloc(dtype, n) as Float64Array
    const moment = (p: number) => x.reduce((sum: number, v: number) => sum + v ** p, 0) / n
    // Five standard errors: the variance of x^p over n.
    const check = (p: number, mean: number, variance: number) =>
      expect(Math.abs(moment(p) - mean)).toBeLessThan(5 * Math.sqrt(variance / n))
    random('uniform', 2 ** 40 + 3, 0, x)
    check(1, 1 / 2, 1 / 12)
    check(2, 1 / 3, 4 / 45)
    expect(Math.min(...x.subarray(0, 50_000))).toBeGreaterThanOrEqual(0)
    expect(Math.max(...x.subarray(0, 50_000))).toBeLessThan(1)
    random('normal', 11, 0, x)
    check(1, 0, 1)
    check(2, 1, 2)
    check(3, 0, 15)
    check(4, 3, 96)
  })

  it('differs from seed to seed', () => {
    const [a, b] = [js().alloc('f64', 8), js().alloc('f64', 8)]
    random('normal', 1, 0, a)
    random('normal', 1 + 2 ** 32, 0, b)
    expect(a).not.toEqual(b)
  })
})
