import type { Tower } from '@unravel/resnet'
import { js, jvp, matmul, Random, type Tensor, tanh, useBackend, wasm } from '@unravel/tensor'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  damage,
  gated,
  gatedAttribution,
  gatedMoments,
  geometricComplexity,
  gradient,
  gradientAttribution,
  gradientMoments,
  sampleGradientPaths,
  subsets,
  taylor,
  taylorAttribution,
  withoutBlocks,
} from './index.js'
import { dot, rows, values } from './oracles/numbers.js'
import { differences, gatedPaths, gradientPaths, type Path, powerSet, silenced } from './oracles/paths.js'
import { toNumber } from './oracles/rational.js'
import { randomTower } from './oracles/towers.js'
import { enumerateTrees, type Tree, weight } from './oracles/trees.js'
import { norm } from './spectrum.js'

const BATCH = 2
const total = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0)
/** The sum of the paths of a length that a test picks. */
const sumOf = (paths: readonly Path[], length: number, test: (set: ReadonlySet<number>) => boolean = () => true) =>
  paths
    .filter(({ set }) => set.size === length && test(set))
    .reduce((sum, { value }) => sum.map((v, i) => v + value[i]!), new Float64Array(paths[0]!.value.length))
const largest = (paths: readonly Path[]) => Math.max(1e-3, ...paths.map(p => norm(p.value)))

interface Options {
  readonly depth: number
  readonly scale: number
  readonly activation: NonNullable<Parameters<typeof randomTower>[0]['activation']>
  readonly norm: NonNullable<Parameters<typeof randomTower>[0]['norm']>
  readonly seed: number
  /** Whether block 1 has a skip that is no identity, and scales differ. */
  readonly odd: boolean
}
const smooth = ['identity', 'tanh', 'sigmoid', 'silu', 'softplus', 'gelu', 'gelu_tanh'] as const
const options = (activations: readonly Options['activation'][]) =>
  fc.record<Options>({
    depth: fc.integer({ min: 0, max: 4 }),
    scale: fc.double({ min: -1.2, max: 1.2, noNaN: true }),
    activation: fc.constantFrom(...activations),
    norm: fc.constantFrom('none', 'layer', 'rms', 'batch'),
    seed: fc.nat(1000),
    odd: fc.boolean(),
  })

function towerOf(o: Options): { tower: Tower; x: Tensor } {
  const { tower, x } = randomTower(o)
  if (!o.odd) return { tower, x }
  const w = new Random(o.seed).normal([4, 4], 0, 0.5, { dtype: 'f64' })
  const blocks = tower.blocks.map((b, l) => ({
    ...b,
    scale: b.scale * (1 - 0.2 * l),
    ...(l === 1 ? { skip: (h: Tensor) => matmul(h, w) } : {}),
  }))
  return { tower: { encode: tower.encode, decode: tower.decode, blocks }, x }
}

const check = (activations: readonly Options['activation'][], body: (o: Options) => Promise<void>) =>
  fc.assert(fc.asyncProperty(options(activations), body), { numRuns: 30 })

