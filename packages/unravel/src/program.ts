import { createRequire } from 'node:module'
import { Command } from 'commander'
import { demoCommand } from './commands/demo.js'
import { expandCommand } from './commands/expand.js'
import { trainCommand } from './commands/train.js'
import type { Io } from './io.js'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

/** The command line of `unravel`: its commands, options and help, which write to `io`. Errors are thrown, not printed. */
export function program(io: Io): Command {
  const unravel = new Command('unravel')
    .description('See what a deep residual network computes, path by path.')
    .version(version, '-V, --version', 'print the version')
    .configureOutput({ writeOut: text => io.out(text), writeErr: () => {} })
    .exitOverride()
  for (const command of [expandCommand(io), trainCommand(io), demoCommand(io)]) {
    unravel.addCommand(command.copyInheritedSettings(unravel))
  }
  return unravel
}
