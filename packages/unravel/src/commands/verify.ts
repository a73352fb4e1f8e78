import { verify } from '@unravel/expansion'
import { blockList, columns, plural } from '@unravel/report/data'
import { Command } from 'commander'
import { reportingFallbacks } from '../backends.js'
import { UsageError } from '../errors.js'
import type { Io } from '../io.js'
import { stages } from '../progress.js'
import { json, readStudy, type StudyOptions, studyCommand } from '../study.js'

/** The ladder found a rung that does not hold: told on standard output, exit status 1. */
export class VerificationFailed extends Error {
  override readonly name = 'VerificationFailed'
}

export function verifyCommand(io: Io): Command {
  return studyCommand(new Command('verify'), ['f64'])
    .description(
      'Checks of every expansion of a network against independent computations, in f64; exit 1 if one fails.',
    )
    .action(async (folder: string, options: StudyOptions) => {
      const { tower, x, backend } = await readStudy(folder, options, io)
      if (x.dtype === 'f32') throw new UsageError(`${folder}: verify computes in f64; make the tower's tensors f64`)
      const progress = stages(io, 'verify', { rungs: 1 })
      const rungs = await reportingFallbacks(io, backend, () =>
        verify(tower, x, { onProgress: progress.of('rungs') }),
      ).finally(() => progress.stop())
      const unchecked = rungs.filter(r => r.error === null).length
      const failed = rungs.filter(r => r.error !== null && !(r.error <= r.tolerance))
      const state = (error: number | null, tolerance: number) =>
        error === null ? 'not run' : error <= tolerance ? 'holds' : 'FAILS'
      if (options.json) {
        const list = rungs.map(r => ({ ...r, passed: r.error === null ? null : r.error <= r.tolerance }))
        const { names } = tower
        io.out(
          json({
            model: folder,
            blocks: tower.blocks.length,
            ...(names && { names }),
            rungs: list,
            passed: failed.length === 0,
          }),
        )
      } else {
        const rows = rungs.map(({ name, error, tolerance, note }) => [
          name,
          state(error, tolerance),
          error === null ? (note ?? '') : `error ${error.toExponential(1)}, tolerance ${tolerance.toExponential(0)}`,
        ])
        io.out(
          `verification of ${folder}, ${plural(tower.blocks.length, 'block')}, f64 on ${backend.name}\n${tower.names?.length ? `blocks: ${blockList(tower.names)}\n` : ''}\n${columns(rows, 3)}\n` +
            `${rungs.length - failed.length - unchecked} of ${rungs.length} checks hold` +
            `${unchecked === 0 ? '' : `; ${unchecked} could not be run on this network, for the reasons above`}.\n`,
        )
      }
      if (failed.length > 0) throw new VerificationFailed(`${failed.length} of ${rungs.length} checks fail`)
    })
}
