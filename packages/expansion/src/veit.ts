import type { Tower } from '@unravel/resnet'
import { add, mul, Random, release, reshape, scope, type Tensor, tensor, vjp } from '@unravel/tensor'
import { like } from '@unravel/tensor/internals'
import { chainCounts } from './counts.js'
import { embedded, oneElement, statesOf } from './gradient.js'
import { norm } from './spectrum.js'
import { numbersOf } from './stacks.js'

/** Norms of single gradient paths of one length. */
export interface PathSample {
  readonly length: number
  /** Mean over sampled paths and inputs of the norm of the gradient through one path. */
  readonly mean: number
  readonly standardError: number
}

export interface SampleOptions {
  /** Paths drawn for each length (default 16). */
  readonly samples?: number
  /** Default 0. */
  readonly seed?: number
  /** Called with the block-vjps done, of all. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

/** Numbers in the cotangents of the paths that travel together. */
const MAX_TOGETHER = 2 ** 23

/**
 * The figure of Veit et al. (arXiv 1605.06431, §5): for each length, paths drawn uniformly among the C(n,k), and the norm of
 * the gradient that passes through the branches of the path and the skips of the other blocks. Samples travel together, as
 * many as fit in 2^23 numbers, with one block-vjp of them each.
 *
 * @param lengths each from 0 to the number of blocks
 * @param options `samples` paths for each length, at least 2
 */
export async function sampleGradientPaths(
  network: Tower,
  input: Tensor,
  target: number,
  lengths: readonly number[],
  { samples = 16, seed = 0, onProgress }: SampleOptions = {},
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
  // 1 for the blocks whose branch a path takes.
  const drawn = lengths.flatMap(k =>
    Array.from({ length: samples }, () => {
      const taken = new Uint8Array(n)
      for (const l of random.permutation(n).subarray(0, k)) taken[l] = 1
      return taken
    }),
  )
  const largest = scope(() => statesOf(tower, x).reduce((most, h) => Math.max(most, h.size), x.size))
  const together = Math.max(1, Math.floor(MAX_TOGETHER / largest))
  const norms: number[] = []
  const onBlock = (done: number, of: number) => onProgress?.(norms.length * n + done * of, drawn.length * n)
  for (let first = 0; first < drawn.length; first += together) {
    const paths = drawn.slice(first, first + together)
    const pulled = scope(() => pulledAlong(tower, x, target, paths, done => onBlock(done, paths.length)))
    const [, batch, size] = pulled.shape as [number, number, number]
    const data = await numbersOf(pulled)
    pulled.dispose()
    for (let i = 0; i < paths.length; i++) {
      let total = 0
      for (let b = 0; b < batch; b++) {
        const from = (i * batch + b) * size
        total += norm(data.subarray(from, from + size)) / batch
      }
      norms.push(total)
    }
  }
  return lengths.map((length, i) => {
    const own = norms.slice(i * samples, (i + 1) * samples)
    const mean = own.reduce((a, b) => a + b, 0) / samples
    const variance = own.reduce((a, b) => a + (b - mean) ** 2, 0) / (samples - 1)
    return { length, mean, standardError: Math.sqrt(variance / samples) }
  })
}

/** The gradient of an output element that passes along each of some paths: `[paths, batch, size of an input]`. */
function pulledAlong(
  tower: Tower,
  x: Tensor,
  target: number,
  drawn: readonly Uint8Array[],
  onBlock: (done: number) => void,
): Tensor {
  const n = tower.blocks.length
  const states = statesOf(tower, x)
  /** A number for each path, to multiply its cotangent of a tensor like h. */
  const mask = (h: Tensor, value: (path: Uint8Array) => number) =>
    tensor(Float64Array.from(drawn, value), {
      shape: [drawn.length, ...h.shape.map(() => 1)],
      ...like(h),
    })
  let paths = scope(() => {
    const top = vjp(tower.decode, states[n]!)
    const g = top.pullback(oneElement(top.value, target))
    return mul(
      mask(g, () => 1),
      g,
    )
  })
  for (let l = n - 1; l >= 0; l--) {
    const before = paths
    const h = states[l]!
    paths = scope(() => {
      const { skip, branch, scale } = tower.blocks[l]!
      const skipped = skip === undefined ? before : vjp(skip, h).pullback(before)
      const through = vjp(branch, h).pullback(before)
      return add(
        mul(
          skipped,
          mask(h, path => 1 - path[l]!),
        ),
        mul(
          through,
          mask(h, path => path[l]! * scale),
        ),
      )
    })
    release(before, states.pop()!)
    onBlock(n - l)
  }
  return reshape(vjp(tower.encode, x).pullback(paths), [drawn.length, x.shape[0]!, -1])
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
  let from = w.indexOf(w.reduce((a, b) => Math.max(a, b), 0))
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
