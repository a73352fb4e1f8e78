import { availableParallelism } from 'node:os'
import { oneLine } from './errors.js'
import { main } from './main.js'

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that has seen enough (`unravel … | head`) is no failure.
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`unravel: cannot write standard output: ${oneLine(error.message)}\n`)
  process.exit(2)
})
// Progress that nobody reads any more does not stop a run.
process.stderr.on('error', () => {})

/** What shells call a process that a signal has ended: 128 and the signal's number. */
const statusOf = { SIGINT: 130, SIGTERM: 143 } as const
let interrupted: number = statusOf.SIGINT

/** The first SIGINT or SIGTERM asks for an end in good order; a second one ends the process at once, as ever. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupted = statusOf[signal]
      controller.abort()
    })
  }
  return controller.signal
}

const status = await main(process.argv.slice(2), {
  // Package managers run scripts from the workspace root and tell the caller's folder here.
  cwd: process.env.INIT_CWD ?? process.cwd(),
  out: text => void process.stdout.write(text),
  err: text => void process.stderr.write(text),
  ...(process.stderr.isTTY ? { terminal: process.stderr } : {}),
  threads: availableParallelism(),
  interruption,
})
process.exitCode = status === statusOf.SIGINT ? interrupted : status
