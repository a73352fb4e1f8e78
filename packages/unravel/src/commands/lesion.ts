import { lesionOf, lesionTable } from '@unravel/report/data'
import { run } from '@unravel/resnet'
import { scope, type Tensor, tensor } from '@unravel/tensor'
import { brief } from '@unravel/tensor/internals'
import { Command } from 'commander'
import { reportingFallbacks } from '../backends.js'
import { UsageError } from '../errors.js'
import { readArray } from '../input.js'
import type { Io } from '../io.js'
import { stages } from '../progress.js'
import { json, readStudy, type Study, type StudyOptions, studyCommand } from '../study.js'
import { integer } from '../values.js'

interface LesionOptions extends StudyOptions {
  readonly labels?: string
  readonly draws: number
  readonly seed: number
}

export function lesionCommand(io: Io): Command {
  return studyCommand(new Command('lesion'))
    .description('Changes of the output, accuracy and loss after removing or swapping blocks.')
    .option('--labels <Y.npy>', 'class numbers of the inputs, for accuracy and loss')
    .option('--draws <N>', 'random sets of blocks for each count', integer(1), 8)
    .option('--seed <S>', 'random seed of the sets', integer(), 0)
    .action(async (folder: string, options: LesionOptions) => {
      const study = await readStudy(folder, options, io)
      const labels = options.labels === undefined ? undefined : readLabels(options.labels, study, io)
      const progress = stages(io, 'lesion', { runs: 1 })
      const found = await reportingFallbacks(io, study.backend, () =>
        lesionOf(study.tower, study.x, { ...options, labels, onProgress: progress.of('runs') }),
      ).finally(() => progress.stop())
      io.out(options.json ? json({ model: folder, ...found }) : lesionTable(folder, found))
    })
}

/** Class numbers for the inputs of a study: one for each vector of logits, `[batch]` or `[batch, sequence]`. */
function readLabels(path: string, { tower, x, backend }: Study, io: Io): Tensor {
  const { shape, type, dtype, data } = readArray(io, path)
  const classes = scope(() => run(tower, x)).shape
  const fail = (message: string): never => {
    throw new UsageError(`${path}: ${message}`)
  }
  const [rows, count] = [classes.slice(0, -1), classes.at(-1)!]
  if (classes.length < 2) fail('labels are for models whose outputs are vectors of logits')
  if (type.startsWith('f')) fail(`labels are integers (i4 or i8), got ${dtype}`)
  if (String(shape) !== String(rows)) fail(`expected [${rows.join(', ')}] labels, got [${brief(shape.join(', '))}]`)
  for (const label of data) if (label < 0 || label >= count) fail(`label ${label} is outside 0..${count - 1}`)
  return tensor(data, { shape, backend })
}
