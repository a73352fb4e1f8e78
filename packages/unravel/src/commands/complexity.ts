import { complexityOf, complexityTable } from '@unravel/report/data'
import { Command } from 'commander'
import { reportingFallbacks } from '../backends.js'
import type { Io } from '../io.js'
import { stages } from '../progress.js'
import { json, readStudy, type StudyOptions, studyCommand } from '../study.js'
import { integer, orders } from '../values.js'

interface ComplexityOptions extends StudyOptions {
  readonly orders: number | 'all'
  readonly probes?: number
  readonly seed: number
}

export function complexityCommand(io: Io): Command {
  return studyCommand(new Command('complexity'))
    .description('Geometric complexity, the mean squared norm of the Jacobian, as a Gram matrix over path lengths.')
    .option('--orders <K>', "longest path length kept, or 'all'", orders, 8)
    .option('--probes <N>', 'random cotangents in place of every output (default: exact up to 64 outputs)', integer(2))
    .option('--seed <S>', 'random seed of the probes', integer(), 0)
    .action(async (folder: string, options: ComplexityOptions) => {
      const { tower, x, backend } = await readStudy(folder, options, io)
      const { orders, probes, seed } = options
      const settings = { seed, ...(probes === undefined ? {} : { probes }) }
      const progress = stages(io, 'complexity', { slopes: 5, outputs: 1 })
      const onProgress = { slopes: progress.of('slopes'), outputs: progress.of('outputs') }
      const found = await reportingFallbacks(io, backend, () =>
        complexityOf(tower, x, orders, { ...settings, onProgress }),
      ).finally(() => progress.stop())
      io.out(options.json ? json({ model: folder, ...found }) : complexityTable(folder, found))
    })
}