describe.each([['js', js()] as const, ['wasm', wasm()] as const])('random towers on %s', (_, backend) => {
  const before = useBackend(js())
  useBackend(before)
  beforeAll(() => void useBackend(backend))
  afterAll(() => void useBackend(before))

  it('gated: orders, blocks, pairs and moments are those of single paths', () =>
    check([...smooth, 'relu'], async o => {
      const { tower, x } = towerOf(o)
      const n = tower.blocks.length
      const paths = gatedPaths(tower, x)
      const size = largest(paths)
      const close = (a: number, b: number, unit = size) => expect(Math.abs(a - b)).toBeLessThan(1e-11 * unit)
      rows(gated(tower, x, 'all').coefficients).forEach((order, k) => {
        const want = sumOf(paths, k)
        order.forEach((v, i) => void close(v, want[i]!))
      })
      const direction = new Random(o.seed).normal([BATCH, 2], 0, 1, { dtype: 'f64' })
      const along = (v: Float64Array) => dot(v, values(direction))
      const { totals, blocks, pairs } = await gatedAttribution(tower, x, 'all', { direction })
      for (let k = 0; k <= n; k++) {
        close(totals[k]!, along(sumOf(paths, k)), 10 * size)
        for (let i = 0; i < n; i++) close(blocks[k]![i]!, along(sumOf(paths, k, s => s.has(i))), 10 * size)
        close(total(blocks[k]!), k * totals[k]!, 40 * size)
      }
      for (let j = 0; j < n; j++) {
        for (let i = 0; i < j; i++) close(pairs[i]![j]!, along(sumOf(paths, 2, s => s.has(i) && s.has(j))), 10 * size)
      }
      const { moment } = await gatedMoments(tower, x, 'all', { exact: true })
      for (let k = 0; k <= n; k++) {
        const want = total(paths.filter(p => p.set.size === k).map(p => norm(p.value) ** 2)) / BATCH
        close(moment[k]!, want, size ** 2)
      }
    }))

  it('gradient: orders, blocks, pairs, moments, complexity and samples are those of single paths', () =>
    check([...smooth, 'relu'], async o => {
      const { tower, x } = towerOf(o)
      const n = tower.blocks.length
      const [first, second] = [gradientPaths(tower, x, 0), gradientPaths(tower, x, 1)]
      const size = Math.max(largest(first), largest(second))
      const close = (a: number, b: number, unit = size) => expect(Math.abs(a - b)).toBeLessThan(1e-11 * unit)
      rows(gradient(tower, x, 1, 'all').coefficients).forEach((order, k) => {
        const want = sumOf(second, k)
        order.forEach((v, i) => void close(v, want[i]!))
      })
      const direction = new Random(o.seed).normal([BATCH, 3], 0, 1, { dtype: 'f64' })
      const along = (v: Float64Array) => dot(v, values(direction))
      const { totals, blocks, pairs } = await gradientAttribution(tower, x, 1, 'all', { direction })
      for (let k = 0; k <= n; k++) {
        close(totals[k]!, along(sumOf(second, k)), 10 * size)
        for (let i = 0; i < n; i++) close(blocks[k]![i]!, along(sumOf(second, k, s => s.has(i))), 10 * size)
      }
      for (let j = 0; j < n; j++) {
        for (let i = 0; i < j; i++) close(pairs[i]![j]!, along(sumOf(second, 2, s => s.has(i) && s.has(j))), 10 * size)
      }
      const { moment } = await gradientMoments(tower, x, 1, 'all', { exact: true })
      const { gram } = await geometricComplexity(tower, x, 'all')
      for (let k = 0; k <= n; k++) {
        close(moment[k]!, total(second.filter(p => p.set.size === k).map(p => norm(p.value) ** 2)) / BATCH, size ** 2)
        for (let j = 0; j <= n; j++) {
          const want = [first, second].map(paths => dot(sumOf(paths, k), sumOf(paths, j)) / BATCH)
          close(gram[k]![j]!, total(want), 20 * size ** 2)
        }
      }
      // One path has length 0, and one takes every branch.
      const sampled = await sampleGradientPaths(tower, x, 1, [0, n], { samples: 2 })
      for (const { length, mean } of sampled) {
        const only = second.find(p => p.set.size === length)!.value
        const each = [only.subarray(0, 3), only.subarray(3)].map(g => norm(g))
        close(mean, total(each) / BATCH)
      }
    }))

  it('subsets: order totals are sums of differences of runs; lesions are runs without branches', () =>
    check([...smooth, 'relu'], async o => {
      const { tower, x } = towerOf(o)
      const found = differences(tower, x)
      const size = largest(found)
      rows(subsets(tower, x, 'all').coefficients).forEach((order, k) => {
        const want = sumOf(found, k)
        order.forEach((v, i) => void expect(Math.abs(v - want[i]!)).toBeLessThan(1e-11 * size))
      })
      const whole = gated(tower, x, 0).total
      for (const removed of powerSet(tower.blocks.length)) {
        const { change } = await damage(withoutBlocks(tower, removed), x, whole)
        const gap = silenced(tower, x, removed).map((v, i) => v - values(whole)[i]!)
        expect(Math.abs(change * norm(values(whole)) - norm(gap))).toBeLessThan(1e-11 * size)
      }
    }))

  it('taylor: orders are sums over all rooted trees, and blocks and pairs over those through them', () =>
    check(smooth, async o => {
      const { tower: affine, x } = towerOf({ ...o, odd: false })
      const { encode, blocks: branches } = affine
      // A decoder that is not affine is one more block, which is the root of every tree.
      const tower: Tower = { encode, blocks: branches, decode: h => tanh(affine.decode(h)) }
      const maps = [...branches.map(b => b.branch), tower.decode]
      const [n, most] = [branches.length, 3]
      const start = encode(x)
      const computed = new Map<Tree, Tensor>()
      /** F_l^(m)(h)[children], by nested directional derivatives. */
      const value = (tree: Tree): Tensor => {
        const known = computed.get(tree)
        if (known !== undefined) return known
        let f = maps[tree.block - 1]!
        for (const child of tree.children.map(value)) {
          const below = f
          f = h => jvp(below, h, child)[1]
        }
        const result = f(start)
        computed.set(tree, result)
        return result
      }
      const blocksBelow = (tree: Tree): number[] => tree.children.flatMap(c => [c.block - 1, ...blocksBelow(c)])
      const found = taylor(tower, x, most)
      const direction = new Random(o.seed).normal([BATCH, 2], 0, 1, { dtype: 'f64' })
      const { totals, blocks, pairs } = await taylorAttribution(tower, x, { direction })
      const along = (v: Float64Array) => dot(v, values(direction))
      for (let k = 1; k <= most; k++) {
        const terms = enumerateTrees(n + 1, k + 1)
          .filter(tree => tree.block === n + 1)
          .map(tree => ({
            through: new Set(blocksBelow(tree)),
            value: values(value(tree)).map(v => v * toNumber(weight(tree)) * o.scale ** k),
          }))
        const size = Math.max(1e-3, ...terms.map(t => norm(t.value)))
        const close = (a: number, b: number) => expect(Math.abs(a - b)).toBeLessThan(1e-10 * size)
        const sum = (test: (s: ReadonlySet<number>) => boolean) =>
          terms
            .filter(t => test(t.through))
            .reduce((s, t) => s.map((v, i) => v + t.value[i]!), new Float64Array(2 * BATCH))
        const want = sum(() => true)
        rows(found.coefficients)[k]!.forEach((v, i) => void close(v, want[i]!))
        if (k > 2) continue
        close(totals[k]!, along(want))
        close(total(blocks[k]!), k * totals[k]!)
        if (k === 1) blocks[1]!.forEach((v, i) => void close(v, along(sum(s => s.has(i)))))
        else
          pairs.forEach((row, i) => {
            for (let j = i; j < n; j++) close(row[j]!, along(sum(s => s.has(i) && s.has(j) && (i < j || s.size === 1))))
          })
      }
    }))
})
