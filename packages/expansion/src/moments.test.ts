import { run, type Tower } from '@unravel/resnet'
import { eye, js, matmul, mul, narrow, Random, type Tensor, useBackend, wasm } from '@unravel/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  chainCounts,
  gated,
  gatedMoments,
  geometricComplexity,
  gradient,
  gradientMoments,
  sampleGradientPaths,
  subsets,
} from './index.js'
import { values } from './oracles/numbers.js'
import { differences, gradientPaths } from './oracles/paths.js'
import { randomTower } from './oracles/towers.js'
import { norm } from './spectrum.js'

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
const variance = (values: readonly number[]) =>
  values.reduce((s, v) => s + (v - mean(values)) ** 2, 0) / (values.length - 1)

/** A tower of linear blocks of width d. */
function linearTower(branches: readonly Tensor[], scale: number): Tower {
  return { encode: h => h, blocks: branches.map(w => ({ branch: h => matmul(h, w), scale })), decode: h => h }
}

describe('moments and limits of linear towers', () => {
  beforeAll(() => void useBackend(js()))
  const seeds = 80

  /** ‖S_k‖²/‖x‖² of independent blocks with E‖Ax‖² = σ²‖x‖², for every seed. */
  function energies(n: number, d: number, sigma: number, scale: number): number[][] {
    return Array.from({ length: seeds }, (_, s) => {
      const random = new Random(100 + s)
      const make = (shape: number[], size: number) => random.normal(shape, 0, size, { dtype: 'f64' })
      const tower = linearTower(
        Array.from({ length: n }, () => make([d, d], sigma / Math.sqrt(d))),
        scale,
      )
      const x = make([1, d], 1)
      const orders = values(gated(tower, x, 'all').coefficients)
      const size = norm(values(x)) ** 2
      const energy = Array.from({ length: n + 1 }, (_, k) => norm(orders.subarray(k * d, (k + 1) * d)) ** 2 / size)
      return [...energy, norm(values(run(tower, x))) ** 2 / size]
    })
  }

  /** Within 4.5 standard errors over the seeds. */
  function expectMean(values: readonly number[], want: number): void {
    expect(Math.abs(mean(values) - want)).toBeLessThan(4.5 * Math.sqrt(variance(values) / seeds) + 1e-12)
  }

  it.each([
    [6, 8, 1, 0.5],
    [9, 5, 1.5, 0.3],
    [40, 16, 1, 1 / Math.sqrt(40)],
  ])('E‖S_k‖² = C(n,k)(λσ)^2k, in all (1 + λ²σ²)^n: n = %i, d = %i, σ = %d, λ = %d', (n, d, sigma, scale) => {
    const found = energies(n, d, sigma, scale)
    chainCounts(n, Math.min(n, 8)).forEach((paths, k) => {
      expectMean(
        found.map(e => e[k]!),
        Number(paths) * (scale * sigma) ** (2 * k),
      )
    })
    expectMean(
      found.map(e => e[n + 1]!),
      (1 + (scale * sigma) ** 2) ** n,
    )
  })

  it('λ = 1/√n leaves Poisson(σ²) of the energy to order k', () => {
    const found = energies(100, 16, 1, 0.1)
    const order = Array.from({ length: 5 }, (_, k) => mean(found.map(e => e[k]!)))
    const all = mean(found.map(e => e.slice(0, -1).reduce((a, b) => a + b, 0)))
    const percent = order.map(e => (100 * e) / all)
    for (const [k, p] of [37, 37, 18, 6, 1.5].entries()) expect(Math.abs(percent[k]! - p)).toBeLessThan(2.5)
  })

  it('identical blocks: C(n,k) λ^k A^k x, which tends to e^A x at λ = 1/n, and coherence C(n,k) where A is a number', async () => {
    const random = new Random(3)
    const a = random.normal([4, 4], 0, 0.5, { dtype: 'f64' })
    const x = random.normal([1, 4], 0, 1, { dtype: 'f64' })
    const sums = [10, 1000].map(n => {
      const { coefficients, total } = gated(linearTower(Array<Tensor>(n).fill(a), 1 / n), x, 6)
      let power: Tensor = x
      const exponential = values(x)
      let factorial = 1
      for (let k = 0; k <= 20; k++) {
        if (k <= 6) {
          const want = values(mul(power, Number(chainCounts(n, k)[k]) / n ** k))
          values(coefficients)
            .subarray(4 * k, 4 * k + 4)
            .forEach((v, i) => void expect(v).toBeCloseTo(want[i]!, 12))
        }
        power = matmul(power, a)
        factorial *= k + 1
        const next = values(power)
        exponential.forEach((v, i) => (exponential[i] = v + next[i]! / factorial))
      }
      return norm(values(total).map((v, i) => v - exponential[i]!)) / norm(exponential)
    })
    expect(sums[1]!).toBeLessThan(0.02 * sums[0]!)
    const aligned = linearTower(Array<Tensor>(5).fill(eye(4, { dtype: 'f64' })), 0.3)
    const { coherence } = await gatedMoments(aligned, x, 'all')
    chainCounts(5, 5).forEach((paths, k) => void expect(coherence[k]).toBeCloseTo(Number(paths), 10))
  })
})

