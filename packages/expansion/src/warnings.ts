import type { Radius } from './radius.js'
import { bestTruncation } from './spectrum.js'

/** Figures of an expansion that warnings depend on. Orders run from 0 to K. */
export interface ExpansionFacts {
  readonly expansion: 'taylor' | 'gated' | 'gradient' | 'subsets'
  /** λ as it reads after "λ = ": '0.1', '1/sqrt(n)', '(0.1, 0.2, …)'. */
  readonly scale: string
  /** The largest order of a path: the number n of residual blocks. */
  readonly longest: number
  /** `[K + 1]` norm of each order, of the same kind as `outputNorm`. */
  readonly norms: ArrayLike<number>
  readonly outputNorm: number
  /** `[K + 1]` what each truncation leaves, relative to the output. */
  readonly remainder: ArrayLike<number>
  /** The largest remainder that counts as an approximation of the network. */
  readonly tolerance: number
  /** Whether the orders are means over a sample. */
  readonly sampled?: boolean
  /** `taylor`: where the series stops converging, `ratio` being λ/radius; null if it could not be estimated. */
  readonly radius?: Radius | null
  /** `taylor`: whether a branch is only piecewise analytic (ReLU, abs, max-pooling). */
  readonly piecewise?: boolean
  /** `taylor`: the smallest λ at which such a gate flips over λ itself, kink radius / λ; null if it is not known. */
  readonly kink?: number | null
  /** Spacing of the arithmetic, 2^-52 for f64 and 2^-23 for f32. */
  readonly epsilon: number
}

/**
 * Everything that keeps the printed orders from meaning what they seem to mean, most serious first, one sentence each.
 * Empty without a reason to warn.
 */
export function expansionWarnings(facts: ExpansionFacts): string[] {
  const taylor = facts.expansion === 'taylor'
  return [
    overflow(facts),
    taylor && kinks(facts),
    taylor && divergence(facts),
    leftOver(facts),
    taylor && overshoot(facts),
    cancellation(facts),
    taylor && wideRadius(facts),
    negligibleOrders(facts),
  ].filter(warning => typeof warning === 'string')
}

const USE_GATED = 'use the gated expansion, which is exact at any scale'

const firstOverflow = (norms: ArrayLike<number>): number => Array.from(norms).findIndex(norm => !Number.isFinite(norm))

function overflow({ norms, epsilon }: ExpansionFacts): string | null {
  const first = firstOverflow(norms)
  if (first < 0) return null
  const wider = epsilon > Number.EPSILON ? ' or f64' : ''
  // No branch enters order 0, and so no scale.
  if (first === 0) return `Order 0 is not finite: use smaller inputs${wider}.`
  return `Order ${first} is not finite: stop before it, or use a smaller scale${wider}.`
}

function divergence(facts: ExpansionFacts): string | null {
  const { radius, scale, norms } = facts
  if (!radius) {
    const last = norms.length - 1
    const from = last > 1 ? `orders 1 to ${last}` : `order ${last} alone`
    const advice = firstOverflow(norms) < 0 && !flips(facts) ? ': ask for more orders' : ''
    return `The radius of convergence cannot be estimated from ${from}${advice}.`
  }
  const { ratio, least, most } = ratios(radius)
  const range = `${short(least)} to ${short(most)}`
  if (least > 1)
    return `λ = ${scale} is ${short(ratio)} (${range}) times the radius of convergence: the series diverges and its order totals are not an approximation of the network; ${USE_GATED}.`
  if (ratio > 1)
    return `λ = ${scale} is probably beyond the radius of convergence, at ${short(ratio)} (${range}) times it: do not take the order totals for an approximation of the network; ${USE_GATED}.`
  if (most > 1)
    return `λ = ${scale} may be beyond the radius of convergence, at ${short(ratio)} (${range}) times it: rely on the remainder, or ${USE_GATED}.`
  return null
}

function kinks({ piecewise, kink, scale }: ExpansionFacts): string | null {
  if (!piecewise) return null
  if (kink === null || kink === undefined)
    return `The branches are piecewise analytic (ReLU, abs or max-pooling): the series continues the piece that it starts on and holds only up to the first gate that flips, which is not known here; ${USE_GATED}.`
  if (kink >= 1) return null
  if (kink === 0)
    return `Gates flip as soon as λ leaves 0: at λ = 0 they sit exactly on their kink, as a ReLU does on what the ReLU before it set to 0, and the series follows one side of it. It is not the series of this network at λ = ${scale}, and more orders do not help; ${USE_GATED}.`
  return `A gate flips at ${short(kink)} times λ = ${scale}: beyond it the series goes on with the piece of λ = 0, is not the series of this network, and more orders do not help; ${USE_GATED}.`
}

