import { analyse, gated, taylor } from '@unravel/expansion'
import { columns, percent, significant, wholeComplexity } from '@unravel/report/data'
import { withScales } from '@unravel/resnet'
import { Command } from 'commander'
import { reportingFallbacks } from '../backends.js'
import { UsageError } from '../errors.js'
import type { Io } from '../io.js'
import { progressBar } from '../progress.js'
import { json, readStudy, type StudyOptions, studyCommand } from '../study.js'
import { integer, number } from '../values.js'

interface SweepOptions extends StudyOptions {
  readonly from: number
  readonly to: number
  readonly steps: number
  readonly orders: number
}

export function sweepCommand(io: Io): Command {
  return studyCommand(new Command('sweep'))
    .description('Run a network over a range of scales: where its series holds, and where its energy lies.')
    .option('--from <f>', "smallest multiple of the model's scale", number({ above: 0 }), 0.01)
    .option('--to <t>', 'largest multiple', number({ above: 0 }), 1)
    .option('--steps <N>', 'scales, evenly spaced on a logarithmic axis', integer(2, 1000), 9)
    .option('--orders <K>', 'orders of the series', integer(0, 1000), 8)
    .action(async (folder: string, options: SweepOptions) => {
      if (!(options.from < options.to)) throw new UsageError(`--from ${options.from} must be below --to ${options.to}`)
      const { x, backend, tower } = await readStudy(folder, options, io)
      const own = tower.blocks.map(b => b.scale)
      if (!own.every(s => Number.isFinite(s * options.to))) {
        throw new UsageError(`--to ${options.to}: that multiple of the model's scale overflows; give a smaller one`)
      }
      const bar = progressBar(io, 'sweep', options.steps, 'scales')
      const points = await reportingFallbacks(io, backend, async () => {
        const found = []
        for (let i = 0; i < options.steps; i++) {
          const t = i / (options.steps - 1)
          const factor = options.from ** (1 - t) * options.to ** t
          const scaled = withScales(
            tower,
            own.map(s => s * factor),
          )
          const blocks = (half: number) => (done: number) => bar.update(i + (half + done / own.length) / 2)
          const series = await analyse(taylor(scaled, x, options.orders, blocks(0)))
          const run = await analyse(gated(scaled, x, 'all', blocks(1)))
          const complexity = await wholeComplexity(scaled, x)
          found.push({
            factor,
            scale: run.scale,
            output_norm: run.outputNorm,
            radius_ratio: series.radius?.ratio ?? null,
            /** Of that scale: the λ (multiple of it, where blocks differ) at which the first gate flips. */
            kink_radius: series.kinkRadius,
            remainder: series.remainder.at(-1)!,
            best_remainder: series.bestOrder === null ? null : series.remainder[series.bestOrder]!,
            mean_order: run.share.reduce((sum, s, k) => sum + k * s, 0),
            share: run.share.slice(0, options.orders + 1),
            complexity,
          })
          bar.update(i + 1)
        }
        return found
      }).finally(() => bar.stop())
      if (options.json) return io.out(json({ model: folder, blocks: own.length, orders: options.orders, points }))
      const piecewise = points.some(p => p.kink_radius !== null)
      io.out(
        `${folder} at ${options.steps} multiples of its scale\n\n${columns([
          [
            'multiple',
            'output norm',
            'λ/radius',
            ...(piecewise ? ['kink radius'] : []),
            `remainder ${options.orders}`,
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
        ])}`,
      )
    })
}