describe.each([['js', js()] as const, ['wasm', wasm()] as const])(
  'sampled estimators on %s are unbiased',
  (_, backend) => {
    beforeAll(() => void useBackend(backend))
    afterAll(() => void useBackend(js()))
    const SEEDS = 40

    /** z of the mean over seeds against the exact value, and standard errors against the spread over seeds. */
    async function expectUnbiased(
      estimate: (seed: number) => Promise<{ values: ArrayLike<number>; errors: ArrayLike<number> }>,
      exact: ArrayLike<number>,
    ): Promise<void> {
      const found = await Promise.all(Array.from({ length: SEEDS }, (_, seed) => estimate(seed)))
      Array.from(exact).forEach((want, i) => {
        const values = found.map(f => f.values[i]!)
        const spread = Math.sqrt(variance(values))
        // Results that do not depend on the draw are exact.
        if (spread < 1e-12 * Math.abs(want)) return void expect(Math.abs(values[0]! / want - 1)).toBeLessThan(1e-11)
        // |z| of Student's t with 39 degrees of freedom is above 4.5 once in 16,000.
        expect((Math.abs(mean(values) - want) / spread) * Math.sqrt(SEEDS)).toBeLessThan(4.5)
        const reported = Math.sqrt(mean(found.map(f => f.errors[i]! ** 2)))
        expect(reported / spread).toBeGreaterThan(0.5)
        expect(reported / spread).toBeLessThan(2)
      })
    }

    it('order totals of subsets, against the differences of all small sets', async () => {
      const { tower, x } = randomTower({ activation: 'tanh', depth: 21, scale: 0.3, width: 3 })
      const exact = [0, 1, 2].flatMap(k => {
        const sets = differences(tower, x, 2).filter(d => d.set.size === k)
        return [...sets.reduce((s, d) => s.map((v, i) => v + d.value[i]!), new Float64Array(4))]
      })
      await expectUnbiased(async seed => {
        const { coefficients, standardError } = subsets(tower, x, 2, { samples: 24, seed })
        return { values: values(coefficients), errors: values(standardError!) }
      }, exact)
    })

    const { tower, x } = (() => {
      const before = useBackend(backend)
      const made = randomTower({ activation: 'gelu', depth: 5, scale: 0.7, norm: 'layer' })
      useBackend(before)
      return made
    })()

    it('second moments of gated and gradient paths, against the recursion', async () => {
      const { moment: ofOutput } = await gatedMoments(tower, x, 'all', { exact: true })
      await expectUnbiased(async seed => {
        const { moment, standardError } = await gatedMoments(tower, x, 'all', { exact: false, probes: 16, seed })
        return { values: moment, errors: standardError! }
      }, ofOutput)
      const { moment: ofGradient } = await gradientMoments(tower, x, 1, 'all', { exact: true })
      await expectUnbiased(async seed => {
        const { moment, standardError } = await gradientMoments(tower, x, 1, 'all', { exact: false, probes: 16, seed })
        return { values: moment, errors: standardError! }
      }, ofGradient)
    })

    it('geometric complexity, against one pass an output', async () => {
      const flat = (rows: readonly Float64Array[]) => rows.flatMap(r => [...r])
      const { gram, total } = await geometricComplexity(tower, x, 'all')
      await expectUnbiased(
        async seed => {
          const found = await geometricComplexity(tower, x, 'all', { probes: 16, seed })
          return {
            values: [...flat(found.gram), found.total],
            errors: [...flat(found.standardError!.gram), found.standardError!.total],
          }
        },
        [...flat(gram), total],
      )
    })

    it('norms of single gradient paths, against all of them', async () => {
      const lengths = [0, 1, 2, 3, 4, 5]
      const paths = gradientPaths(tower, x, 1)
      const exact = lengths.map(k => {
        const own = paths.filter(p => p.set.size === k)
        return mean(own.map(p => (norm(p.value.subarray(0, 3)) + norm(p.value.subarray(3))) / 2))
      })
      await expectUnbiased(async seed => {
        const found = await sampleGradientPaths(tower, x, 1, lengths, { samples: 16, seed })
        return { values: found.map(f => f.mean), errors: found.map(f => f.standardError) }
      }, exact)
    })
  },
)

it('weights are one number for each block', () => {
  const { tower, x } = randomTower({ activation: 'tanh', depth: 3, scale: 0.5 })
  const expansions = [
    (weights: unknown) => gated(tower, x, 'all', { weights: weights as number[] }),
    (weights: unknown) => gradient(tower, x, 0, 'all', { weights: weights as number[] }),
  ]
  for (const expand of expansions) {
    for (const wrong of [[-1], [1, -1, 1, 1], [1, -1, 'a'], eye(3), 2])
      expect(() => expand(wrong)).toThrow('weights must be a list of 3 numbers, one for each block')
    expect(values(expand(Float64Array.of(-1, 0.5, 2)).coefficients)).toEqual(values(expand([-1, 0.5, 2]).coefficients))
  }
})

it('paths of no inputs have nothing to measure', async () => {
  const { tower, x } = randomTower({ activation: 'tanh', depth: 3, scale: 0.5 })
  const none = narrow(x, 0, 0, 0)
  await expect(sampleGradientPaths(tower, none, 0, [1, 2])).rejects.toThrow('give at least one input')
})
