import { describe, expect, test } from 'vitest'
import { type ExpansionFacts, expansionWarnings } from './warnings.js'

const EPS = Number.EPSILON

/** An expansion with nothing wrong with it. */
const sound: ExpansionFacts = {
  expansion: 'taylor',
  scale: '0.1',
  longest: 10,
  norms: [1, 0.1, 1e-2, 1e-3, 1e-4],
  outputNorm: 1.1,
  remainder: [1e-1, 1e-2, 1e-3, 1e-4, 1e-5],
  tolerance: 1e-3,
  radius: { estimate: 1, low: 0.9, high: 1.1, ratio: 0.1 },
  piecewise: false,
  epsilon: EPS,
}
const warn = (change: Partial<ExpansionFacts>) => expansionWarnings({ ...sound, ...change })

test('nothing wrong, nothing said', () => {
  expect(warn({})).toEqual([])
  expect(warn({ radius: { estimate: Infinity, low: Infinity, high: Infinity, ratio: 0 } })).toEqual([])
  expect(warn({ expansion: 'gated', longest: 4, radius: undefined, remainder: [1, 0.5, 0.1, 0.01, 1e-15] })).toEqual([])
})

describe('radius of convergence', () => {
  test('λ beyond it', () => {
    expect(warn({ radius: { estimate: 0.05, low: 0.04, high: 0.0625, ratio: 2 } })).toEqual([
      'λ = 0.1 is 2 (1.6 to 2.5) times the radius of convergence: the series diverges and its order totals are not an approximation of the network; use the gated expansion, which is exact at any scale.',
    ])
  })

  test('λ inside the range of the estimates', () => {
    expect(warn({ radius: { estimate: 0.08, low: 0.07, high: 0.12, ratio: 1.25 } })[0]).toMatch(/probably beyond/)
    expect(warn({ radius: { estimate: 0.125, low: 0.09, high: 0.15, ratio: 0.8 } })).toEqual([
      'λ = 0.1 may be beyond the radius of convergence, at 0.8 (0.67 to 1.1) times it: rely on the remainder, or use the gated expansion, which is exact at any scale.',
    ])
  })

  test('a range too wide to trust', () => {
    expect(warn({ radius: { estimate: 0.5, low: 0.2, high: 2, ratio: 0.2 } })).toEqual([
      'The radius of convergence is only known to lie between 0.2 and 2, too wide to rely on 0.5: ask for more orders.',
    ])
    const entire = { estimate: 20, low: 8, high: Infinity, ratio: 0.005 }
    expect(warn({ radius: entire })).toEqual([])
    const open = { estimate: 0.2, low: 0.05, high: Infinity, ratio: 0.5 }
    expect(warn({ radius: open })).toEqual([expect.stringMatching(/may be beyond/), expect.stringMatching(/infinity/)])
  })

  test('no estimate', () => {
    expect(warn({ radius: null })).toEqual([
      'The radius of convergence cannot be estimated from orders 1 to 4: ask for more orders.',
    ])
    expect(warn({ radius: null, norms: [1], remainder: [1e-5] })).toEqual([
      'The radius of convergence cannot be estimated from order 0 alone: ask for more orders.',
    ])
  })
})

describe('remainder', () => {
  test('above the tolerance at the last order, with the best truncation', () => {
    expect(warn({ remainder: [0.5, 0.1, 0.062, 0.3, 4] })).toEqual([
      'Orders 0 to 4 leave a remainder of 4 of the output (tolerance 0.001): ask for more orders inside the radius of convergence, or use the gated expansion, which is exact at any scale.',
      'The best truncation is order 2, with a remainder of 0.062: later orders make the sum worse.',
    ])
  })

  test('wandering at the level of rounding is not divergence', () => {
    expect(warn({ remainder: [1e-1, 1e-8, 1 * EPS, 5 * EPS, 4 * EPS] })).toEqual([])
    expect(warn({ remainder: [1e-1, 1e-8, 1e-7, 1e-6, 1e-5] })).toEqual([expect.stringMatching(/order 1, .* 1e-8/)])
  })

  test('of an exact expansion: orders not asked for, or rounding', () => {
    const exact = { expansion: 'gated', radius: undefined, remainder: [1, 0.6, 0.2, 0.1, 0.05] } as const
    expect(warn(exact)).toEqual([
      'Orders 0 to 4 leave a remainder of 0.05 of the output (tolerance 0.001): the rest is in orders 5 to 10; ask for all of them.',
    ])
    expect(warn({ ...exact, longest: 4 })).toEqual([expect.stringMatching(/last there is: rounding has spoilt/)])
  })

  test('of sampled orders, which can never be all', () => {
    const sampled = {
      expansion: 'subsets',
      radius: undefined,
      remainder: [1, 0.6, 0.2, 0.1, 0.05],
      sampled: true,
    } as const
    expect(warn({ ...sampled, longest: 30 })).toEqual([
      'Orders 0 to 4 leave a remainder of 0.05 of the output (tolerance 0.001), what sampling leaves included: draw more samples, or use the gated expansion, which is exact at any scale.',
    ])
  })

  test('of a zero output', () => {
    const remainder = new Array(5).fill(Number.NaN)
    expect(warn({ outputNorm: 0, norms: [0, 0, 0, 0, 0], remainder })).toEqual([
      'The output is zero: a remainder relative to it does not exist.',
    ])
  })
})

