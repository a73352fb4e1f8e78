import { sweepOf, sweepTable } from '@unravel/report/data'
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
    .description('Radius, remainder and energy of a network over a range of scales.')
    .option('--from <f>', "smallest multiple of the model's scale", number({ above: 0 }), 0.01)
    .option('--to <t>', "largest multiple of the model's scale", number({ above: 0 }), 1)
    .option('--steps <N>', 'number of scales, evenly spaced on a logarithmic axis', integer(2, 1000), 9)
    .option('--orders <K>', 'orders of the series', integer(0, 1000), 8)
    .action(async (folder: string, options: SweepOptions) => {
      if (!(options.from < options.to)) throw new UsageError(`--from ${options.from} must be below --to ${options.to}`)
      const { x, backend, tower } = await readStudy(folder, options, io)
      if (!tower.blocks.every(b => Number.isFinite(b.scale * options.to))) {
        throw new UsageError(`--to ${options.to}: that multiple of the model's scale overflows; give a smaller one`)
      }
      const bar = progressBar(io, 'sweep', options.steps, 'scales')
      const found = await reportingFallbacks(io, backend, () =>
        sweepOf(tower, x, { ...options, onProgress: done => bar.update(done) }),
      ).finally(() => bar.stop())
      io.out(options.json ? json({ model: folder, ...found }) : sweepTable(folder, found))
    })
}
