import type { Tower } from '@unravel/resnet'
import {
  add,
  addScaled,
  affine,
  branch,
  concat,
  grad,
  jvp,
  matmul,
  mul,
  narrow,
  Random,
  relu,
  reshape,
  step,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
} from '@unravel/tensor'
import { head } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'
import { analyse, gated, gradient, markedChainCounts, markedTreeCounts, taylor } from './index.js'
import { values } from './oracles/numbers.js'
import { powerSet } from './oracles/paths.js'
import { randomTower } from './oracles/towers.js'

const f64 = { dtype: 'f64' } as const
const entry = (stack: Tensor, k: number) => values(narrow(stack, 0, k, 1))
/** The largest difference, in units of the largest number wanted, or of `size` where that is larger. */
const apart = (got: Float64Array, want: Float64Array, size = 1e-300) =>
  Math.max(...got.map((v, i) => Math.abs(v - want[i]!))) / Math.max(size, ...want.map(Math.abs))

/** An activation, which a test may freeze; and the end of the residual branch number `site`. */
interface Parts {
  act(a: Tensor): Tensor
  end(site: number, x: Tensor, scale: number): Tensor
}
interface Network {
  readonly sites: number
  readonly kinked?: true
  run(x: Tensor, parts: Parts): Tensor
}

/** A ReLU that no path dies in. */
const bent = (a: Tensor) => addScaled(relu(a), sub(a, relu(a)), 0.3)

const random = new Random(3)
const maps = Array.from({ length: 8 }, () => ({
  w: random.normal([4, 4], 0, 0.6, f64),
  b: random.normal([4], 0, 0.3, f64),
}))
const dense = (i: number, h: Tensor) => add(matmul(h, maps[i]!.w), maps[i]!.b)
const F = (i: number, h: Tensor, { act }: Parts) => act(dense(i, h))

const networks: Record<string, Network> = {
  'two nested blocks, 0.2 inside and outside': {
    sites: 6,
    run(x, p) {
      let inner = x
      for (const i of [0, 1, 2]) inner = add(inner, p.end(i, F(i, inner, p), 0.2))
      const h = add(x, p.end(3, inner, 0.2))
      const g = add(h, p.end(4, F(4, h, p), 0.7))
      return add(h, p.end(5, F(5, g, p), 0.2))
    },
  },
  'parallel branches, summed and apart': {
    sites: 4,
    run(x, p) {
      const h = add(x, p.end(0, add(F(0, x, p), F(1, x, p)), 0.5))
      const g = add(add(h, p.end(1, F(2, h, p), -0.8)), p.end(2, F(3, h, p), 1.3))
      return dense(5, add(g, p.end(3, F(4, g, p), 0.9)))
    },
  },
  'activations after the additions': {
    sites: 4,
    kinked: true,
    run(x, p) {
      let h = x
      for (let i = 0; i < 4; i++) h = p.act(add(h, p.end(i, dense(i + 4, F(i, h, p)), 0.6)))
      return h
    },
  },
  'an early value read again late': {
    sites: 3,
    run(x, p) {
      const early = add(x, p.end(0, F(0, x, p), 0.4))
      const late = add(F(1, early, p), p.end(1, F(2, F(1, early, p), p), 1.1))
      const both = narrow(concat([late, early], 1), 1, 2, 4)
      return add(both, p.end(2, F(3, both, p), 0.5))
    },
  },
}

const marked =
  ({ run, kinked }: Network) =>
  (x: Tensor) =>
    run(x, { act: kinked ? bent : tanh, end: (_, h, scale) => branch(h, scale) })

/** The run at x with its activations replaced by factors, secants or slopes, and its branches multiplied by `on`. */
function frozen({ run, kinked }: Network, x: Tensor, kind: 'secant' | 'slope') {
  const gates: Tensor[] = []
  run(x, {
    act(a) {
      const value = kinked ? bent(a) : tanh(a)
      const one = tensor(1, f64)
      const slope = kinked ? affine(step(a), 0.7, 0.3) : sub(one, mul(value, value))
      gates.push(kind === 'slope' || kinked ? slope : tensor(values(value).map((v, i) => v / values(a)[i]!), { shape: a.shape, ...f64 })) // biome-ignore format: short
      return value
    },
    end: (_, h, scale) => mul(h, scale),
  })
  return (y: Tensor, on: ReadonlySet<number>) => {
    let next = 0
    return run(y, { act: a => mul(a, gates[next++]!), end: (i, h, scale) => mul(h, on.has(i) ? scale : 0) })
  }
}

