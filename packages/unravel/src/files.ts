import { randomBytes } from 'node:crypto'
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { UsageError } from './errors.js'

/** Writes a file whole or not at all: under another name beside it, then renamed. */
export function writeAtomically(path: string, content: Uint8Array | string): void {
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    writeFileSync(draft, content, { flag: 'wx' })
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}

/** Checks that a file can be written at `path` before any work is done for it. Throws UsageError. */
export function checkWritable(path: string, option: string): void {
  const folder = dirname(path)
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`${option} ${path}: there is no folder ${folder}; make it first`)
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`${option} ${path}: it is a folder; name a file in it`)
  }
}
