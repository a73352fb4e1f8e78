import { bounded } from '@unravel/tensor/internals'
import type { Command } from 'commander'

/** Something wrong with what the caller gave: reported in one line, exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  constructor(message: string, options?: ErrorOptions) {
    super(bounded(message), options)
  }
}

/** A run that was asked to stop: exit status 130, as shells give it for SIGINT. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** The operating system's error codes, in words for a caller. */
const systemErrors: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder, not a file',
  ENOTDIR: 'a part of the path is not a folder',
  ENOSPC: 'no space is left on the device',
  EEXIST: 'it exists already',
  ENAMETOOLONG: 'the name is too long',
}

/** The meaning of a file-system error, or undefined for any other error. */
export function systemError(error: unknown): string | undefined {
  const { code, path } = error as NodeJS.ErrnoException
  const meaning = code === undefined ? undefined : systemErrors[code]
  return meaning && `${path ?? 'a file'}: ${meaning}`
}

/** Text as one line of at most 2,000 characters, without the control characters that a name in a file may carry to a
 *  terminal. */
export const oneLine = (text: string): string =>
  bounded(text)
    .trim()
    .replace(/\s*[\n\r\u2028\u2029]\s*/g, ' ')
    .replace(/\p{Cc}/gu, '\ufffd')

/** Whether an allocation failed, on any backend. */
export const isOutOfMemory = (error: unknown): boolean =>
  error instanceof RangeError && /memory|allocation failed|array length/i.test(error.message)

/** The options of a command that save memory and were not used yet, or of a backend without the limit that was met. */
export function lessMemory(command: Command | undefined, error?: unknown): string {
  const has = (name: string) => command?.options.some(option => option.long === name) ?? false
  const narrow = command?.options.find(option => option.long === '--dtype')?.argChoices?.includes('f32')
  const ways = [
    has('--input') && 'fewer inputs in --input',
    has('--batch') && 'a smaller --batch',
    has('--orders') && 'fewer --orders',
    has('--samples') && 'fewer --samples',
    has('--width') && 'a smaller --width',
    has('--depth') && 'a smaller --depth',
    narrow && command?.opts().dtype !== 'f32' && '--dtype f32',
    // Of 4 GiB at most, which the weights alone may exceed.
    has('--backend') && /WebAssembly/.test(String(error)) && '--backend js (wasm has at most 4 GiB)',
  ].filter(way => typeof way === 'string')
  if (ways.length === 0) return 'a smaller model, or a machine with more memory'
  return ways.length === 1 ? ways[0]! : `${ways.slice(0, -1).join(', ')} or ${ways.at(-1)}`
}
