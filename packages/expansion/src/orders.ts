import { type Marks, matmul, reshape, scope, type Tensor, tensor } from '@unravel/tensor'
import { like, shown } from '@unravel/tensor/internals'

/** The result of an expansion: totals by order, and the tensor that they should sum to. */
export interface Orders {
  readonly expansion: 'taylor' | 'gated' | 'gradient' | 'subsets'
  /** `[orders + 1, batch, ...]`: entry k is the total of order k, λ^k included. */
  readonly coefficients: Tensor
  /** The same of all orders 0..n, where more were computed than are kept: shares are of these. */
  readonly all?: Tensor
  /** The tensor that the orders expand: the network's output, or for `gradient` the whole gradient. One forward (and backward)
   *  pass of the network itself gives it, not the expansion. */
  readonly total: Tensor
  /** Number of blocks, and λ_1..λ_n; where all residual branches are counted, those of all of them. */
  readonly scales: readonly number[]
  /** The residual branches, where all are counted: which of them follow each other on some path. Absent where blocks in a row
   *  are. */
  readonly marks?: Marks | undefined
  /** `taylor`: the multiple of the scales that the series is about; default 0. */
  readonly about?: number
  /** Standard errors of sampled coefficients, of their shape; absent where they are exact. */
  readonly standardError?: Tensor
  /** `taylor`: the smallest multiple of the scales at which a gate flips away from its state at λ = 0 (Infinity: none
   *  does); null where the network has no such gates, undefined where it has some that cannot be followed. */
  readonly kink?: number | null | undefined
}

export function checkOrders(what: string, orders: number): void {
  if (!Number.isSafeInteger(orders) || orders < 0) {
    throw new RangeError(`${what}: orders must be an integer of at least 0, got ${shown(orders)}`)
  }
}

/** The last order to compute of those asked for: at most as many as there are, such as the number of blocks. Throws RangeError for no integer of at least 0. */
export function lastOrder(what: string, orders: number | 'all', longest: number): number {
  const last = Math.min(orders === 'all' ? longest : orders, longest)
  checkOrders(what, last)
  return last
}

/** Throws RangeError unless weights, where there are some, are one number for each block. */
export function checkWeights(what: string, weights: readonly number[] | undefined, blocks: number): void {
  if (weights === undefined) return
  const list = Array.isArray(weights) || ArrayBuffer.isView(weights)
  if (!list || weights.length !== blocks || !Array.from(weights).every(w => typeof w === 'number')) {
    throw new RangeError(`${what}: weights must be a list of ${blocks} numbers, one for each block`)
  }
}

/** Throws RangeError for a batch without inputs: means over it do not exist. */
export function checkBatch(what: string, x: Tensor): void {
  if (x.size === 0)
    throw new RangeError(
      `${what}: there is nothing to measure: ${x.dtype}[${x.shape}] is empty; give at least one input`,
    )
}

/**
 * The sum of an expansion at `factor` times its scale: Σ_k coefficients_k · factor^k (of a series about t: of
 * ((factor − t)/(1 − t))^k), `[batch, ...]`. For `taylor`
 * this approximates the network at λ′ = factor·λ, inside the radius of convergence; for `gated` and `gradient` it is
 * the polynomial with the gates of the run at λ.
 */
export function atScale(orders: Orders, factor: number): Tensor {
  const { coefficients: c, about = 0 } = orders
  const step = (factor - about) / (1 - about)
  const powers = Float64Array.from({ length: c.shape[0]! }, (_, k) => step ** k)
  const weights = tensor(powers, { shape: [1, powers.length], ...like(c) })
  return scope(() => reshape(matmul(weights, reshape(c, [powers.length, -1])), c.shape.slice(1)))
}
