import { analyse, gated, taylor } from '@unravel/expansion'
import { InputError, type Tower, withScales } from '@unravel/resnet'
import type { Tensor } from '@unravel/tensor'
import { wholeComplexity } from './complexity.js'
import { columns, meanOrder, percent, significant } from './table.js'

/** Multiples of a tower's scales, `steps` of them evenly spaced on a logarithmic axis, and orders of the series at each. */
export interface SweepChoice {
  readonly from: number
  readonly to: number
  readonly steps: number
  readonly orders: number
  /** Called with the scales done, of all; fractions of a scale as its blocks are done. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

/**
 * A network at multiples of its scales: where its series holds, and where its energy lies.
 *
 * @throws InputError where `from` is not below `to`, or the scales overflow
 */
export async function sweepOf(
  tower: Tower,
  x: Tensor,
  { from, to, steps, orders, onProgress = () => {} }: SweepChoice,
) {
  if (!(from < to)) throw new InputError(`from ${from} must be below to ${to}`)
  const own = tower.blocks.map(b => b.scale)
  if (!own.every(s => Number.isFinite(s * to))) {
    throw new InputError(`to ${to}: that multiple of the model's scale overflows; give a smaller one`)
  }
  const points = []
  for (let i = 0; i < steps; i++) {
    const t = i / (steps - 1)
    const factor = from ** (1 - t) * to ** t
    const scaled = withScales(
      tower,
      own.map(s => s * factor),
    )
    const blocks = (half: number) => (done: number) => onProgress(i + (half + done / own.length) / 2, steps)
    const series = await analyse(taylor(scaled, x, orders, { onBlock: blocks(0) }))
    const run = await analyse(gated(scaled, x, 'all', { onBlock: blocks(1) }))
    const complexity = await wholeComplexity(scaled, x)
    points.push({
      factor,
      scale: run.scale,
      output_norm: run.outputNorm,
      radius_ratio: series.radius?.ratio ?? null,
      /** Of that scale: the λ (multiple of it, where blocks differ) at which the first gate flips. */
      kink_radius: series.kinkRadius,
      remainder: series.remainder.at(-1)!,
      best_remainder: series.bestOrder === null ? null : series.remainder[series.bestOrder]!,
      mean_order: meanOrder(run),
      share: run.share.slice(0, orders + 1),
      complexity,
    })
    onProgress(i + 1, steps)
  }
  return { blocks: own.length, orders, points }
}

/** A sweep as a table of text, headed by the network's name. */
export function sweepTable(model: string, { orders, points }: Awaited<ReturnType<typeof sweepOf>>): string {
  const piecewise = points.some(p => p.kink_radius !== null)
  return `${model} at ${points.length} multiples of its scale\n\n${columns([
    [
      'multiple',
      'output norm',
      'λ/radius',
      ...(piecewise ? ['kink radius'] : []),
      `remainder ${orders}`,
      'best remainder',
      'mean order',
      'share of order 0',
      'complexity',
    ],
    ...points.map(p => [
      significant(p.factor, 3),
      significant(p.output_norm),
      significant(p.radius_ratio, 3),
      ...(piecewise ? [significant(p.kink_radius, 3)] : []),
      significant(p.remainder, 3),
      significant(p.best_remainder, 3),
      significant(p.mean_order, 3),
      percent(p.share[0]!),
      significant(p.complexity),
    ]),
  ])}`
}
