import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { prepareFile } from '@unravel/resnet/node'
import { UsageError } from './errors.js'

/** Checks that a file can be written at `path` before any work is done for it; `made` is a folder that will be there by then.
 *  Throws UsageError or FileError. */
export function checkWritable(path: string, option: string, made?: string): void {
  const folder = dirname(path)
  if (folder === made && !existsSync(folder)) return
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`${option} ${path}: there is no folder ${folder}; make it first`)
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`${option} ${path}: it is a folder; name a file in it`)
  }
  prepareFile(path)
}

/** Runs `action` and returns its result; where it throws, or its promise is rejected, `undo` runs first. */
export function undoing<T>(undo: () => void, action: () => T): T {
  const undone = (error: unknown): never => {
    undo()
    throw error
  }
  try {
    const made = action()
    return made instanceof Promise ? (made.catch(undone) as T) : made
  } catch (error) {
    return undone(error)
  }
}
