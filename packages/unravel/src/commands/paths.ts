import { columns, count, type PathsChoice, pathsOf, percent, significant } from '@unravel/report/data'
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
    .option('--target <I>', 'the output element to differentiate', integer(), 0)
    .option('--samples <N>', 'paths drawn for each length', integer(2), 16)
    .option('--probes <N>', 'random signs, where second moments are too large to be exact', integer(2), 64)
    .option('--seed <S>', 'of what is drawn', integer(), 0)
    .action(async (folder: string, options: PathsOptions) => {
      const study = await readStudy(folder, options, io)
      checkTarget(options.target, study.tower, study.x)
      const progress = stages(io, 'paths', { moments: 2, samples: 1 })
      const report = { moments: progress.of('moments'), samples: progress.of('samples') }
      const paths = await reportingFallbacks(io, study.backend, () =>
        pathsOf(study.tower, study.x, options, report),
      ).finally(() => progress.stop())
      const document = { model: folder, ...paths }
      io.out(options.json ? json(document) : pathsTable(document))
    })
}

function pathsTable(d: Awaited<ReturnType<typeof pathsOf>> & { readonly model: string }): string {
  const range = ({ from, to }: { from: number; to: number }) => (from === to ? `${from}` : `${from} to ${to}`)
  const all = d.sampled_lengths.length === d.blocks + 1
  const errors = d.single_error
  return [
    `gradient paths of ${d.model}, output ${d.target}, ${d.blocks} blocks`,
    '',
    columns([
      [
        ...['length', 'paths', 'one path', '± error', 'rms path', ...(errors ? ['± error'] : [])],
        ...['paths × one', 'share', 'norm of sum', 'coherence'],
      ],
      ...d.sampled_lengths.map(k => [
        String(k),
        count(BigInt(d.paths[k]!)),
        significant(d.sampled_norm[k]!),
        significant(d.sampled_error[k]!, 2),
        significant(d.single_norm[k]!),
        ...(errors ? [significant(errors[k]!, 2)] : []),
        significant(d.paths_times_norm[k]!),
        percent(d.paths_times_norm_share[k]!),
        significant(d.sum_norm[k]!),
        significant(d.coherence[k]!, 3),
      ]),
    ]),
    ...(all
      ? []
      : [
          `${d.sampled_lengths.length} of ${d.blocks + 1} lengths are sampled and listed (--json has the norms of all sums); shares are of all lengths, those between by interpolation.`,
        ]),
    `95 % of all paths have lengths ${range(d.effective.paths)}; of paths × norm, ${range(d.effective.paths_times_norm)}; ` +
      `of the energy of the sums, ${range(d.effective.energy)}.`,
    `Second moments are ${d.exact ? 'exact' : 'estimated by random signs, with standard errors'}.`,
    '',
  ].join('\n')
}
