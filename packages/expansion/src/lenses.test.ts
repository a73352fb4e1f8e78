import { run, skip, type Tower } from '@unravel/resnet'
import {
  add,
  div,
  js,
  matmul,
  mul,
  Random,
  reshape,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  useBackend,
  vjp,
  wasm,
} from '@unravel/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  analyse,
  atScale,
  chainCounts,
  damage,
  dropoutMean,
  effectiveLengths,
  gated,
  gatedAttribution,
  gatedMoments,
  geometricComplexity,
  gradient,
  gradientAttribution,
  gradientMoments,
  groupedTaylor,
  lesion,
  orderGram,
  pathShare,
  sampleGradientPaths,
  scaleGradients,
  subsets,
  taylor,
  taylorAttribution,
  verify,
  withoutBlocks,
  withSwaps,
} from './index.js'
import { dot, gap, rows, values } from './oracles/numbers.js'
import { powerSet } from './oracles/paths.js'
import { randomTower } from './oracles/towers.js'
import { norm } from './spectrum.js'

const plus = (a: Float64Array, b: Float64Array, by = 1) => a.map((v, i) => v + by * b[i]!)

/** A tower with a skip that is no identity in one place. */
function oddTower(options: Parameters<typeof randomTower>[0]) {
  const { tower, x } = randomTower(options)
  const width = options.width ?? 4
  const w = new Random(9).normal([width, width], 0, 0.6, { dtype: 'f64' })
  const blocks = tower.blocks.map((b, l) => ({
    ...b,
    scale: b.scale * (1 + 0.1 * l),
    ...(l === 1 ? { skip: (h: Tensor) => matmul(h, w) } : {}),
  }))
  return { tower: { encode: tower.encode, decode: tower.decode, blocks } satisfies Tower, x }
}

describe('towers deeper than the call stack', () => {
  const weights = new Random(3).normal([2, 2], 0, 0.5, { dtype: 'f64', backend: js() })
  const block = { branch: (h: Tensor) => tanh(matmul(h, weights)), scale: 1e-4 }
  const tower: Tower = { encode: h => h, decode: h => h, blocks: new Array(5000).fill(block) }
  const x = new Random(4).normal([2, 2], 0, 1, { dtype: 'f64', backend: js() })

  it('sets of 5000 blocks, all of them one object, are sampled as sets of places', () => {
    const { coefficients } = subsets(tower, x, 2, { samples: 4 })
    const [zero, one, two] = rows(coefficients)
    // At this scale nothing but the first differences matters: order 1 is 5000 times one branch.
    const branch = values(mul(block.branch(x), 5000e-4))
    expect(gap(zero!, values(x))).toBe(0)
    expect(gap(one!, branch)).toBeLessThan(1e-12)
    expect(norm(two!)).toBeGreaterThan(0)
  })

  it('attributes to 5000 blocks and their pairs', async () => {
    const { totals, pairs } = await gatedAttribution(tower, x, 2)
    const sum = pairs.reduce((all, row) => all + row.reduce((a, b) => a + b, 0), 0)
    expect(Math.abs(sum / totals[2]! - 1)).toBeLessThan(1e-9)
  })
})

