import { describe, expect, test } from 'vitest'
import { add, div, format, mul, type Rational, rational, toNumber } from './rational.js'
import { enumerateTrees, totalWeight, weight } from './trees.js'

/** Order totals 1..orders of h ← h + z exp(h) over `blocks` scalar blocks from h = 0, in exact rationals. */
function expTower(blocks: number, orders: number): Rational[] {
  let h: Rational[] = Array.from({ length: orders + 1 }, () => rational(0))
  for (let block = 0; block < blocks; block++) {
    const e = [rational(1)] // exp of a series that starts at 0: e_k = (1/k) Σ_j j h_j e_{k-j}
    for (let k = 1; k <= orders; k++) {
      let sum = rational(0)
      for (let j = 1; j <= k; j++) sum = add(sum, mul(mul(rational(j), h[j]!), e[k - j]!))
      e.push(div(sum, rational(k)))
    }
    h = h.map((coefficient, k) => (k === 0 ? coefficient : add(coefficient, e[k - 1]!)))
  }
  return h.slice(1)
}

describe('labelled trees', () => {
  test('order 3 on two blocks: F₂″(F₁, F₁) is the only tree, of weight ½', () => {
    const trees = enumerateTrees(2, 3)
    expect(trees.map(tree => [tree.block, tree.children.map(child => child.block)])).toEqual([[2, [1, 1]]])
    expect(format(weight(trees[0]!))).toBe('1/2')
  })

  test('every tree appears once, with labels decreasing away from the root', () => {
    const key = (tree: { block: number; children: readonly unknown[] }): string =>
      `${tree.block}(${tree.children.map(child => key(child as typeof tree)).sort()})`
    const trees = enumerateTrees(5, 5)
    expect(new Set(trees.map(key)).size).toBe(trees.length)
    for (const tree of trees) expect(tree.children.every(child => child.block < tree.block)).toBe(true)
  })

  test('ten scalar exp blocks total 10, 45, 525/2, 3375/2, 91119/8', () => {
    const totals = [1, 2, 3, 4, 5].map(order => totalWeight(enumerateTrees(10, order)))
    expect(totals.map(format)).toEqual(['10', '45', '525/2', '3375/2', '91119/8'])
  })

  test('the sum over trees is the power series for every depth', () => {
    for (const blocks of [1, 2, 4, 6]) {
      const totals = [1, 2, 3, 4, 5].map(order => totalWeight(enumerateTrees(blocks, order)))
      expect(totals).toEqual(expTower(blocks, 5))
    }
  })
})

describe('rationals', () => {
  test('rationals are kept in lowest terms with the sign on top', () => {
    expect(rational(6, -4)).toEqual({ num: -3n, den: 2n })
    expect(rational(0, -7)).toEqual({ num: 0n, den: 1n })
    expect(format(add(rational(1, 6), rational(1, 3)))).toBe('1/2')
    expect(toNumber(rational(91119, 8))).toBe(11389.875)
    expect(() => div(rational(1), rational(0))).toThrow(RangeError)
  })
})
