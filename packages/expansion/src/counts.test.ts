import { describe, expect, test } from 'vitest'
import { chainCounts, treeCounts } from './counts.js'
import { enumerateTrees } from './oracles/trees.js'

describe('chainCounts', () => {
  test('chain counts are the rows of Pascal’s triangle, and zero beyond n', () => {
    expect(chainCounts(3, 6)).toEqual([1n, 3n, 3n, 1n, 0n, 0n, 0n])
    expect(chainCounts(10, 6)).toEqual([1n, 10n, 45n, 120n, 210n, 252n, 210n])
    expect(chainCounts(0, 2)).toEqual([1n, 0n, 0n])
    expect(chainCounts(54, 6).slice(3)).toEqual([24804n, 316251n, 3162510n, 25827165n])
  })

  test('stay exact where a double no longer is', () => {
    const row = chainCounts(1000, 1000)
    expect(row.reduce((sum, count) => sum + count)).toBe(2n ** 1000n)
  })
})

describe('treeCounts', () => {
  test.each([
    [3, [3, 3, 5, 8, 13, 20]],
    [10, [10, 45, 285, 1905, 13383, 96291]],
  ])('n = %i, orders 1..6', (blocks, expected) => {
    expect(treeCounts(blocks, 6)).toEqual([1n, ...expected.map(BigInt)])
  })

  test('n = 54 to the digits of the published table', () => {
    const counts = treeCounts(54, 6)
    expect(counts.slice(0, 4)).toEqual([1n, 54n, 1431n, 51039n])
    expect(counts.slice(4).map(count => Number(count).toExponential(2))).toEqual(['2.02e+6', '8.53e+7', '3.74e+9'])
  })

  test('equal the number of enumerated trees for every n, k ≤ 6', () => {
    for (let n = 0; n <= 6; n++) {
      const counts = treeCounts(n, 6)
      for (let k = 1; k <= 6; k++) expect(Number(counts[k]), `n=${n}, k=${k}`).toBe(enumerateTrees(n, k).length)
    }
  })

  // Beyond n = K the counts come from Newton's formula; with more orders the same n is still counted block by block.
  test('the formula in n continues the count block by block', () => {
    for (const n of [8, 13, 20]) expect(treeCounts(n, 7)).toEqual(treeCounts(n, 20).slice(0, 8))
  })

  test('orders 1 and 2 are all chains, and one block has one term of order 1', () => {
    expect(treeCounts(1000, 64).slice(0, 3)).toEqual(chainCounts(1000, 2))
    expect(treeCounts(1, 4)).toEqual([1n, 1n, 0n, 0n, 0n])
    expect(treeCounts(0, 3)).toEqual([1n, 0n, 0n, 0n])
    expect(treeCounts(7, 0)).toEqual([1n])
  })

  test('rejects sizes that are not non-negative integers, by name', () => {
    expect(() => treeCounts(-1, 4)).toThrow(/blocks is -1/)
    expect(() => chainCounts(3, 1.5)).toThrow(/orders is 1.5/)
  })
})
