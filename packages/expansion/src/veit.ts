import type { Tower } from '@unravel/resnet'
import { add, backendOf, mul, Random, reshape, scope, type Tensor, tensor, vjp } from '@unravel/tensor'
import { chainCounts } from './counts.js'
import { embedded, oneElement, statesOf } from './gradient.js'
import { numbersOf } from './stacks.js'

/** Norms of single gradient paths of one length. */
export interface PathSample {
  readonly length: number
  /** Mean over sampled paths and inputs of the norm of the gradient through one path. */
  readonly mean: number
  readonly standardError: number
}

/**
 * The figure of Veit et al. (arXiv 1605.06431, §5): for each length, paths drawn uniformly among the C(n,k), and the norm of
 * the gradient that passes through the branches of the path and the skips of the other blocks. All samples travel together,
 * one block-vjp of them each.
 *
 * @param lengths each from 0 to the number of blocks
 * @param samples paths drawn for each length, at least 2
 */
export async function sampleGradientPaths(
  network: Tower,
  input: Tensor,
  target: number,
  lengths: readonly number[],
  { samples = 16, seed = 0 }: { readonly samples?: number; readonly seed?: number } = {},
): Promise<PathSample[]> {
  const { tower, x } = embedded(network, input)
  const n = tower.blocks.length
  if (!Number.isSafeInteger(samples) || samples < 2) {
    throw new RangeError(`sampleGradientPaths: samples must be an integer of at least 2, got ${samples}`)
  }
  for (const k of lengths) {
    if (!Number.isSafeInteger(k) || k < 0 || k > n) throw new RangeError(`a path has 0 to ${n} branches, got ${k}`)
  }
  const random = new Random(seed)
  const drawn = lengths.flatMap(k =>
    Array.from({ length: samples }, () => new Set(Array.from(random.permutation(n)).slice(0, k))),
  )
  const pulled = scope(() => {
    const states = statesOf(tower, x)
    const top = vjp(tower.decode, states[n]!)
    const g = top.pullback(oneElement(top.value, target))
    const ones = tensor(new Float64Array(drawn.length).fill(1), {
      shape: [drawn.length, ...g.shape.map(() => 1)],
      dtype: g.dtype,
      backend: backendOf(g),
    })
    let paths: Tensor = mul(ones, g)
    for (let l = n - 1; l >= 0; l--) {
      const before = paths
      paths = scope(() => {
        const { skip, branch, scale } = tower.blocks[l]!
        const h = states[l]!
        const mask = (value: number, of: boolean) =>
          tensor(
            Float64Array.from(drawn, s => (s.has(l) === of ? value : 0)),
            {
              shape: [drawn.length, ...h.shape.map(() => 1)],
              dtype: h.dtype,
              backend: backendOf(h),
            },
          )
        const skipped = skip === undefined ? before : vjp(skip, h).pullback(before)
        return add(mul(skipped, mask(1, false)), mul(vjp(branch, h).pullback(before), mask(scale, true)))
      })
    }
    const out = vjp(tower.encode, x).pullback(paths)
    return reshape(out, [drawn.length, x.shape[0]!, -1])
  })
  const [, batch, size] = pulled.shape as [number, number, number]
  const data = await numbersOf(pulled)
  const norms = drawn.map((_, i) => {
    let total = 0
    for (let b = 0; b < batch; b++) {
      const from = (i * batch + b) * size
      total += Math.hypot(...data.subarray(from, from + size)) / batch
    }
    return total
  })
  return lengths.map((length, i) => {
    const own = norms.slice(i * samples, (i + 1) * samples)
    const mean = own.reduce((a, b) => a + b, 0) / samples
    const variance = own.reduce((a, b) => a + (b - mean) ** 2, 0) / (samples - 1)
    return { length, mean, standardError: Math.sqrt(variance / samples) }
  })
}

/** The share of the 2^n paths of a tower of n blocks whose length is between two bounds: Σ C(n,k)/2^n. */
export function pathShare(blocks: number, from: number, to: number): number {
  const counts = chainCounts(blocks, Math.min(to, blocks))
  let sum = 0n
  for (let k = Math.max(0, from); k < counts.length; k++) sum += counts[k]!
  // 60 bits of the quotient.
  return Number((sum << 60n) >> BigInt(blocks)) / 2 ** 60
}

/** The shortest range of lengths that holds at least `fraction` of the weights, by growing from the largest. Throws
 *  RangeError for a fraction outside of 0..1. */
export function effectiveLengths(
  weights: ArrayLike<number>,
  fraction = 0.95,
): { readonly from: number; readonly to: number } {
  if (!(fraction >= 0 && fraction <= 1)) throw new RangeError(`effectiveLengths: a fraction is 0 to 1, got ${fraction}`)
  const w = Array.from(weights, v => (Number.isFinite(v) ? Math.max(0, v) : 0))
  const total = w.reduce((a, b) => a + b, 0)
  let from = w.indexOf(Math.max(...w))
  let to = from
  let held = w[from] ?? 0
  // Summed in another order, all of them may be less than their total.
  while (held < fraction * total && (from > 0 || to < w.length - 1)) {
    const [left, right] = [w[from - 1] ?? -1, w[to + 1] ?? -1]
    held += Math.max(left, right)
    if (left > right) from--
    else to++
  }
  return { from, to }
}
