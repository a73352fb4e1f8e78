import type { Tensor } from '@unravel/tensor'
import { chainCounts, markedChainCounts, markedTreeCounts, treeCounts } from './counts.js'
import { checkBatch, type Orders } from './orders.js'
import { estimateRadius } from './radius.js'
import { componentwisePade, vectorEpsilon } from './resummation.js'
import { longestChain } from './sites.js'
import { bestTruncation, norm, remainderAfter, remainders, shares } from './spectrum.js'
import { eachOrder, numbersOf } from './stacks.js'
import { expansionWarnings } from './warnings.js'

/** Figures of an expansion, beside its coefficients. Numbers that do not exist are null. */
export interface Analysis {
  readonly expansion: Orders['expansion']
  /** The sites that an order counts: blocks, or all residual branches, nested ones too. */
  readonly sites?: 'blocks' | 'all' | undefined
  /** Their number. */
  readonly blocks: number
  /** Largest order kept. */
  readonly orders: number
  /** Largest order of a path: the number of blocks, or of residual branches that follow each other. */
  readonly longest: number
  /** λ, or λ_1..λ_n where they differ. */
  readonly scale: number | readonly number[]
  /** Root mean square over the batch of the Euclidean norm of each order. */
  readonly norms: readonly number[]
  /** norms² / Σ norms² */
  readonly share: readonly number[]
  /** The orders that the sum in `share` is over: all orders 0..n, or those kept (a series has no last order). */
  readonly shareOf: 'all orders' | 'kept orders'
  /** Standard error of each order, where they are sampled, as a norm like its own; null where they are exact. */
  readonly standardError: readonly number[] | null
  /** Of the whole output (or gradient). */
  readonly outputNorm: number
  /** ‖output − Σ_{j≤k} order j‖ / ‖output‖ over the whole batch, k = 0.. */
  readonly remainder: readonly number[]
  /** Norm of everything beyond the last order (all but taylor). */
  readonly tailNorm: number | null
  /** Truncation order with the smallest remainder. */
  readonly bestOrder: number | null
  /** Distinct terms of each order: rooted trees for taylor, chains for the others. */
  readonly terms: readonly bigint[]
  /** C(n, k), or how many paths take k residual branches where all are counted. */
  readonly chains: readonly bigint[]
  /** Radius of convergence in λ (or, with unequal λ_l, in multiples of them), its spread, and λ/estimate; taylor only.
   *  `estimate: Infinity` for a polynomial. Of a series about tλ: around tλ, and (1 − t)λ/estimate. */
  readonly radius: {
    readonly estimate: number
    readonly low: number
    readonly high: number
    readonly ratio: number
  } | null
  /** Smallest λ at which a gate of a piecewise-linear network flips away from its state at λ = 0; null without gates. */
  readonly kinkRadius: number | null
  /** Remainder after resummation of the series; taylor only. */
  readonly resummed: {
    readonly epsilon: { readonly remainder: number }
    readonly pade: { readonly remainder: number; readonly numerator: number; readonly denominator: number }
  } | null
  readonly warnings: readonly string[]
}

export interface AnalyseOptions {
  /** The largest remainder that still counts as an approximation of the network (default 0.01). */
  readonly tolerance?: number
}

/**
 * Everything worth knowing before an expansion's orders are believed: sizes and shares, the measured remainder at every
 * truncation, counts, for `taylor` the radius of convergence with its spread, the kink radius and resummed values, and
 * warnings in plain words (mathematics: Dherin & Munn, arXiv 2510.03470; Veit et al., arXiv 1605.06431). Throws RangeError
 * for an expansion of an empty batch.
 */