describe('piecewise branches', () => {
  test.each([
    [null, 'not known here'],
    [undefined, 'not known here'],
    [0.4, 'A gate flips at 0.4 times λ = 0.1'],
  ])('kink %s', (kink, text) => {
    expect(warn({ piecewise: true, kink })).toEqual([expect.stringContaining(text)])
  })

  test('a gate that flips below λ comes first, and no advice to ask for more orders with it', () => {
    const wide = { estimate: 0.05, low: 0.01, high: 0.0625, ratio: 2 }
    const said = warn({ piecewise: true, kink: 0.124, remainder: [0.4, 0.3, 0.3, 0.3, 0.3], radius: wide })
    expect(said[0]).toMatch(
      /^A gate flips at 0.12 times λ = 0.1: .* is not the series of this network, and more orders do not help/,
    )
    expect(said.length).toBeGreaterThan(2)
    expect(said.filter(s => s.includes('ask for'))).toEqual([])
    expect(warn({ piecewise: true, kink: 0.124, radius: null })[1]).toBe(
      'The radius of convergence cannot be estimated from orders 1 to 4.',
    )
  })

  test('a gate on its kink at λ = 0 is explained', () => {
    expect(warn({ piecewise: true, kink: 0 })).toEqual([
      expect.stringMatching(/^Gates flip as soon as λ leaves 0: .* as a ReLU does on what the ReLU before it set to 0/),
    ])
  })

  test('inside the kink radius the series is exact', () => {
    expect(warn({ piecewise: true, kink: 1.5 })).toEqual([])
    expect(warn({ piecewise: true, kink: Infinity })).toEqual([])
  })

  test('only the power series minds', () => {
    expect(warn({ expansion: 'gated', piecewise: true })).toEqual([])
  })
})

describe('arithmetic', () => {
  test('orders that are not finite', () => {
    const remainder = [0.1, 0.01, 0.02, Number.NaN, Number.NaN]
    expect(warn({ norms: [1, 2, 3, Infinity, Number.NaN], remainder, radius: null })).toEqual([
      'Order 3 is not finite: stop before it, or use a smaller scale.',
      'The radius of convergence cannot be estimated from orders 1 to 4.',
      expect.stringMatching(/best truncation is order 1/),
    ])
    const f32 = { epsilon: 2 ** -23, remainder: [], radius: undefined, expansion: 'gated' } as const
    expect(warn({ ...f32, norms: [1, Infinity] })[0]).toMatch(/a smaller scale or f64\.$/)
    expect(warn({ ...f32, norms: [Infinity, 1] })[0]).toBe('Order 0 is not finite: use smaller inputs or f64.')
  })

  test('orders that cancel', () => {
    expect(warn({ norms: [1, 1e14, 1e14, 1e3, 1], outputNorm: 1 })).toEqual([
      'Orders up to 1e+14 times the output cancel in the sum: rounding alone leaves about 0.022 of the output, above the tolerance 0.001.',
    ])
  })

  test('orders below the rounding of the output', () => {
    const rounding = 'below the rounding of the output (2.2e-16 of it) and cannot be told from rounding in the sum.'
    expect(warn({ norms: [1, 1e-7, 1e-13, 1e-19, 1e-25] })).toEqual([`Orders 3 to 4 are ${rounding}`])
    expect(warn({ norms: [1, 1e-5, 1e-10, 1e-15, 1e-20] })).toEqual([`Order 4 is ${rounding}`])
    expect(warn({ norms: [1, 0.1, 0.01, 0, 0] })).toEqual([]) // a polynomial that ends
  })
})