/** Σ over the sets of k sites of what passes through just these, by inclusion and exclusion; and how many sets pass anything. */
function totals(sites: number, of: (on: ReadonlySet<number>) => Tensor) {
  const sets = powerSet(sites)
  const runs = sets.map(s => values(of(s)))
  const orders = Array.from({ length: sites + 1 }, () => new Float64Array(runs[0]!.length))
  const chains = new Array<bigint>(sites + 1).fill(0n)
  for (const s of sets) {
    const own = new Float64Array(runs[0]!.length)
    sets.forEach((t, i) => {
      if ([...t].some(site => !s.has(site))) return
      runs[i]!.forEach((v, j) => (own[j]! += (s.size - t.size) % 2 === 0 ? v : -v)) // biome-ignore format: short
    })
    if (own.some(v => Math.abs(v) > 1e-13)) chains[s.size]! += 1n
    own.forEach((v, j) => (orders[s.size]![j]! += v)) // biome-ignore format: short
  }
  return { orders, chains }
}

const x = random.normal([3, 4], 0, 1, f64)

// Of sums of 2^6 runs, with signs, of numbers of about 1.
const ROUNDING = 2 ** 6 * 64 * 2 ** -52

describe.each(Object.entries(networks))('%s', (_, network) => {
  const f = marked(network)

  it('gated orders are sums over sets of branches with frozen gates', async () => {
    const found = gated(f, x, 'all')
    const { orders, chains } = totals(network.sites, on => frozen(network, x, 'secant')(x, on))
    const longest = found.coefficients.shape[0]! - 1
    expect(orders.slice(longest + 1).every(o => o.every(v => Math.abs(v) < 1e-12))).toBe(true)
    for (let k = 0; k <= longest; k++) expect(apart(entry(found.coefficients, k), orders[k]!, 1)).toBeLessThan(ROUNDING)
    expect(apart(values(sum(found.coefficients, 0)), values(f(x)))).toBeLessThan(1e-13)
    const { sites, blocks, chains: counted, shareOf } = await analyse(found)
    expect({ sites, blocks, shareOf }).toEqual({ sites: 'all', blocks: network.sites, shareOf: 'all orders' })
    expect(counted).toEqual(chains.slice(0, longest + 1))
  })

  it('gradient orders are sums over sets of branches with derivatives at the run', () => {
    const found = gradient(f, x, 1, 'all')
    const linear = frozen(network, x, 'slope')
    const { orders } = totals(network.sites, on => grad((y: Tensor) => sum(narrow(linear(y, on), 1, 1, 1)))(x))
    const longest = found.coefficients.shape[0]! - 1
    for (let k = 0; k <= longest; k++) expect(apart(entry(found.coefficients, k), orders[k]!, 1)).toBeLessThan(ROUNDING)
    expect(apart(values(sum(found.coefficients, 0)), values(found.total))).toBeLessThan(1e-13)
    expect(apart(values(found.total), values(grad((y: Tensor) => sum(narrow(f(y), 1, 1, 1)))(x)))).toBeLessThan(1e-13)
  })

  it('the Taylor series is that of derivatives in a common factor of all branches', () => {
    const at = (t: Tensor) =>
      network.run(x, { act: network.kinked ? bent : tanh, end: (_, h, scale) => mul(mul(h, scale), t) })
    const { coefficients } = taylor(f, x, 4)
    let g = at
    let factorial = 1
    for (let k = 0; k <= 4; k++) {
      if (k > 0) {
        factorial *= k
        const below = g
        g = t => jvp(below, t, tensor(1, f64))[1]
      }
      expect(apart(entry(coefficients, k), values(g(tensor(0, f64))).map(v => v / factorial))).toBeLessThan(1e-11) // biome-ignore format: short
    }
    // About half of the scales, the same series elsewhere: its orders are the derivatives there.
    const half = taylor(f, x, 1, { about: 0.5 }).coefficients
    const [value, slope] = jvp(at, tensor(0.5, f64), tensor(0.5, f64))
    expect(apart(entry(half, 0), values(value))).toBeLessThan(1e-13)
    expect(apart(entry(half, 1), values(slope))).toBeLessThan(1e-12)
  })

  it('keeps the first orders where it is cut, and measures the rest', async () => {
    for (const expand of [gated, (h: typeof f, y: Tensor, k: number | 'all') => gradient(h, y, 0, k)]) {
      const [all, some] = [expand(f, x, 'all'), expand(f, x, 1)]
      expect(apart(values(some.coefficients), values(head(all.coefficients, 2)))).toBeLessThan(1e-13)
      const tail = values(sub(sum(all.coefficients, 0), sum(some.coefficients, 0)))
      const { tailNorm } = await analyse(some)
      expect(tailNorm! / Math.sqrt(tail.reduce((s, v) => s + v * v, 0) / 3)).toBeCloseTo(1, 9)
      expect(values(expand(f, x, 0).coefficients)).toEqual(entry(all.coefficients, 0))
    }
  })
})