export async function analyse(expansion: Orders, { tolerance = 0.01 }: AnalyseOptions = {}): Promise<Analysis> {
  const { coefficients, total, scales, expansion: kind, standardError, about = 0 } = expansion
  const rows = coefficients.shape[0]!
  const batch = total.shape[0] ?? 1
  checkBatch('analyse', total)
  const output = await numbersOf(total)
  const left = remainderAfter(output)
  const norms: number[] = []
  const remainder: number[] = []
  for await (const order of eachOrder(coefficients)) {
    norms.push(norm(order, batch))
    remainder.push(left(order))
  }
  const errors = standardError && (await normsOf(standardError, batch))
  const whole = expansion.all && (await normsOf(expansion.all, batch))
  const outputNorm = norm(output, batch)
  const { marks } = expansion
  const chains = marks === undefined ? chainCounts(scales.length, rows - 1) : markedChainCounts(marks, rows - 1)
  const terms = () => (marks === undefined ? treeCounts(scales.length, rows - 1) : markedTreeCounts(marks, rows - 1))
  const longest = marks === undefined ? scales.length : longestChain(marks)
  const equal = scales.every(s => s === scales[0])
  const scale = equal ? (scales[0] ?? 1) : scales
  // The radius in λ; where scales differ, in multiples of them.
  const unit = typeof scale === 'number' ? Math.abs(scale) : 1
  const taylor = kind === 'taylor'
  const epsilon = coefficients.dtype === 'f64' ? 2 ** -52 : 2 ** -23
  const inMultiples = taylor && unit > 0 ? estimateRadius(norms, epsilon) : null
  const step = (1 - about) * unit
  const radius = inMultiples && {
    estimate: inMultiples.estimate * step,
    low: inMultiples.low * step,
    high: inMultiples.high * step,
    ratio: inMultiples.ratio,
  }
  const kink = taylor ? (expansion.kink ?? null) : null
  return {
    expansion: kind,
    sites: marks === undefined ? 'blocks' : 'all',
    blocks: scales.length,
    orders: rows - 1,
    longest,
    scale,
    norms,
    share: [...shares(whole ?? norms).subarray(0, rows)],
    shareOf: whole !== undefined || (!taylor && rows > longest) ? 'all orders' : 'kept orders',
    standardError: errors ?? null,
    outputNorm,
    remainder,
    tailNorm: taylor ? null : remainder[rows - 1]! * outputNorm,
    bestOrder: bestTruncation(remainder),
    terms: taylor ? terms() : chains,
    chains,
    radius,
    kinkRadius: kink === null ? null : kink * unit,
    resummed: taylor ? resummed(await numbersOf(coefficients), output, rows, batch) : null,
    warnings: expansionWarnings({
      expansion: kind,
      scale:
        typeof scale === 'number'
          ? brief(scale)
          : `(${scale.slice(0, 3).map(brief).join(', ')}${scales.length > 3 ? ', …' : ''})`,
      longest,
      norms,
      outputNorm,
      remainder,
      tolerance,
      sampled: standardError !== undefined,
      // λ = 0 lies inside of every radius.
      radius: unit > 0 ? radius : { estimate: Infinity, low: Infinity, high: Infinity, ratio: 0 },
      piecewise: taylor && expansion.kink !== null,
      kink,
      epsilon,
    }),
  }
}

async function normsOf(stack: Tensor, batch: number): Promise<number[]> {
  const norms: number[] = []
  for await (const order of eachOrder(stack)) norms.push(norm(order, batch))
  return norms
}

const brief = (scale: number): string => String(Number(scale.toPrecision(4)))

/** Remainders of the two resummed values; the Padé degrees are the diagonal ones that the orders allow. */
function resummed(c: Float64Array, output: Float64Array, rows: number, batch: number): Analysis['resummed'] {
  const left = (values: Float64Array) => remainders(values, output, 1)[0]!
  const denominator = Math.floor((rows - 1) / 2)
  const numerator = rows - 1 - denominator
  const pade = componentwisePade(c, rows, output.length, numerator, denominator)
  return {
    epsilon: { remainder: left(vectorEpsilon(c, rows, output.length, batch)) },
    pade: { remainder: left(pade.values), numerator, denominator },
  }
}
