import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The built command line. */
export const program = fileURLToPath(new URL('../../packages/unravel/bin/unravel.js', import.meta.url))
/** Tells the largest resident memory of the process, in KiB, in the last line of standard error. On Linux `maxRSS` is also that of the
 *  process which started it, if that was larger; VmHWM is not. */
const tell = `process.on('exit', () => {
  let most = process.resourceUsage().maxRSS
  try { most = /VmHWM:\\s*(\\d+)/.exec(process.getBuiltinModule('node:fs').readFileSync('/proc/self/status', 'utf8'))[1] } catch {}
  process.stderr.write('\\n' + most)
})`
const telling = `data:text/javascript,${encodeURIComponent(tell)}`

/** Seconds, and the largest resident memory in MiB, of a process. */
export interface Ran {
  readonly seconds: number
  readonly memory: number
}

/** Runs `unravel` on arguments in a folder. Throws an Error with its message where it fails. */
export function runCommand(argv: readonly string[], folder: string): Ran {
  const begin = performance.now()
  const child = spawnSync(process.execPath, ['--import', telling, program, ...argv], {
    cwd: folder,
    env: { ...process.env, INIT_CWD: folder },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  const seconds = (performance.now() - begin) / 1000
  const told = child.stderr.trim().split('\n')
  if (child.status !== 0) throw new Error(told.at(-2) ?? 'the process failed')
  return { seconds, memory: Number(told.at(-1)) / 1024 }
}
