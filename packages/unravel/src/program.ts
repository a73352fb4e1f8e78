import { createRequire } from 'node:module'
import { Command } from 'commander'
import { complexityCommand } from './commands/complexity.js'
import { convertCommand } from './commands/convert.js'
import { demoCommand } from './commands/demo.js'
import { expandCommand } from './commands/expand.js'
import { inspectCommand } from './commands/inspect.js'
import { lesionCommand } from './commands/lesion.js'
import { pathsCommand } from './commands/paths.js'
import { reportCommand } from './commands/report.js'
import { runCommand } from './commands/run.js'
import { studyCommand } from './commands/study.js'
import { sweepCommand } from './commands/sweep.js'
import { trainCommand } from './commands/train.js'
import { verifyCommand } from './commands/verify.js'
import { workerCommand } from './commands/worker.js'
import { UsageError } from './errors.js'
import type { Io } from './io.js'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

/** A place that is named: a file, a folder or a module */
const place = /<(?:\S*\.\w+|FILE|FOLDER|DIR|MODULE)>/

/** Throws UsageError for a place that is the empty string, as a variable of a shell leaves it that is not set. */
function checkPlaces(command: Command): void {
  const values = command.opts<Record<string, unknown>>()
  for (const option of command.options) {
    if (place.test(option.flags) && [values[option.attributeName()]].flat().includes(''))
      throw new UsageError(`option '${option.flags}' is empty`)
  }
  command.registeredArguments.forEach((argument, i) => {
    if ([command.processedArgs[i]].flat().includes('')) throw new UsageError(`argument '${argument.name()}' is empty`)
  })
}

/** The command line of `unravel`: its commands, options and help, which write to `io`. Errors are thrown, not printed. */
export function program(io: Io): Command {
  const unravel = new Command('unravel')
    .description('Expansions of deep residual networks, path by path.')
    .version(version, '-V, --version', 'version number')
    .helpOption('-h, --help', 'help for a command')
    .helpCommand('help [command]', 'help for a command')
    .configureOutput({ writeOut: text => io.out(text), writeErr: () => {} })
    .exitOverride()
    .hook('preAction', (_, command) => checkPlaces(command))
  const study = (io: Io) => studyCommand(io, () => trainCommand(io))
  const commands = [
    ...[expandCommand, pathsCommand, complexityCommand, lesionCommand, sweepCommand, reportCommand, verifyCommand],
    ...[inspectCommand, runCommand, trainCommand, study, workerCommand, convertCommand, demoCommand],
  ]
  for (const command of commands) unravel.addCommand(command(io).copyInheritedSettings(unravel))
  return unravel
}
