import { complexityOf, complexityTable, projectedTower } from '@unravel/report/data'
import { Command } from 'commander'
import { reportingFallbacks } from '../backends.js'
import type { Io } from '../io.js'
import { stages } from '../progress.js'
import { json, readStudy, type StudyOptions, studyCommand } from '../study.js'
import { readTarget, type TargetOptions, targetOptions } from '../target.js'
import { integer, orders } from '../values.js'

interface ComplexityOptions extends StudyOptions, TargetOptions {
  readonly orders: number | 'all'
  readonly probes?: number
  readonly seed: number
}

export function complexityCommand(io: Io): Command {
  const command = studyCommand(new Command('complexity'))
  for (const option of targetOptions('output to look at alone', 'all outputs')) command.addOption(option)
  return command
    .description('Geometric complexity, the mean squared norm of the Jacobian, as a Gram matrix over path lengths.')
    .option('--orders <K>', "longest path length kept, or 'all'", orders, 8)
    .option('--probes <N>', 'random cotangents in place of every output (default: exact up to 64 outputs)', integer(2))
    .option('--seed <S>', 'random seed of the probes', integer(), 0)
    .action(async (folder: string, options: ComplexityOptions) => {
      const study = await readStudy(folder, options, io)
      const { x, backend } = study
      const { target, targetName = `output ${target}`, given } = readTarget(options, study, io)
      const tower = given ? projectedTower(study.tower, x, target) : study.tower
      const { orders, probes, seed } = options
      const settings = { seed, ...(probes === undefined ? {} : { probes }) }
      const progress = stages(io, 'complexity', { slopes: 5, outputs: 1 })
      const onProgress = { slopes: progress.of('slopes'), outputs: progress.of('outputs') }
      const found = await reportingFallbacks(io, backend, () =>
        complexityOf(tower, x, orders, { ...settings, onProgress }),
      ).finally(() => progress.stop())
      if (options.json) return io.out(json({ model: folder, ...found, ...(given && { target: targetName }) }))
      io.out(complexityTable(given ? `${folder}, ${targetName}` : folder, found))
    })
}
