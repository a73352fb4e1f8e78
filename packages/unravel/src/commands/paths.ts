import { chainCounts, effectiveLengths, gradientMoments, sampleGradientPaths } from '@unravel/expansion'
import { run } from '@unravel/resnet'
import { scope } from '@unravel/tensor'
import { Command } from 'commander'
import { reportingFallbacks } from '../backends.js'
import { UsageError } from '../errors.js'
import type { Io } from '../io.js'
import { json, readStudy, type Study, type StudyOptions, studyCommand } from '../study.js'
import { columns, count, percent, significant } from '../table.js'
import { integer } from '../values.js'

interface PathsOptions extends StudyOptions {
  readonly target: number
  readonly samples: number
  readonly probes: number
  readonly seed: number
}

export function pathsCommand(io: Io): Command {
  return studyCommand(new Command('paths'))
    .description("Gradient paths by length: Veit's figure, by sampling single paths and exactly.")
    .option('--target <I>', 'the output element to differentiate', integer(), 0)
    .option('--samples <N>', 'paths drawn for each length', integer(2), 16)
    .option('--probes <N>', 'random signs, where second moments are too large to be exact', integer(2), 64)
    .option('--seed <S>', 'of what is drawn', integer(), 0)
    .action(async (folder: string, options: PathsOptions) => {
      const study = await readStudy(folder, options, io)
      const document = await reportingFallbacks(io, study.backend, () => pathsOf(study, options))
      io.out(options.json ? json(document) : pathsTable(document))
    })
}

/** Everything about the gradient paths of a network, by length 0..n. */
export async function pathsOf({ folder, tower, x }: Study, { target, samples, probes, seed }: PathsOptions) {
  const width = scope(() => run(tower, x).shape.at(-1)!)
  if (target >= width) throw new UsageError(`--target ${target}: the model's outputs are 0 to ${width - 1}`)
  const n = tower.blocks.length
  const lengths = Array.from({ length: n + 1 }, (_, k) => k)
  const moments = await gradientMoments(tower, x, target, 'all', { probes, seed })
  const sampled = await sampleGradientPaths(tower, x, target, lengths, { samples, seed })
  const counts = chainCounts(n, n)
  const single = sampled.map(s => s.mean)
  // (number of paths) × (norm of one), as in the figure; C(n,k) may exceed f64 beyond a thousand blocks.
  const veit = single.map((s, k) => Number(counts[k]) * s)
  const energy = moments.norms.map(v => v * v)
  return {
    model: folder,
    blocks: n,
    target,
    paths: counts.map(String),
    sampled_norm: single,
    sampled_error: sampled.map(s => s.standardError),
    /** Root mean square norm of one path, exactly or by random signs. */
    single_norm: Array.from(moments.moment, (m, k) => Math.sqrt(m / Number(counts[k]))),
    paths_times_norm: veit,
    sum_norm: Array.from(moments.norms),
    coherence: Array.from(moments.coherence),
    exact: moments.standardError === null,
    /** Lengths that hold 95 % of: the paths, of paths × norm, of the energy of the sums. */
    effective: {
      paths: effectiveLengths(counts.map(c => Number((c << 60n) >> BigInt(n)))),
      paths_times_norm: effectiveLengths(veit),
      energy: effectiveLengths(energy),
    },
  }
}

function pathsTable(d: Awaited<ReturnType<typeof pathsOf>>): string {
  const total = d.paths_times_norm.reduce((a, b) => a + b, 0)
  const range = ({ from, to }: { from: number; to: number }) => (from === to ? `${from}` : `${from} to ${to}`)
  return [
    `gradient paths of ${d.model}, output ${d.target}, ${d.blocks} blocks`,
    '',
    columns([
      ['length', 'paths', 'one path', '± error', 'rms path', 'paths × one', 'share', 'norm of sum', 'coherence'],
      ...d.paths.map((paths, k) => [
        String(k),
        count(BigInt(paths)),
        significant(d.sampled_norm[k]!),
        significant(d.sampled_error[k]!, 2),
        significant(d.single_norm[k]!),
        significant(d.paths_times_norm[k]!),
        percent(d.paths_times_norm[k]! / total),
        significant(d.sum_norm[k]!),
        significant(d.coherence[k]!, 3),
      ]),
    ]),
    `95 % of all paths have lengths ${range(d.effective.paths)}; of paths × norm, ${range(d.effective.paths_times_norm)}; ` +
      `of the energy of the sums, ${range(d.effective.energy)}.`,
    `Second moments are ${d.exact ? 'exact' : 'estimated by random signs'}.`,
    '',
  ].join('\n')
}
