import type { Tower } from '@unravel/resnet'
import {
  broadcastTo,
  concat,
  gather,
  mul,
  Random,
  release,
  reshape,
  scope,
  type Tensor,
  tensor,
  vjp,
} from '@unravel/tensor'
import { shown } from '@unravel/tensor/internals'
import { chainCounts } from './counts.js'
import { cotangentOf, embedded, statesOf, type Target, together } from './gradient.js'
import { checkBatch } from './orders.js'
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
  target: Target,
  lengths: readonly number[],
  { samples = 16, seed = 0, onProgress }: SampleOptions = {},
): Promise<PathSample[]> {
  const { tower, x } = embedded(network, input)
  checkBatch('sampleGradientPaths', x)
  const n = tower.blocks.length
  if (!Number.isSafeInteger(samples) || samples < 2) {
    throw new RangeError(`sampleGradientPaths: samples must be an integer of at least 2, got ${shown(samples)}`)
  }
  for (const k of lengths) {
    if (!Number.isSafeInteger(k) || k < 0 || k > n)
      throw new RangeError(`a path has 0 to ${n} branches, got ${shown(k)}`)
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
  const most = together(tower, x, 1)
  const norms: number[] = []
  const onBlock = (done: number, of: number) => onProgress?.(norms.length * n + done * of, drawn.length * n)
  for (let first = 0; first < drawn.length; first += most) {
    const paths = drawn.slice(first, first + most)
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
  target: Target,
  drawn: readonly Uint8Array[],
  onBlock: (done: number) => void,
): Tensor {
  const n = tower.blocks.length
  const states = statesOf(tower, x)
  const rows = (paths: Tensor, at: readonly number[]) =>
    gather(paths, tensor(Int32Array.from(at), { dtype: 'i32', backend: paths.backend }))
  let paths = scope(() => {
    const { value, pullback } = vjp(tower.decode, states[n]!)
    const g = pullback(cotangentOf(value, target))
    return broadcastTo(g, [drawn.length, ...g.shape])
  })
  // Which path each row is of.
  let order = drawn.map((_, i) => i)
  for (let l = n - 1; l >= 0; l--) {
    const before = paths
    const h = states[l]!
    const { skip, branch, scale } = tower.blocks[l]!
    const places = (takes: number) => order.flatMap((path, row) => (drawn[path]![l] === takes ? [row] : []))
    const [past, through] = [places(0), places(1)]
    paths = scope(() => {
      const parts: Tensor[] = []
      if (past.length > 0) {
        const own = rows(before, past)
        parts.push(skip === undefined ? own : vjp(skip, h).pullback(own))
      }
      if (through.length > 0) parts.push(mul(vjp(branch, h).pullback(rows(before, through)), scale))
      return concat(parts, 0)
    })
    order = [...past, ...through].map(row => order[row]!)
    release(before, states.pop()!)
    onBlock(n - l)
  }
  const sorted = rows(
    paths,
    drawn.map((_, i) => order.indexOf(i)),
  )
  return reshape(vjp(tower.encode, x).pullback(sorted), [drawn.length, x.shape[0]!, -1])
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
  if (!(fraction >= 0 && fraction <= 1))
    throw new RangeError(`effectiveLengths: a fraction is 0 to 1, got ${shown(fraction)}`)
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
