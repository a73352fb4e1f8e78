import { type Gram, gated, geometricComplexity, orderGram } from '@unravel/expansion'
import { columns, significant } from '@unravel/report/data'
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
    .option('--orders <K>', "keep path lengths 0..K, or 'all'", orders, 8)
    .option('--probes <N>', 'random cotangents in place of every output (default: exact up to 64 outputs)', integer(2))
    .option('--seed <S>', 'of the probes', integer(), 0)
    .action(async (folder: string, options: ComplexityOptions) => {
      const { tower, x, backend } = await readStudy(folder, options, io)
      const { orders, probes, seed } = options
      const settings = { seed, ...(probes === undefined ? {} : { probes }) }
      const progress = stages(io, 'complexity', { slopes: 5, outputs: 1 })
      const [found, outputs] = await reportingFallbacks(io, backend, async () => {
        const slopes = await geometricComplexity(tower, x, orders, { ...settings, onProgress: progress.of('slopes') })
        const onBlock = (done: number) => progress.of('outputs')(done, tower.blocks.length)
        return [slopes, await orderGram(gated(tower, x, orders, onBlock))] as const
      }).finally(() => progress.stop())
      const rows = found.gram.length
      const document = {
        model: folder,
        blocks: tower.blocks.length,
        orders: rows - 1,
        complexity: found.total,
        gram: found.gram.map(row => Array.from(row)),
        standard_error: found.standardError && {
          complexity: found.standardError.total,
          gram: found.standardError.gram.map(row => Array.from(row)),
        },
        /** The same of the orders of the gated expansion, ⟨S_i, S_j⟩. */
        output_gram: outputs.gram.map(row => Array.from(row)),
      }
      if (options.json) return io.out(json(document))
      const kept = rows - 1 < tower.blocks.length ? ` of paths up to length ${rows - 1}` : ''
      const error = found.standardError ? ` ± ${significant(found.standardError.total, 2)}` : ''
      io.out(
        `geometric complexity of ${folder}${kept}: ${significant(found.total)}${error}\n\n` +
          `mean of ⟨J_i, J_j⟩ by path lengths i and j\n${matrix(found)}\n` +
          `mean of ⟨S_i, S_j⟩ of the output, gated\n${matrix(outputs)}`,
      )
    })
}

const matrix = ({ gram }: Gram): string =>
  columns([
    ['', ...gram.map((_, j) => String(j))],
    ...gram.map((row, i) => [String(i), ...Array.from(row, v => significant(v, 3))]),
  ])
