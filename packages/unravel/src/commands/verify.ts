import { verify } from '@unravel/expansion'
import { Command } from 'commander'
import { reportingFallbacks } from '../backends.js'
import { UsageError } from '../errors.js'
import type { Io } from '../io.js'
import { json, readStudy, type StudyOptions, studyCommand } from '../study.js'
import { columns } from '../table.js'

/** The ladder found a rung that does not hold: told on standard output, exit status 1. */
export class VerificationFailed extends Error {
  override readonly name = 'VerificationFailed'
}

export function verifyCommand(io: Io): Command {
  return studyCommand(new Command('verify'))
    .description('Check every expansion of a network against independent computations, in f64; exit 1 if one fails.')
    .action(async (folder: string, options: StudyOptions) => {
      const { tower, x, backend } = await readStudy(folder, { ...options, dtype: 'f64' }, io)
      if (x.dtype === 'f32') throw new UsageError(`${folder}: verify computes in f64; make the tower's tensors f64`)
      const rungs = await reportingFallbacks(io, backend, () => verify(tower, x))
      const failed = rungs.filter(r => r.error !== null && !(r.error <= r.tolerance))
      const state = (error: number | null, tolerance: number) =>
        error === null ? 'not run' : error <= tolerance ? 'holds' : 'FAILS'
      if (options.json) {
        const list = rungs.map(r => ({ ...r, passed: r.error === null ? null : r.error <= r.tolerance }))
        io.out(json({ model: folder, blocks: tower.blocks.length, rungs: list, passed: failed.length === 0 }))
      } else {
        const rows = rungs.map(({ name, error, tolerance, note }) => [
          name,
          state(error, tolerance),
          error === null ? (note ?? '') : `error ${error.toExponential(1)}, tolerance ${tolerance.toExponential(0)}`,
        ])
        io.out(
          `verification of ${folder}, ${tower.blocks.length} blocks, f64 on ${backend.name}\n\n${columns(rows, 3)}`,
        )
      }
      if (failed.length > 0) throw new VerificationFailed(`${failed.length} of ${rungs.length} checks fail`)
    })
}
