import type { Block, Tower } from '@unravel/resnet'
import {
  addScaled,
  broadcastTo,
  concat,
  eye,
  gated as freeze,
  mul,
  narrow,
  Random,
  release,
  reshape,
  scope,
  sum,
  sumSquares,
  type Tensor,
  tensor,
  transpose,
  vjp,
} from '@unravel/tensor'
import { addAligned, head, like, padded, shown } from '@unravel/tensor/internals'
import { frozen, gated } from './gated.js'
import { cotangentOf, embedded, gradient, gradientPaths, statesOf, type Target, together } from './gradient.js'
import { checkBatch, lastOrder } from './orders.js'
import { orderNorms } from './spectrum.js'
import { taken, withNext } from './stacks.js'

/** Single paths and their sums, by length k = 0..orders; means over the batch. */
export interface Moments {
  readonly expansion: 'gated' | 'gradient'
  /** Σ over paths p of length k of ‖p‖², the trace of the second moment M_k. */
  readonly moment: Float64Array
  /** Of `moment`, where it was estimated from probes; null where it is exact. */
  readonly standardError: Float64Array | null
  /** Root mean square of ‖Σ p‖, the norm of order k. */
  readonly norms: Float64Array
  /** κ_k = ‖S_k‖²/tr M_k, between 0 and C(n,k): about 1 where paths are as good as independent, C(n,k) where they align. */
  readonly coherence: Float64Array
}

