import { InputError } from '@unravel/resnet'
import { FileError } from '@unravel/resnet/node'
import { FormatError, RuleError } from '@unravel/tensor'
import { type Command, CommanderError } from 'commander'
import { StudyFailed } from './commands/study.js'
import { VerificationFailed } from './commands/verify.js'
import { Interrupted, isOutOfMemory, lessMemory, oneLine, systemError, UsageError } from './errors.js'
import type { Io } from './io.js'
import { program } from './program.js'
import { jobsCommand } from './studies/child.js'

/**
 * Runs the program `unravel` on its arguments.
 *
 * @param argv arguments after the program's name
 * @returns the exit status: 0; 2 for bad arguments or bad input, told in one line; 130 when stopped; 1 for a failure
 *   of the program itself
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const unravel = program(io)
  unravel.addCommand(jobsCommand(io, main), { hidden: true })
  try {
    await unravel.parseAsync([...argv], { from: 'user' })
    return 0
  } catch (error) {
    return report(
      error,
      io,
      unravel.commands.find(command => command.name() === argv[0]),
    )
  }
}

function report(error: unknown, io: Io, command: Command | undefined): number {
  if (error instanceof Interrupted) {
    if (error.message !== '') io.err(`${oneLine(error.message)}\n`)
    return 130
  }
  if (error instanceof CommanderError && error.exitCode === 0) return 0 // --help and --version
  if (error instanceof VerificationFailed || error instanceof StudyFailed) {
    io.err(`unravel: ${error.message}\n`)
    return 1
  }
  const mistake = complaint(error, command)
  if (mistake !== undefined) {
    io.err(`unravel: ${oneLine(mistake)}\n`)
    return 2
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  if (process.env.UNRAVEL_DEBUG === '1') io.err(`${stack}\n`)
  else io.err(`unravel: internal failure: ${oneLine(message)} (UNRAVEL_DEBUG=1 shows where)\n`)
  return 1
}

/** Known by its name: its package is imported by the commands that read graphs only. */
const isGraphError = (error: unknown): boolean => error instanceof Error && error.name === 'GraphError'

/** The message for a failure that the caller can put right; undefined if the failure is the program's own. */
function complaint(error: unknown, command: Command | undefined): string | undefined {
  if (error instanceof CommanderError) {
    const message = error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '')
    return message.includes('. ') || message.includes('(Did')
      ? message
      : `${message}; unravel --help tells what there is`
  }
  const kinds = [UsageError, FileError, FormatError, InputError]
  if (kinds.some(kind => error instanceof kind) || isGraphError(error)) return (error as Error).message
  if (error instanceof RuleError) return `${error.message}; choose another --expansion`
  if (isOutOfMemory(error)) return `not enough memory: use ${lessMemory(command, error)}`
  return systemError(error)
}
