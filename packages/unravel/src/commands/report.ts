import { basename } from 'node:path'
import type { Network } from '@unravel/report'
import { writeFileAtomically } from '@unravel/resnet/node'
import { Command, Option } from 'commander'
import { type BackendName, backendNamed, backendNames, reportingFallbacks } from '../backends.js'
import { checkWritable } from '../files.js'
import { at, type Io } from '../io.js'
import { stages } from '../progress.js'
import { metricsIn, ordersIn } from '../records.js'
import { inputsText, modelsArgument, type NetworkOptions, networkCommand, readNetwork } from '../study.js'
import { readTarget, type TargetOptions, targetOptions } from '../target.js'
import { integer } from '../values.js'

interface ReportOptions extends NetworkOptions, TargetOptions {
  readonly orders: number
  readonly backend: BackendName
  readonly out: string
}

export function reportCommand(io: Io): Command {
  const command = networkCommand(new Command('report'), modelsArgument())
  for (const option of targetOptions('output of the gradient paths, and of the attribution to blocks'))
    command.addOption(option)
  return command
    .description('HTML page that takes one or more networks apart, with plots and how to read them.')
    .option('--orders <K>', 'orders of the Taylor series', integer(1, 1000), 12)
    .addOption(new Option('--backend <name>', 'backend of the kernels').choices(backendNames).default('wasm'))
    .option('--out <FILE.html>', 'file of the page', 'report.html')
    .action(async (folders: readonly string[], options: ReportOptions) => {
      checkWritable(at(io, options.out), '--out')
      // Here, because a charting library comes with it, which no other command has to load.
      const { examine, networksPage, stagesOfExamine } = await import('@unravel/report')
      const backend = await backendNamed(options.backend, io)
      const precisions = new Set<string>()
      const networks = await reportingFallbacks(io, backend, async () => {
        const found: Network[] = []
        for (const [i, name] of namesOf(folders).entries()) {
          const study = await readNetwork(folders[i]!, { ...options, dtype: 'f64' }, backend, io)
          const { tower, x, tokens } = study
          const { target, targetName, given: alongTarget } = readTarget(options, study, io)
          precisions.add(x.dtype === 'f32' ? 'f32' : 'f64')
          const progress = stages(io, name, stagesOfExamine)
          const { orders } = options
          const choice = { name, orders, target, targetName, alongTarget, tokens, onProgress: progress.of }
          found.push(await examine(tower, x, choice).finally(() => progress.stop()))
        }
        return found
      })
      const inputs = `${inputsText(options)}, in ${[...precisions].join(' and ')}`
      const courses = namesOf(folders).map((name, i) => {
        const folder = at(io, folders[i]!)
        return { name, losses: metricsIn(folder), orders: ordersIn(folder) }
      })
      writeFileAtomically(at(io, options.out), networksPage(networks, { inputs, courses }))
      io.out(`report: ${options.out}\n`)
    })
}

/** Names of folders: their last parts where these tell them apart, since names stand in legends and tables. */
function namesOf(folders: readonly string[]): readonly string[] {
  const last = folders.map(folder => basename(folder))
  return last.every(name => name !== '' && name !== '.' && name !== '..') && new Set(last).size === last.length
    ? last
    : folders
}
