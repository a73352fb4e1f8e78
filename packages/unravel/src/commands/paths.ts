import { type PathsChoice, pathsOf, pathsTable } from '@unravel/report/data'
import { Command } from 'commander'
import { reportingFallbacks } from '../backends.js'
import type { Io } from '../io.js'
import { stages } from '../progress.js'
import { checkTarget, json, readStudy, type StudyOptions, studyCommand } from '../study.js'
import { integer } from '../values.js'

type PathsOptions = StudyOptions & PathsChoice

export function pathsCommand(io: Io): Command {
  return studyCommand(new Command('paths'))
    .description("Gradient paths by length: Veit's figure, by sampling single paths and exactly.")
    .option('--target <I>', 'output element to differentiate', integer(), 0)
    .option('--samples <N>', 'paths drawn for each length', integer(2), 16)
    .option('--probes <N>', 'number of random signs where second moments are too large to be exact', integer(2), 64)
    .option('--seed <S>', 'random seed of paths and signs', integer(), 0)
    .action(async (folder: string, options: PathsOptions) => {
      const study = await readStudy(folder, options, io)
      checkTarget(options.target, study.tower, study.x)
      const progress = stages(io, 'paths', { moments: 2, samples: 1 })
      const onProgress = { moments: progress.of('moments'), samples: progress.of('samples') }
      const paths = await reportingFallbacks(io, study.backend, () =>
        pathsOf(study.tower, study.x, { ...options, onProgress }),
      ).finally(() => progress.stop())
      io.out(options.json ? json({ model: folder, ...paths }) : pathsTable(folder, paths))
    })
}
