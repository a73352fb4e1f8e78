import { sub, type Tensor } from '@unravel/tensor'
import { type SelectionObserver, tapesRecording } from '@unravel/tensor/internals'

const compared = new Set(['less', 'lessEqual', 'greater', 'greaterEqual'])

/**
 * Follows the quantities whose sign chooses the piece of a piecewise function (the arguments of step and sign, the
 * differences that comparisons decide) as polynomials in the multiple t of the scales, and keeps the smallest positive t
 * at which one of them changes sign. Below it the series is the network's; the polynomial is exact below it too when
 * the expansion keeps as many orders as there are blocks, and cut off like the series otherwise.
 */
export class KinkFinder {
  #nearest: number | null | undefined = null

  /** Infinity where no gate flips, null where there are no gates, undefined where one cannot be followed. */
  get nearest(): number | null | undefined {
    return this.#nearest
  }

  readonly observer: SelectionObserver = (op, stacks) => {
    if (op === 'stopGradient' || this.#nearest === undefined || tapesRecording() > 0) return
    const decided = op === 'step' || op === 'sign' ? stacks[0]! : compared.has(op) ? difference(stacks) : undefined
    if (decided === undefined) {
      this.#nearest = undefined
      return
    }
    const orders = decided.shape[0]!
    this.#nearest = smallestRoot(
      Float64Array.from(decided.dataSync()),
      orders,
      this.#nearest ?? Number.POSITIVE_INFINITY,
    )
  }
}

/** The difference of two stacks of equal shape, else nothing that can be followed. */
function difference([a, b]: readonly Tensor[]): Tensor | undefined {
  return a!.rank === b!.rank && a!.shape[0] === b!.shape[0] ? sub(a!, b!) : undefined
}

/**
 * The smallest t in (0, below) at which one of the polynomials Σ_k c_k t^k changes sign; `below` if there is none.
 * A polynomial that vanishes at t = 0 flips at once when its next coefficients are not zero: its sign at 0 is that of 0.
 *
 * @param coefficients `[orders, n]`, row-major
 */
export function smallestRoot(coefficients: Float64Array, orders: number, below: number): number {
  const n = coefficients.length / orders
  let nearest = below
  const c = new Float64Array(orders)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < orders; k++) c[k] = coefficients[k * n + i]!
    nearest = firstSignChange(c, nearest)
  }
  return nearest
}

/** First sign change of Σ_k c_k t^k on (0, below), by bisection: an interval is dropped where the Taylor expansion about
 *  its middle shows that no root lies in it. */
function firstSignChange(c: Float64Array, below: number): number {
  if (!c.every(Number.isFinite)) return below
  let degree = c.length - 1
  while (degree > 0 && c[degree] === 0) degree--
  if (degree === 0) return below
  const sign = Math.sign(c[0]!)
  if (sign === 0) return 0
  // Cauchy: no root has a modulus above 1 + max |c_k / c_degree|.
  const largest = c.reduce((m, x) => Math.max(m, Math.abs(x)), 0)
  const pending: [number, number][] = [[0, Math.min(below, 1 + largest / Math.abs(c[degree]!))]]
  while (pending.length > 0) {
    const [a, b] = pending.pop()!
    const middle = a + (b - a) / 2
    const taylor = shifted(c, middle)
    let spread = 0
    for (let k = degree; k >= 1; k--) spread = (spread + Math.abs(taylor[k]!)) * (b - middle)
    const value = taylor[0]! * sign
    if (value > spread) continue
    if (value < -spread || b - a <= 4 * Number.EPSILON * b) return a
    pending.push([middle, b], [a, middle])
  }
  return below
}

/** Coefficients of p(t + s), by repeated synthetic division. */
function shifted(c: Float64Array, s: number): Float64Array {
  const out = c.slice()
  for (let j = 0; j < out.length - 1; j++) for (let k = out.length - 2; k >= j; k--) out[k]! += s * out[k + 1]!
  return out
}
