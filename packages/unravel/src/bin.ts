import { availableParallelism } from 'node:os'

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that has seen enough (`unravel … | head`) is no failure.
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`unravel: cannot write standard output: ${error.message.replace(/\s+/g, ' ')}\n`)
  process.exit(2)
})
// A closed standard error does not stop a run.
process.stderr.on('error', () => {})

/** Exit status of a process that a signal has ended, as shells report it: 128 and the signal's number. */
const statusOf = { SIGINT: 130, SIGTERM: 143 } as const
const signals = ['SIGINT', 'SIGTERM'] as const
let interrupted: number = statusOf.SIGINT

/** Commands that end in good order, and say what they leave, when they are interrupted. */
const orderly = ['train', 'demo', 'study', 'worker']

let controller: AbortController | undefined
/** The first SIGINT or SIGTERM asks for an end in good order; a second one ends the process at once, as ever. */
function stop(signal: (typeof signals)[number]): void {
  interrupted = statusOf[signal]
  if (controller === undefined) {
    process.stderr.write('stopped before it began: nothing was written\n')
    process.exit(interrupted)
  }
  for (const each of signals) process.off(each, stop)
  controller.abort()
}
const listen = () => {
  for (const signal of signals) process.on(signal, stop)
}
// Heard from here on, while the program is still being read.
if (orderly.includes(process.argv[2] ?? '')) listen()

function interruption(): AbortSignal {
  if (process.listenerCount('SIGINT', stop) === 0) listen()
  controller ??= new AbortController()
  return controller.signal
}

const { main } = await import('./main.js')
const status = await main(process.argv.slice(2), {
  // Package managers run scripts from the workspace root and tell the caller's folder here.
  cwd: process.env.INIT_CWD ?? process.cwd(),
  out: text => void process.stdout.write(text),
  err: text => void process.stderr.write(text),
  ...(process.stderr.isTTY ? { terminal: process.stderr } : {}),
  script: process.argv[1]!,
  threads: availableParallelism(),
  interruption,
})
process.exitCode = status === statusOf.SIGINT ? interrupted : status