describe('marks in a row', () => {
  const { tower, x: input } = randomTower({ depth: 6, scale: 0.6, activation: 'gelu', norm: 'layer' })
  const asFunction = (h: Tensor) =>
    tower.decode(tower.blocks.reduce((s, b) => add(s, branch(b.branch(s), b.scale)), tower.encode(h)))
  const lenses = [
    (n: Tower | typeof asFunction, sites?: 'all') => gated(n, input, 'all', { sites }),
    (n: Tower | typeof asFunction, sites?: 'all') => gated(n, input, 3, { sites }),
    (n: Tower | typeof asFunction, sites?: 'all') => gradient(n, input, 1, 'all', { sites }),
    (n: Tower | typeof asFunction, sites?: 'all') => taylor(n, input, 8, { sites }),
  ]

  it('give the orders of the tower, counted as blocks, as all branches, and as a function', async () => {
    for (const lens of lenses) {
      const [blocks, all, plain] = [lens(tower), lens(tower, 'all'), lens(asFunction)]
      const want = await analyse(blocks)
      for (const other of [all, plain]) {
        expect(other.coefficients.shape).toEqual(blocks.coefficients.shape)
        expect(apart(values(other.coefficients), values(blocks.coefficients))).toBeLessThan(1e-12)
        const { terms, chains, scale } = await analyse(other)
        expect({ terms, chains, scale }).toEqual({ terms: want.terms, chains: want.chains, scale: want.scale })
      }
      expect([want.sites, (await analyse(all)).sites]).toEqual(['blocks', 'all'])
    }
  })

  it('inside of blocks count where all branches are counted, and are factors where blocks are', () => {
    const nested = networks['two nested blocks, 0.2 inside and outside']!
    const outer: Tower = {
      encode: h => h,
      decode: h => h,
      blocks: [
        {
          scale: 0.2,
          branch: h => [0, 1, 2].reduce((s, i) => add(s, branch(tanh(dense(i, s)), 0.2)), h),
        },
        { scale: 0.2, branch: h => tanh(dense(5, add(h, branch(tanh(dense(4, h)), 0.7)))) },
      ],
    }
    const flat = marked(nested)
    const pairs = [
      [gated(outer, x, 'all', { sites: 'all' }), gated(flat, x, 'all')],
      [gradient(outer, x, 2, 'all', { sites: 'all' }), gradient(flat, x, 2, 'all')],
      [taylor(outer, x, 7, { sites: 'all' }), taylor(flat, x, 7)],
      [taylor(outer, x, 7, { sites: 'all', about: 0.25 }), taylor(flat, x, 7, { about: 0.25 })],
    ] as const
    for (const [a, b] of pairs) expect(apart(values(a.coefficients), values(b.coefficients))).toBeLessThan(1e-12)
    const blocks = gated(outer, x, 'all')
    expect(blocks.coefficients.shape[0]).toBe(3)
    expect(apart(values(sum(blocks.coefficients, 0)), values(flat(x)))).toBeLessThan(1e-13)
  })
})

describe('counts of marked paths', () => {
  it('chain counts are products over nested blocks', () => {
    // (1 + z(1 + z)²)²: two blocks, each of two nested branches.
    const before = [[-1], [-1, 0], [-1, 0, 1], [-1, 2], [-1, 2, 3], [-1, 2, 3, 4]]
    const last = [-1, 2, 5]
    expect(markedChainCounts({ before, last }, 7)).toEqual([1n, 2n, 5n, 6n, 6n, 4n, 1n, 0n])
  })

  it('tree counts let a mark repeat below one that it comes before', () => {
    // One nested branch: A_0 = z, A_1 = z/(1 − z).
    expect(markedTreeCounts({ before: [[-1], [-1, 0]], last: [-1, 1] }, 4)).toEqual([1n, 1n, 1n, 1n, 1n])
    // Two marks side by side, each before a third: A_2 = z/(1 − z)², and the first two end nowhere else.
    expect(markedTreeCounts({ before: [[-1], [-1], [-1, 0, 1]], last: [2] }, 4)).toEqual([0n, 1n, 2n, 3n, 4n])
  })

  it('an output that depends on no input has no path', async () => {
    const constant = gated(() => tensor([[1, 2]], f64), reshape(tensor([1, 2], f64), [1, 2]), 'all')
    expect(values(constant.coefficients)).toEqual(Float64Array.of(1, 2))
    expect((await analyse(constant)).chains).toEqual([0n])
  })
})
