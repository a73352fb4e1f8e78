import { type Analysis, analyse, gated, gatedMoments, type Orders, taylor } from '@unravel/expansion'
import type { Tower } from '@unravel/resnet'
import type { Tensor } from '@unravel/tensor'
import { wholeComplexity } from './complexity.js'
import { meanOrder } from './table.js'

/** A line of `orders.jsonl`: a network on a fixed batch of inputs, at one step of its training. Numbers that do not exist or are
 *  not finite are null in the file. */
export interface OrderRecord {
  readonly step: number
  /** The gated expansion, by order 0..n. */
  readonly gated: {
    readonly share: readonly (number | null)[]
    readonly mean_order: number | null
    readonly norms: readonly (number | null)[]
  }
  readonly taylor: {
    /** In λ, or, where scales differ, in multiples of them; `ratio` is λ over `estimate`. */
    readonly radius: Readonly<Record<'estimate' | 'low' | 'high' | 'ratio', number | null>> | null
    /** The smallest remainder of all truncations. */
    readonly best_remainder: number | null
  }
  /** Geometric complexity of the network. */
  readonly complexity: number | null
  /** Of the paths of the gated expansion, by order, up to order 16. */
  readonly coherence: readonly (number | null)[]
}

/** Orders of the Taylor series: those of `unravel expand`. */
const ORDERS = 8
/** Orders whose paths are measured one by one, and sign patterns for it where the exact recursion does not fit. */
const COHERENT = 16
const PROBES = 16

/**
 * One record of `orders.jsonl`: the orders of a network at a step.
 *
 * @param x batch of inputs; in f64, as `unravel expand` has them, a remainder is told from rounding
 */
export async function orderRecordOf(tower: Tower, x: Tensor, step: number): Promise<OrderRecord> {
  const run = await analysed(gated(tower, x, 'all'))
  const series = await analysed(taylor(tower, x, ORDERS))
  const { coherence } = await gatedMoments(tower, x, Math.min(tower.blocks.length, COHERENT), { probes: PROBES })
  return {
    step,
    gated: { share: run.share, mean_order: meanOrder(run), norms: run.norms },
    taylor: {
      radius: series.radius,
      best_remainder: series.bestOrder === null ? null : series.remainder[series.bestOrder]!,
    },
    complexity: await wholeComplexity(tower, x),
    coherence: [...coherence],
  }
}

/** The analysis of an expansion, which is freed. */
async function analysed(expansion: Orders): Promise<Analysis> {
  try {
    return await analyse(expansion)
  } finally {
    expansion.coefficients.dispose()
    expansion.total.dispose()
  }
}
