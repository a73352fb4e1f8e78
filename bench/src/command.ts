import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout of another commit, with its packages built, that UNRAVEL_BASE names from where the caller stands, which pnpm keeps in
 *  INIT_CWD. */
export function baseFolder(): string | undefined {
  const base = process.env.UNRAVEL_BASE
  return base === undefined ? undefined : resolve(process.env.INIT_CWD ?? process.cwd(), base)
}

const bin = 'packages/unravel/bin/unravel.js'
/** The built command line. */
export const program = fileURLToPath(new URL(`../../${bin}`, import.meta.url))
/** The same of `baseFolder`. */
export const baseProgram = (): string | undefined => {
  const base = baseFolder()
  return base === undefined ? undefined : resolve(base, bin)
}
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