export interface MomentOptions {
  /** Random sign patterns, where the exact recursion does not fit (default 64). */
  readonly probes?: number
  /** Default 0. */
  readonly seed?: number
  /** Force the exact recursion, or the probes. Default: exact where states are vectors of at most 512 numbers, the second
   *  moments of all orders and inputs take no more than 2^25 numbers, and the products of square matrices of the width of
   *  the states, one for each block, order and input, no more than 2^37 multiplications. */
  readonly exact?: boolean
  /** Called with the blocks or passes done, of all. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

const MAX_WIDTH = 512
const MAX_NUMBERS = 2 ** 25
const MAX_WORK = 2 ** 37
/** Blocks × orders × inputs of one probe; of a longer batch, a probe sees as many inputs as that allows, drawn anew. */
const MAX_PROBED = 2 ** 17

/**
 * The second moments of single paths of the `gated` expansion: M_k ← s M_k sᵀ + λ² A M_{k−1} Aᵀ, with the first branch of a
 * path bringing its bias. Beyond what fits, by random signs: with independent signs ε_l on the blocks, distinct paths carry
 * uncorrelated signs, so that E‖Σ ε_p p‖² = Σ ‖p‖².
 */
export async function gatedMoments(
  tower: Tower,
  x: Tensor,
  orders: number | 'all',
  options: MomentOptions = {},
): Promise<Moments> {
  const n = tower.blocks.length
  const most = lastOrder('gatedMoments', orders, n)
  const pass = (weights: readonly number[] | undefined, inputs: Tensor) =>
    scope(() => gated(tower, inputs, most, { weights }).coefficients)
  const sums = await squares(pass(undefined, x))
  const exact = () => scope(() => exactGated(tower, x, most, options.onProgress))
  const probed = ([weights]: readonly Signs[], inputs: Tensor) => {
    const coefficients = pass(weights, inputs)
    return reshape(coefficients, [most + 1, 1, ...coefficients.shape.slice(1)])
  }
  return moments('gated', tower, x, most, sums, options, exact, { together: () => 1, probed })
}

/** The same of gradient paths of a target, from the last block to the input. */
export async function gradientMoments(
  network: Tower,
  input: Tensor,
  target: Target,
  orders: number | 'all',
  options: MomentOptions = {},
): Promise<Moments> {
  const { tower, x } = embedded(network, input)
  const n = tower.blocks.length
  const most = lastOrder('gradientMoments', orders, n)
  const seed = (output: Tensor) => cotangentOf(output, target)
  const sums = await squares(scope(() => gradient(tower, x, target, most).coefficients))
  const exact = () => scope(() => exactGradient(tower, x, seed, most, options.onProgress))
  const probed = (probes: readonly Signs[], inputs: Tensor) =>
    gradientPaths(tower, inputs, output => broadcastTo(seed(output), [probes.length, ...output.shape]), most, {
      weights: tower.blocks.map((_, l) =>
        tensor(
          probes.map(signs => signs[l]!),
          like(inputs),
        ),
      ),
    })
  return moments('gradient', tower, x, most, sums, options, exact, {
    together: () => together(tower, x, most + 1),
    probed,
  })
}

/** Σ of squares over every stack of a batch, and its mean over the batch; the coefficients are freed. */
async function squares(coefficients: Tensor, stacks = 1): Promise<Float64Array> {
  checkBatch('moments', coefficients)
  const rows = coefficients.shape.slice(0, stacks).reduce((a, b) => a * b, 1)
  const batch = coefficients.shape[stacks]!
  const norms = orderNorms(await taken(coefficients), rows, batch, coefficients.size / rows / batch)
  return norms.map(x => x * x)
}

async function moments(
  expansion: 'gated' | 'gradient',
  tower: Tower,
  x: Tensor,
  most: number,
  sums: Float64Array,
  { probes = 64, seed = 0, exact = fits(tower, x, most), onProgress }: MomentOptions,
  recursion: () => Tensor,
  { together, probed }: Probing,
): Promise<Moments> {
  const norms = sums.map(Math.sqrt)
  const of = (moment: Float64Array, standardError: Float64Array | null): Moments => ({
    ...{ expansion, moment, standardError, norms },
    coherence: sums.map((s, k) => (moment[k] === 0 ? Number.NaN : s / moment[k]!)),
  })
  if (exact) return of(await taken(recursion()), null)
  if (!Number.isSafeInteger(probes) || probes < 2) {
    throw new RangeError(`moments: probes must be an integer of at least 2, got ${shown(probes)}`)
  }
  const random = new Random(seed)
  const n = tower.blocks.length
  const batch = x.shape[0]!
  const seen = Math.min(batch, Math.max(1, Math.floor(MAX_PROBED / Math.max(1, n * (most + 1)))))
  const mean = new Float64Array(most + 1)
  const spread = new Float64Array(most + 1)
  const drawn = (): Signs => [...random.uniform([n], -1, 1).dataSync()].map(u => (u < 0 ? -1 : 1))
  const all = seen === batch
  const atOnce = all ? together() : 1
  for (let done = 0; done < probes; ) {
    const signs = Array.from({ length: Math.min(atOnce, probes - done) }, drawn)
    const places = all ? undefined : random.permutation(batch).slice(0, seen)
    const found = await squares(
      scope(() => probed(signs, places === undefined ? x : rowsOf(x, places))),
      2,
    )
    for (let p = 0; p < signs.length; p++) {
      done++
      for (let k = 0; k <= most; k++) {
        const value = found[k * signs.length + p]!
        const gap = value - mean[k]!
        mean[k]! += gap / done
        spread[k]! += gap * (value - mean[k]!)
      }
    }
    onProgress?.(done, probes)
  }
  return of(
    mean,
    spread.map(s => Math.sqrt(s / (probes * (probes - 1)))),
  )
}

/** A sign for each block. */
type Signs = readonly number[]

/** Passes with signs on the branches. */
interface Probing {
  /** Probes of all inputs that one pass takes. */
  readonly together: () => number
  /** Coefficients `[orders + 1, probes, ...x]`. */
  readonly probed: (probes: readonly Signs[], inputs: Tensor) => Tensor
}

/** The inputs at some places of a batch. */
const rowsOf = (x: Tensor, places: Int32Array): Tensor =>
  concat(
    Array.from(places, i => narrow(x, 0, i, 1)),
    0,
  )

/** Whether second moments of all states, orders and inputs fit. */
function fits(tower: Tower, x: Tensor, most: number): boolean {
  if (x.dtype === 'i32' || x.rank !== 2) return false
  return scope(() => {
    const states = statesOf(tower, x)
    const all = [x, ...states, tower.decode(states[states.length - 1]!)]
    return all.every(s => {
      const d = s.shape[s.rank - 1]!
      const moments = (most + 1) * s.shape[0]! * d * d
      const work = s === x ? 0 : moments * d * tower.blocks.length
      return s.rank === 2 && (s === x || d <= MAX_WIDTH) && moments <= MAX_NUMBERS && work <= MAX_WORK
    })
  })
}

/** v vᵀ for every input: `[1, d, batch, d]` from `[batch, d]`. */
const outer = (v: Tensor): Tensor => {
  const [batch, d] = v.shape as [number, number]
  return mul(reshape(transpose(v), [1, d, batch, 1]), reshape(v, [1, 1, batch, d]))
}

/** B M Bᵀ for stacked symmetric M `[k, d, batch, d]` and a linear map B of rows. */
function twoSided(map: (rows: Tensor) => Tensor, m: Tensor): Tensor {
  return map(transpose(map(m), [0, 3, 2, 1]))
}

/** Traces, averaged over the batch: `[k]` from `[k, d, batch, d]`. */
function traces(m: Tensor): Tensor {
  const [, d, batch] = m.shape as [number, number, number]
  const diagonal = reshape(eye(d, like(m)), [1, d, 1, d])
  return mul(sum(mul(m, diagonal), [1, 2, 3]), 1 / batch)
}

function exactGradient(
  tower: Tower,
  x: Tensor,
  seed: (output: Tensor) => Tensor,
  most: number,
  onProgress: MomentOptions['onProgress'],
): Tensor {
  const states = statesOf(tower, x)
  const top = vjp(tower.decode, states[states.length - 1]!)
  let m = outer(top.pullback(seed(top.value)))
  for (let l = tower.blocks.length - 1; l >= 0; l--) {
    const before = m
    m = scope(() => {
      const { skip, branch, scale } = tower.blocks[l]!
      const h = states[l]!
      const skipped = skip === undefined ? before : twoSided(vjp(skip, h).pullback, before)
      const through = twoSided(vjp(branch, h).pullback, head(before, Math.max(most, 1)))
      return head(withNext(skipped, through, scale ** 2), most + 1)
    })
    release(before)
    onProgress?.(tower.blocks.length - l, tower.blocks.length)
  }
  return padded(traces(twoSided(vjp(tower.encode, x).pullback, m)), most + 1)
}

function exactGated(tower: Tower, x: Tensor, most: number, onProgress: MomentOptions['onProgress']): Tensor {
  const encoded = tower.encode(x)
  let value = encoded
  // The path through no branch; then the second moments of those of length 1, 2, …
  let straight = reshape(encoded, [1, ...encoded.shape])
  let m: Tensor | undefined
  for (const [l, block] of tower.blocks.entries()) {
    const before = { value, straight, m }
    const after = scope(() => momentStep(block, before, most))
    for (const old of Object.values(before)) {
      if (old !== undefined && old !== after.straight && old !== after.m) release(old)
    }
    onProgress?.(l + 1, tower.blocks.length)
    value = after.value
    straight = after.straight
    m = after.m
  }
  const first = freeze(tower.decode, value, straight, 0).stack
  const batch = first.shape[1]!
  const zeroth = reshape(mul(sumSquares(first), 1 / batch), [1])
  if (m === undefined || most === 0) return padded(zeroth, most + 1)
  const rest = traces(twoSided(linearPart(tower.decode, value), m))
  return padded(withNext(zeroth, rest, 1), most + 1)
}

/** The frozen map of rows `[k, d, batch, d′]`, biases left out. */
function linearPart(f: (h: Tensor) => Tensor, value: Tensor) {
  return (rows: Tensor): Tensor => {
    const [k, d] = rows.shape as [number, number]
    const out = frozen(f, value, reshape(rows, [k * d, ...rows.shape.slice(2)]))
    return reshape(out, [k, d, ...out.shape.slice(1)])
  }
}

function momentStep(
  block: Block,
  { value, straight, m }: { value: Tensor; straight: Tensor; m: Tensor | undefined },
  most: number,
) {
  const skipped = block.skip === undefined ? { value, stack: straight } : freeze(block.skip, value, straight, 0)
  const branch = freeze(block.branch, value, straight, 0)
  const weight = block.scale ** 2
  const own = mul(outer(reshape(branch.stack, branch.stack.shape.slice(1))), weight)
  const next = { value: addScaled(skipped.value, branch.value, block.scale), straight: skipped.stack }
  if (most === 0) return { ...next, m: undefined }
  if (m === undefined) return { ...next, m: own }
  const passed = block.skip === undefined ? m : twoSided(linearPart(block.skip, value), m)
  const through = twoSided(linearPart(block.branch, value), head(m, Math.max(1, most - 1)))
  const grown = head(withNext(passed, through, weight), most)
  return { ...next, m: addAligned(grown, own, 0) }
}
