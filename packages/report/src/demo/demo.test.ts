import type { Analysis } from '@unravel/expansion'
import { describe, expect, test } from 'vitest'
import { meanOrder } from '../table.js'
import { demoReport } from './report.js'
import { type DemoResult, listedShares, type TowerResult } from './result.js'
import { demoTable } from './table.js'
import { inWords } from './words.js'

/** An analysis with the given shares by order (norms follow from them) and remainders. */
function analysis(share: number[], remainder: number[], more: Partial<Analysis> = {}): Analysis {
  return {
    expansion: 'gated',
    blocks: 10,
    orders: share.length - 1,
    longest: 10,
    scale: 0.1,
    norms: share.map(Math.sqrt),
    standardError: null,
    share,
    shareOf: 'all orders',
    outputNorm: 1,
    remainder,
    tailNorm: 0,
    bestOrder: remainder.length - 1,
    terms: share.map(() => 1n),
    chains: share.map(() => 1n),
    radius: null,
    kinkRadius: null,
    resummed: null,
    warnings: [],
    ...more,
  }
}

const radius = (estimate: number, ratio: number) => ({ estimate, low: estimate / 2, high: 2 * estimate, ratio })

function tower(name: string, more: Partial<TowerResult> = {}): TowerResult {
  const gated = analysis([0.9, 0.08, 0.02], [0.4, 0.1, 1e-15])
  const taylor = analysis([0.9, 0.1], [0.3, 1e-4], { expansion: 'taylor', radius: radius(2, 0.05) })
  const state = { accuracy: 0.1, gated, taylor }
  return {
    name,
    initial: state,
    trained: { ...state, accuracy: 0.95 },
    rate: 0.01,
    tried: [{ rate: 0.01, heldOut: 0.9, divergedAt: null }],
    losses: [
      [1, 2.3],
      [2, 1.5],
    ],
    divergedAt: null,
    seconds: 1,
    ...more,
  }
}

const demo = (...towers: TowerResult[]): DemoResult => ({
  blocks: 10,
  width: 64,
  activation: 'tanh',
  steps: 500,
  batch: 64,
  rates: [0.01, 0.1],
  heldOut: 2000,
  seed: 1,
  expanded: 32,
  tested: 10_000,
  towers,
})

