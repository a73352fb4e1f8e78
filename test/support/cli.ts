import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { main } from '../../packages/unravel/src/main.js'

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `unravel` in this process; `stopAt` asks it to stop as soon as it writes that text on standard error. */
export async function runUnravel(argv: readonly string[], cwd: string, stopAt?: string): Promise<Outcome> {
  const controller = new AbortController()
  let stdout = ''
  let stderr = ''
  const status = await main(argv, {
    cwd,
    out: text => void (stdout += text),
    err(text) {
      stderr += text
      if (stopAt !== undefined && text.includes(stopAt)) controller.abort()
    },
    interruption: () => controller.signal,
  })
  return { status, stdout, stderr }
}

interface Setting {
  readonly env?: Readonly<Record<string, string>>
  /** A module that is loaded before the program. */
  readonly preload?: string
}

/** Starts the real program in a process of its own, where modules import the libraries natively. */
export function startUnravel(argv: readonly string[], cwd: string, { env, preload }: Setting = {}) {
  const package_ = resolve(import.meta.dirname, '../../packages/unravel')
  const before = preload === undefined ? [] : ['--import', preload]
  const program = ['--conditions=@unravel/source', '--import', 'tsx', ...before, resolve(package_, 'src/bin.ts')]
  const child = spawn(process.execPath, [...program, ...argv], {
    cwd: package_,
    env: { ...process.env, INIT_CWD: cwd, UNRAVEL_DEBUG: '', ...env },
  })
  const outcome = new Promise<Outcome>((done, failed) => {
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => void (stdout += chunk))
    child.stderr.on('data', chunk => void (stderr += chunk))
    child.on('error', failed)
    child.on('close', status => done({ status, stdout, stderr }))
  })
  return { child, outcome }
}