describe.each([['js', js()] as const, ['wasm', wasm()] as const])('on %s', (_, backend) => {
  const before = useBackend(backend)
  const towers = [
    oddTower({ activation: 'tanh', depth: 4, scale: 0.8 }),
    oddTower({ activation: 'relu', depth: 3, scale: 1.2, norm: 'layer' }),
    randomTower({ activation: 'gelu', depth: 5, scale: 0.5, norm: 'rms' }),
  ]
  useBackend(before)
  beforeAll(() => void useBackend(backend))
  afterAll(() => void useBackend(before))

  describe('subsets', () => {
    it('subset terms are the Möbius transform of the runs of all sets of blocks', () => {
      for (const { tower, x } of towers) {
        const n = tower.blocks.length
        const runs = powerSet(n).map(active => {
          const gone = new Set(Array.from({ length: n }, (_, i) => i).filter(i => !active.has(i)))
          return { active, output: values(run(withoutBlocks(tower, gone), x)) }
        })
        const found = subsets(tower, x, 'all')
        rows(found.coefficients).forEach((order, k) => {
          let want = new Float64Array(order.length)
          for (const s of runs.filter(r => r.active.size === k)) {
            for (const t of runs.filter(r => [...r.active].every(i => s.active.has(i)))) {
              want = plus(want, t.output, (-1) ** (k - t.active.size))
            }
          }
          expect(gap(order, want, norm(values(found.total)))).toBeLessThan(1e-13)
        })
        expect(gap(values(atScale(found, 1)), values(found.total))).toBeLessThan(1e-13)
        expect(rows(subsets(tower, x, 1).coefficients)).toEqual(rows(found.coefficients).slice(0, 2))
      }
    })

    it('agrees with the other expansions where branches are linear', () => {
      const { tower, x } = randomTower({ activation: 'identity', depth: 5, scale: 0.7 })
      const [a, b, c] = [subsets(tower, x, 5), gated(tower, x, 5), taylor(tower, x, 5)]
      expect(gap(values(a.coefficients), values(b.coefficients))).toBeLessThan(1e-13)
      expect(gap(values(a.coefficients), values(c.coefficients))).toBeLessThan(1e-13)
    })

    it('samples without bias beyond 20 blocks, to its standard error', () => {
      const { tower, x } = randomTower({ activation: 'identity', depth: 24, scale: 0.2 })
      const exact = rows(gated(tower, x, 3).coefficients)
      const { coefficients, standardError } = subsets(tower, x, 3, { samples: 400, seed: 5 })
      const [means, errors] = [rows(coefficients), rows(standardError!)]
      let worst = 0
      for (let k = 1; k <= 3; k++) {
        means[k]!.forEach((m, i) => (worst = Math.max(worst, Math.abs(m - exact[k]![i]!) / errors[k]![i]!)))
      }
      // 12 numbers: the largest of their z is beyond 4.5 once in 10^4.
      expect(worst).toBeLessThan(4.5)
      expect(worst).toBeGreaterThan(0.05)
      expect(gap(means[0]!, exact[0]!)).toBeLessThan(1e-14)
    })

    it('gives that mean for all orders only', () => {
      const { tower, x } = towers[0]!
      const n = tower.blocks.length
      expect(() => dropoutMean(taylor(tower, x, n), 0.5)).toThrow(`all orders 0..${n}, got taylor to order ${n}`)
      expect(() => dropoutMean(subsets(tower, x, 1), 0.5)).toThrow('got subsets to order 1')
    })

    it('gives the mean of block dropout', () => {
      const { tower, x } = towers[0]!
      const n = tower.blocks.length
      let want = new Float64Array(values(run(tower, x)).length)
      for (const gone of powerSet(n)) {
        want = plus(want, values(run(withoutBlocks(tower, gone), x)), 0.3 ** (n - gone.size) * 0.7 ** gone.size)
      }
      expect(gap(values(dropoutMean(subsets(tower, x, 'all'), 0.3)), want)).toBeLessThan(1e-13)
    })
  })

  describe('attribution', () => {
    /** Paths of the gated run: for every set of blocks what passes through just these, by brute force. */
    const gatedPaths = ({ tower, x }: { tower: Tower; x: Tensor }) => {
      const n = tower.blocks.length
      return powerSet(n).map(set => {
        // Signs ±1 on the blocks of the set separate its paths from all others.
        let total = new Float64Array(values(run(tower, x)).length)
        for (const flipped of powerSet(n)) {
          const weights = Array.from({ length: n }, (_, i) => (flipped.has(i) ? -1 : 1))
          const sign = [...set].reduce((s, i) => s * weights[i]!, 1)
          const sums = rows(gated(tower, x, 'all', { weights }).coefficients)
          total = plus(total, sums[set.size]!, sign / 2 ** n)
        }
        return { set, value: total }
      })
    }

    it('gated: paths through every block and pair, and sums over blocks', async () => {
      for (const one of towers) {
        const { tower, x } = one
        const n = tower.blocks.length
        const v = values(run(tower, x))
        const unit = v.map(a => a / norm(v))
        const { totals, blocks, pairs } = await gatedAttribution(tower, x, 'all')
        const paths = gatedPaths(one)
        const size = norm(v)
        const through = (k: number, test: (s: ReadonlySet<number>) => boolean) =>
          paths.filter(p => p.set.size === k && test(p.set)).reduce((s, p) => s + dot(p.value, unit), 0)
        for (let k = 0; k <= n; k++) {
          expect(Math.abs(totals[k]! - through(k, () => true))).toBeLessThan(1e-12 * size)
          for (let i = 0; i < n; i++) {
            expect(Math.abs(blocks[k]![i]! - through(k, s => s.has(i)))).toBeLessThan(1e-12 * size)
          }
          expect(Math.abs(blocks[k]!.reduce((a, b) => a + b, 0) - k * totals[k]!)).toBeLessThan(1e-12 * size)
        }
        for (let i = 0; i < n; i++) {
          for (let j = i + 1; j < n; j++) {
            expect(Math.abs(pairs[i]![j]! - through(2, s => s.has(i) && s.has(j)))).toBeLessThan(1e-12 * size)
          }
        }
        expect(Math.abs(totals.reduce((a, b) => a + b, 0) - size)).toBeLessThan(1e-12 * size)
      }
    })

    it('gradient: sums over blocks and pairs are the order totals', async () => {
      for (const { tower, x } of towers) {
        const n = tower.blocks.length
        const { coefficients, total } = gradient(tower, x, 1, 'all')
        const g = values(total)
        const unit = g.map(a => a / norm(g))
        const { totals, blocks, pairs } = await gradientAttribution(tower, x, 1, 'all')
        rows(coefficients).forEach((order, k) => {
          expect(Math.abs(totals[k]! - dot(order, unit))).toBeLessThan(1e-12 * norm(g))
          expect(Math.abs(blocks[k]!.reduce((a, b) => a + b, 0) - k * totals[k]!)).toBeLessThan(1e-12 * norm(g))
        })
        const allPairs = pairs.reduce((s, row) => s + row.reduce((a, b) => a + b, 0), 0)
        expect(Math.abs(allPairs - totals[2]!)).toBeLessThan(1e-12 * norm(g))
        // Without a block there are no paths through it.
        for (let i = 0; i < n; i++) {
          const weights = Array.from({ length: n }, (_, l) => (l === i ? 0 : 1))
          const without = rows(gradient(tower, x, 1, 'all', { weights }).coefficients)
          without.forEach((order, k) => {
            expect(Math.abs(blocks[k]![i]! - (totals[k]! - dot(order, unit)))).toBeLessThan(1e-12 * norm(g))
          })
        }
      }
    })

    it('taylor: blocks and pairs to order 2', async () => {
      for (const { tower, x } of [towers[0]!, towers[2]!]) {
        const { coefficients, total } = taylor(tower, x, 2)
        const f = values(total)
        const unit = f.map(a => a / norm(f))
        const { totals, blocks, pairs } = await taylorAttribution(tower, x)
        rows(coefficients).forEach((order, k) => {
          expect(Math.abs(totals[k]! - dot(order, unit))).toBeLessThan(1e-12 * norm(f))
          expect(Math.abs(blocks[k]!.reduce((a, b) => a + b, 0) - k * totals[k]!)).toBeLessThan(1e-12 * norm(f))
        })
        // A pair alone: the tower of two blocks, less what each block does by itself.
        const only = (...kept: number[]) => {
          const blocksLeft = tower.blocks.map((b, l) => (kept.includes(l) ? b : { ...b, scale: 0 }))
          return dot(
            rows(
              taylor({ ...tower, encode: tower.encode, decode: tower.decode, blocks: blocksLeft }, x, 2).coefficients,
            )[2]!,
            unit,
          )
        }
        expect(Math.abs(pairs[0]![2]! - (only(0, 2) - only(0) - only(2)))).toBeLessThan(1e-12 * norm(f))
        expect(Math.abs(pairs[1]![1]! - only(1))).toBeLessThan(1e-12 * norm(f))
      }
    })

    it('gives the derivative in every scale', async () => {
      const { tower, x } = towers[0]!
      const direction = new Random(4).normal(run(tower, x).shape, 0, 1, { dtype: 'f64' })
      const slopes = await scaleGradients(tower, x, direction)
      tower.blocks.forEach((_, l) => {
        const at = (step: number) => {
          const blocks = tower.blocks.map((b, i) => (i === l ? { ...b, scale: b.scale + step } : b))
          return sum(mul(direction, run({ encode: tower.encode, decode: tower.decode, blocks }, x))).item()
        }
        const h = 1e-5
        expect(Math.abs(slopes[l]! - (at(h) - at(-h)) / (2 * h))).toBeLessThan(1e-8)
      })
    })
  })

  describe('moments', () => {
    it('second moments are the squares of single paths, exact and by signs', async () => {
      for (const { tower, x } of towers) {
        const n = tower.blocks.length
        const batch = x.shape[0]!
        for (const kind of ['gated', 'gradient'] as const) {
          const pass = (weights: readonly number[]) =>
            rows(
              (kind === 'gated' ? gated(tower, x, 'all', { weights }) : gradient(tower, x, 0, 'all', { weights }))
                .coefficients,
            )
          // Averaging over all signs is exact.
          const want = new Float64Array(n + 1)
          for (const flipped of powerSet(n)) {
            pass(Array.from({ length: n }, (_, i) => (flipped.has(i) ? -1 : 1))).forEach((order, k) => {
              want[k]! += norm(order) ** 2 / batch / 2 ** n
            })
          }
          const compute = (options: object) =>
            kind === 'gated' ? gatedMoments(tower, x, 'all', options) : gradientMoments(tower, x, 0, 'all', options)
          const exact = await compute({ exact: true })
          expect(gap(exact.moment, want)).toBeLessThan(1e-12)
          exact.coherence.forEach((kappa, k) => {
            expect(kappa).toBeGreaterThan(-1e-12)
            expect(kappa).toBeLessThan(Number(chainCounts(n, n)[k]) * (1 + 1e-12))
          })
          const probed = await compute({ exact: false, probes: 200, seed: 3 })
          probed.moment.forEach((m, k) => {
            const error = probed.standardError![k]! + 1e-14 * want[k]!
            expect(Math.abs(m - want[k]!) / error).toBeLessThan(5)
          })
        }
      }
    })
  })

  describe('single gradient paths', () => {
    it('gradient paths have the norms of brute force, and lengths as Veit counts them', async () => {
      const { tower, x } = towers[0]!
      const n = tower.blocks.length
      const sampled = await sampleGradientPaths(tower, x, 0, [0, 2, n], { samples: 300, seed: 1 })
      const brute = powerSet(n).map(set => {
        let h = tower.encode(x)
        const pulls: ((g: Tensor) => Tensor)[] = [vjp(tower.encode, x).pullback]
        tower.blocks.forEach((block, l) => {
          const at = h
          if (set.has(l)) pulls.push(g => mul(vjp(block.branch, at).pullback(g), block.scale))
          else if (block.skip !== undefined) pulls.push(vjp(block.skip, at).pullback)
          h = add(skip(block, h), mul(block.branch(h), block.scale))
        })
        const top = vjp(tower.decode, h)
        const seed = tensor(
          Float64Array.from({ length: top.value.size }, (_, i) => Number(i % top.value.shape[1]! === 0)),
          { shape: top.value.shape },
        )
        let g = top.pullback(seed)
        for (const pull of pulls.reverse()) g = pull(g)
        const data = rows(g)
        return { set, size: data.reduce((s, r) => s + norm(r), 0) / data.length }
      })
      for (const { length, mean, standardError } of sampled) {
        const own = brute.filter(p => p.set.size === length).map(p => p.size)
        const want = own.reduce((a, b) => a + b, 0) / own.length
        expect(Math.abs(mean - want)).toBeLessThan(5 * standardError + 1e-12)
      }
      expect(pathShare(54, 5, 17)).toBeCloseTo(0.004537, 6)
      expect(pathShare(10, 0, 10)).toBe(1)
      expect(effectiveLengths([1, 10, 80, 9, 0])).toEqual({ from: 1, to: 3 })
      expect(effectiveLengths([1], 1)).toEqual({ from: 0, to: 0 })
      // 0.3 + 0.2 + 0.1 is less than 0.1 + 0.2 + 0.3.
      expect(effectiveLengths([0.1, 0.2, 0.3], 1)).toEqual({ from: 0, to: 2 })
      expect(() => effectiveLengths([1, 2], 1.5)).toThrow('a fraction is 0 to 1, got 1.5')
    })
  })

  describe('geometric complexity', () => {
    it('complexity is the mean squared norm of the Jacobian, and its Gram matrix is that of the orders', async () => {
      for (const { tower, x } of towers) {
        const batch = x.shape[0]!
        const output = run(tower, x)
        const outputs = output.shape[1]!
        const jacobians = Array.from({ length: outputs }, (_, o) => gradient(tower, x, o, 'all'))
        const want = jacobians.reduce((s, g) => s + norm(values(g.total)) ** 2 / batch, 0)
        const { gram, total } = await geometricComplexity(tower, x, 'all')
        expect(Math.abs(total - want) / want).toBeLessThan(1e-12)
        const cell = jacobians.reduce((s, g) => s + dot(rows(g.coefficients)[0]!, rows(g.coefficients)[2]!) / batch, 0)
        expect(Math.abs(gram[0]![2]! - cell)).toBeLessThan(1e-12 * want)
        const probed = await geometricComplexity(tower, x, 'all', { probes: 400, seed: 2 })
        expect(Math.abs(probed.total - want) / probed.standardError!.total).toBeLessThan(5)
        const orders = gated(tower, x, 'all')
        const outer = await orderGram(orders)
        expect(Math.abs(outer.total - norm(values(output)) ** 2 / batch)).toBeLessThan(1e-12 * outer.total)
      }
    })
  })

  describe('lesion', () => {
    it('removes, swaps and measures', async () => {
      const { tower, x } = towers[0]!
      const labels = tensor(Int32Array.of(0, 1))
      const found = await lesion(tower, x, [0, 2], { labels, draws: 3 })
      expect(found.whole.change).toBe(0)
      expect(found.single).toHaveLength(tower.blocks.length)
      const same = { encode: tower.encode, decode: tower.decode, blocks: tower.blocks.slice(1) }
      expect(found.single[0]).toEqual(await damage(same, x, run(tower, x), labels))
      expect(found.removed[0]!.draws.every(d => d.change === 0)).toBe(true)
      expect(found.removed[1]!.draws.every(d => d.change > 0 && d.loss! > 0 && [0, 0.5, 1].includes(d.accuracy!))).toBe(
        true,
      )
      expect(found.swapped[1]!.draws).toHaveLength(3)
      expect(() => withSwaps(tower, [[0, 1]])).toThrow('block 1 has a skip of its own')
      expect(() => withSwaps(tower, [[0, 9]])).toThrow('there is no block 9')
      // Blocks 0 and 2 are on two sides of a block that may change the shape.
      expect(() => withSwaps(tower, [[0, 2]])).toThrow(RangeError)
      await expect(lesion(tower, x, [5])).rejects.toThrow('lesion: 0 to 4 blocks can go, got 5')
    })
  })

  it('verifies every expansion, and finds one that is wrong', async () => {
    for (const { tower, x } of towers) {
      const rungs = await verify(tower, x)
      expect(rungs.length).toBeGreaterThan(8)
      for (const { name, error, tolerance } of rungs) {
        if (error !== null) expect(error, name).toBeLessThanOrEqual(tolerance)
      }
    }
    // A branch that is not the same twice has no expansion.
    const { tower, x } = towers[0]!
    let calls = 0
    const broken = tower.blocks.map((b, l) =>
      l === 2 ? { ...b, branch: (h: Tensor) => mul(b.branch(h), 1 + 1e-3 * calls++) } : b,
    )
    const rungs = await verify({ encode: tower.encode, decode: tower.decode, blocks: broken }, x)
    expect(rungs.filter(r => r.error !== null && r.error > r.tolerance).length).toBeGreaterThan(3)
  })

  it('a batch that an encoder passes on as it is stays the caller’s', async () => {
    const { tower, x } = towers[0]!
    const state = tower.encode(x)
    const bare: Tower = { ...tower, encode: h => h }
    const before = [...state.dataSync()]
    const rungs = await verify(bare, state)
    expect(rungs.filter(r => r.error !== null && r.error > r.tolerance)).toEqual([])
    await lesion(bare, state, [1], { draws: 2 })
    await analyse(gated(bare, state, 'all'))
    await geometricComplexity(bare, state, 2)
    await gatedMoments(bare, state, 2)
    expect([...state.dataSync()]).toEqual(before)
  })

  describe('series elsewhere', () => {
    it('about a run at part of λ adds up to the network, and converges where the one about 0 does not', () => {
      const { tower, x } = randomTower({ activation: 'tanh', depth: 12, scale: 0.4 })
      const from = (about: number) => {
        const found = taylor(tower, x, 20, { about })
        return gap(values(atScale(found, 1)), values(found.total))
      }
      expect(from(0.8)).toBeLessThan(1e-6)
      expect(from(0.8)).toBeLessThan(1e-2 * from(0))
      const found = taylor(tower, x, 8, { about: 0.5 })
      const part = {
        encode: tower.encode,
        decode: tower.decode,
        blocks: tower.blocks.map(b => ({ ...b, scale: b.scale / 2 })),
      }
      expect(gap(rows(found.coefficients)[0]!, values(run(part, x)))).toBeLessThan(1e-14)
      expect(gap(values(atScale(found, 0.5)), values(run(part, x)))).toBeLessThan(1e-14)
      expect(() => taylor(tower, x, 2, { about: 1 })).toThrow('about must be at least 0 and below 1')
    })

    it('about a run at part of λ has its radius from there on, and no gates where the network has none', async () => {
      // f_λ = 1 / (1 − λ): at λ = 1/2 the pole is 1 away from λ = 0, and 3/4 from λ/2.
      const tower: Tower = {
        encode: h => h,
        decode: h => h,
        blocks: [
          { branch: h => add(mul(h, 0), 1), scale: 0.5 },
          { skip: h => div(1, sub(1, h)), branch: h => mul(h, 0), scale: 0.5 },
        ],
      }
      const x = tensor([0], { shape: [1, 1], dtype: 'f64' })
      for (const [about, estimate, ratio] of [
        [0, 1, 0.5],
        [0.5, 0.75, 1 / 3],
      ] as const) {
        const { radius, warnings } = await analyse(taylor(tower, x, 20, { about }))
        expect(radius!.estimate).toBeCloseTo(estimate, 6)
        expect(radius!.ratio).toBeCloseTo(ratio, 6)
        expect(warnings).toEqual([])
      }
      const still = { ...tower, blocks: tower.blocks.map(b => ({ ...b, scale: 0 })) }
      const { radius, warnings } = await analyse(taylor(still, x, 8))
      expect({ radius, warnings }).toEqual({ radius: null, warnings: [] })
    })

    it('in two scales sums to the one in one', () => {
      for (const { tower, x } of [towers[0]!, towers[2]!]) {
        const groups = tower.blocks.map((_, l) => l % 2)
        const grid = rows(reshape(groupedTaylor(tower, x, groups, 3), [16, -1]))
        const one = rows(taylor(tower, x, 3).coefficients)
        for (let k = 0; k <= 3; k++) {
          let total = new Float64Array(one[k]!.length)
          for (let i = 0; i <= k; i++) total = plus(total, grid[i * 4 + (k - i)]!)
          expect(gap(total, one[k]!)).toBeLessThan(1e-12)
        }
        // Only blocks of group 1: the tower without the others.
        const without = withoutBlocks(
          { ...tower, encode: tower.encode, decode: tower.decode },
          new Set(groups.flatMap((g, l) => (g === 0 ? [l] : []))),
        )
        expect(gap(grid[2]!, rows(taylor(without, x, 3).coefficients)[2]!)).toBeLessThan(1e-12)
      }
      expect(() => groupedTaylor(towers[0]!.tower, towers[0]!.x, [0, 1], 2)).toThrow('0 or 1 for each of 4 blocks')
    })
  })
})