describe('the words', () => {
  test('rank the towers by what they reached', () => {
    const slow = tower('1', { trained: { ...tower('1').trained, accuracy: 0.2 } })
    const [first] = inWords(demo(slow, tower('1/n')))
    expect(first).toContain('95.0 % at λ = 1/n (rate 0.01) and 20.0 % at λ = 1 (rate 0.01) of the test images')
  })

  test('say what depth does without a scale: break training, slow it, or neither', () => {
    const initial = (outputNorm: number) => ({ ...tower('a').initial, gated: analysis([1], [0], { outputNorm }) })
    const scaled = tower('1/n', { initial: initial(2) })
    const lesson = (more: Partial<TowerResult>) =>
      inWords(demo(tower('1', { initial: initial(500), ...more }), scaled))[1]
    const diverged = [0.01, 0.1].map(rate => ({ rate, heldOut: 0.1, divergedAt: 2 }))
    expect(lesson({})).toContain('of 10 blocks has the norm 500 at λ = 1 and 2.00 at λ = 1/n.')
    expect(lesson({ tried: diverged, divergedAt: 2 })).toContain(
      'diverges at every rate that was tried; with a scale it',
    )
    expect(lesson({ trained: { ...scaled.trained, accuracy: 0.9 } })).toContain('learns less than with one')
    expect(lesson({})).toContain('learns no less at λ = 1')
  })

  test('say where the energy is, and whether it moved', () => {
    const up = analysis([0.1, 0.2, 0.7], [1, 1, 0])
    const [, , still] = inWords(demo(tower('a')))
    const [, , moved] = inWords(demo(tower('a', { trained: { ...tower('a').trained, gated: up } })))
    expect(still).toContain(
      'λ = a: The mean order of the energy stays, from 0.120 at initialisation (95 % of it in orders 0 to 1)',
    )
    expect(moved).toContain('moves up, from 0.120')
    expect(moved).toContain('to 1.60 after training (95 % of it in orders 0 to 2).')
  })

  test('call a series faithful only if it is, whatever its radius', () => {
    const words = (taylor: Analysis) => inWords(demo(tower('a', { trained: { ...tower('a').trained, taylor } })))[2]
    const close = analysis([0.9, 0.1], [0.3, 1e-4], { radius: radius(2, 0.05) })
    const far = analysis([0, 0], [3, 7], { radius: radius(0.1, 10), bestOrder: 0 })
    expect(words(close)).toContain(
      'put λ at 0.0500 (0.0250 to 0.100) of the radius of convergence, where the series converges',
    )
    expect(words(close)).toContain('order 1, misses 1.00e-4 of the output: a faithful approximation.')
    expect(words(far)).toContain('put λ at 10.0 (5.00 to 20.0) of the radius of convergence, where the series diverges')
    expect(words(far)).toContain('order 0, misses 3.00 of the output: not an approximation to rely on.')
    expect(words({ ...far, radius: radius(Infinity, 0) })).toContain('not an approximation to rely on.')
    expect(words({ ...close, radius: null })).toContain(
      'cannot be estimated; its best truncation, order 1, misses 1.00e-4',
    )
  })

  test('tell of cancellation and of divergence only where there is some', () => {
    expect(inWords(demo(tower('a')))[2]).not.toMatch(/explode|diverged/)
    const exploded = analysis([0.2, 0.8], [9, 0], { norms: [50, 100], outputNorm: 1 })
    const wild = tower('a', { divergedAt: 17, trained: { ...tower('a').trained, gated: exploded } })
    const words = inWords(demo(wild))[2]
    expect(words).toContain('Training diverged at step 17;')
    expect(words).toContain('explode and cancel: the largest is 0.949 times the output at initialisation')
    expect(words).toContain('and 100 times after training.')
  })

  test('survive numbers that are not finite', () => {
    const lost = analysis([Number.NaN, Number.NaN], [Number.NaN, Number.NaN], {
      bestOrder: null,
      outputNorm: Number.NaN,
    })
    const words = inWords(demo(tower('a', { trained: { accuracy: 0.1, gated: lost, taylor: lost } })))
    expect(words[2]).toContain('not all finite')
    expect(words[2]).toContain('no truncation gives finite numbers')
    expect(words.join()).not.toMatch(/NaN|undefined|null/)
  })
})

test('the listed shares and the rest make one', () => {
  const share = [0.05, 0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.15, 0.1]
  const shares = listedShares(analysis(share, share))
  expect(shares).toHaveLength(8)
  expect(shares[7]).toBeCloseTo(0.25, 12)
  expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1, 12)
  expect(meanOrder(analysis([0.5, 0.25, 0.25], []))).toBe(0.75)
})

test('the table has a column for each tower before and after, in every row', () => {
  const rows = demoTable(demo(tower('1'), tower('1/√n'), tower('1/n')))
  expect(new Set(rows.map(row => row.length))).toEqual(new Set([7]))
  expect(rows.slice(0, 4)).toEqual([
    ['', 'λ = 1', 'λ = 1', 'λ = 1/√n', 'λ = 1/√n', 'λ = 1/n', 'λ = 1/n'],
    ['', 'initial', 'trained', 'initial', 'trained', 'initial', 'trained'],
    ['learning rate', '', '0.01', '', '0.01', '', '0.01'],
    ['test accuracy', '10.0 %', '95.0 %', '10.0 %', '95.0 %', '10.0 %', '95.0 %'],
  ])
})

test('the report holds the words, the numbers, the plots and the lines to go on with', () => {
  const result = demo(tower('1', { divergedAt: 3 }), tower('1/n'))
  const html = demoReport(result, ['unravel expand a && b'])
  expect(html.match(/<svg /g)).toHaveLength(6)
  expect(html.match(/<figcaption>/g)).toHaveLength(4)
  expect(html).toContain('Training diverged at step 3;')
  expect(html).toContain('unravel expand a &amp;&amp; b')
  expect(html).not.toMatch(/NaN|undefined/)
})
