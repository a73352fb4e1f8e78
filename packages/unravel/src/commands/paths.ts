import { type PathsChoice, pathsOf, pathsTable, tokenLines } from '@unravel/report/data'
import { Command } from 'commander'
import { reportingFallbacks } from '../backends.js'
import type { Io } from '../io.js'
import { stages } from '../progress.js'
import { json, readStudy, type StudyOptions, studyCommand } from '../study.js'
import { readTarget, type TargetOptions, targetOptions } from '../target.js'
import { integer } from '../values.js'

type PathsOptions = StudyOptions & TargetOptions & Omit<PathsChoice, 'target' | 'targetName'>

export function pathsCommand(io: Io): Command {
  const command = studyCommand(new Command('paths'))
  for (const option of targetOptions('output to differentiate')) command.addOption(option)
  return command
    .description("Gradient paths by length: Veit's figure, by sampling single paths and exactly.")
    .option('--samples <N>', 'paths drawn for each length', integer(2), 16)
    .option('--probes <N>', 'number of random signs where second moments are too large to be exact', integer(2), 64)
    .option('--seed <S>', 'random seed of paths and signs', integer(), 0)
    .action(async (folder: string, options: PathsOptions) => {
      const study = await readStudy(folder, options, io)
      const { target, targetName } = readTarget(options, study, io)
      const progress = stages(io, 'paths', { moments: 2, samples: 1 })
      const onProgress = { moments: progress.of('moments'), samples: progress.of('samples') }
      const paths = await reportingFallbacks(io, study.backend, () =>
        pathsOf(study.tower, study.x, { ...options, target, targetName, onProgress }),
      ).finally(() => progress.stop())
      const { tokens } = study
      if (options.json) return io.out(json({ model: folder, ...paths, ...(tokens && { tokens: tokens.inputs }) }))
      io.out(`${pathsTable(folder, paths)}${tokens ? `\n${tokenLines(tokens)}` : ''}`)
    })
}