/** Whether a gate flips below λ: then no number of orders gives the network. */
const flips = ({ kink }: ExpansionFacts): boolean => typeof kink === 'number' && kink < 1

/** A remainder above the tolerance at the last order, and why it is there. */
function leftOver(facts: ExpansionFacts): string | null {
  const { expansion, outputNorm, remainder, tolerance, longest, sampled } = facts
  if (outputNorm === 0) return 'The output is zero: a remainder relative to it does not exist.'
  const last = remainder.length - 1
  const rest = remainder[last]!
  if (!(rest > tolerance)) return null
  const found = `${last === 0 ? 'Order 0 leaves' : `Orders 0 to ${last} leave`} a remainder of ${short(rest)} of the output (tolerance ${short(tolerance)})`
  if (expansion === 'taylor' && flips(facts)) return `${found}, that of the gates that flip included.`
  if (expansion === 'taylor') return `${found}: ask for more orders inside the radius of convergence, or ${USE_GATED}.`
  if (sampled) return `${found}, what sampling leaves included: draw more samples, or ${USE_GATED}.`
  if (last < longest) return `${found}: the rest is in orders ${last + 1} to ${longest}; ask for all of them.`
  return `${found} although order ${longest} is the last there is: rounding has spoilt the sum; use f64 or a smaller scale.`
}

/** A truncation that is clearly better than the last one, with both above what rounding explains. */
function overshoot({ remainder, norms, outputNorm, epsilon }: ExpansionFacts): string | null {
  const last = remainder.length - 1
  const best = bestTruncation(remainder)
  if (best === null || best === last) return null
  const rounding = 64 * epsilon * Math.max(1, largestFinite(norms) / outputNorm)
  const diverged = Number.isNaN(remainder[last]!) || remainder[last]! > Math.max(2 * remainder[best]!, rounding)
  if (!diverged) return null
  return `The best truncation is order ${best}, with a remainder of ${short(remainder[best]!)}: later orders make the sum worse.`
}

function cancellation({ norms, outputNorm, epsilon, tolerance }: ExpansionFacts): string | null {
  const growth = largestFinite(norms) / outputNorm
  if (!(growth * epsilon > tolerance) || outputNorm === 0) return null
  return `Orders up to ${short(growth)} times the output cancel in the sum: rounding alone leaves about ${short(growth * epsilon)} of the output, above the tolerance ${short(tolerance)}.`
}

function wideRadius(facts: ExpansionFacts): string | null {
  const { radius } = facts
  if (!radius || !(radius.high > 2 * radius.low)) return null
  const { most } = ratios(radius)
  if (radius.high === Infinity && most < 1) return null // the estimate still grows, away from λ
  const range = `${short(radius.low)} and ${radius.high === Infinity ? 'infinity' : short(radius.high)}`
  return `The radius of convergence is only known to lie between ${range}, too wide to rely on ${short(radius.estimate)}${flips(facts) ? '' : ': ask for more orders'}.`
}

function negligibleOrders({ norms, outputNorm, epsilon }: ExpansionFacts): string | null {
  const last = norms.length - 1
  let first = norms.length
  let nonzero = false
  while (first > 1 && norms[first - 1]! <= epsilon * outputNorm) {
    first--
    nonzero ||= norms[first]! > 0
  }
  if (!nonzero) return null
  const orders = first === last ? `Order ${last} is` : `Orders ${first} to ${last} are`
  return `${orders} below the rounding of the output (${short(epsilon)} of it) and cannot be told from rounding in the sum.`
}

/** λ/radius, and the range that the range of the radius leaves it. */
function ratios({ estimate, low, high, ratio }: Radius): { ratio: number; least: number; most: number } {
  if (estimate === Infinity) return { ratio: 0, least: 0, most: 0 }
  return { ratio, least: ratio * (estimate / high), most: ratio * (estimate / low) }
}

function largestFinite(values: ArrayLike<number>): number {
  return Math.max(0, ...Array.from(values).filter(Number.isFinite))
}

/** Two significant digits: 0.031, 12, 4.5e-7, 1e+14. */
function short(x: number): string {
  const rounded = Number(x.toPrecision(2))
  return rounded !== 0 && (rounded >= 1e5 || rounded < 1e-3) ? rounded.toExponential() : String(rounded)
}
