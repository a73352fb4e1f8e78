import { availableParallelism } from 'node:os'
import { main } from './main.js'

// A reader that has seen enough (`unravel … | head`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

/** The first SIGINT asks for an end in good order; a second one ends the process at once, as ever. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort())
  return controller.signal
}

process.exitCode = await main(process.argv.slice(2), {
  // Package managers run scripts from the workspace root and tell the caller's folder here.
  cwd: process.env.INIT_CWD ?? process.cwd(),
  out: text => void process.stdout.write(text),
  err: text => void process.stderr.write(text),
  ...(process.stderr.isTTY ? { terminal: process.stderr } : {}),
  threads: availableParallelism(),
  interruption,
})
