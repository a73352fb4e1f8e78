import { resolve } from 'node:path'

/** Where a run of the program starts from, and where it writes: the process itself, or what a test gives. */
export interface Io {
  /** Folder that relative paths start from. */
  readonly cwd: string
  /** Writes to standard output. */
  out(text: string): void
  /** Writes to standard error. */
  err(text: string): void
  /** Standard error as a terminal to draw progress on; absent where it is not one. */
  readonly terminal?: NodeJS.WriteStream
  /** The script of this program, for processes of its own; absent: there can be none. */
  readonly script?: string
  /** Threads that kernels may share; absent: one. */
  readonly threads?: number
  /** From the first call on, a request to stop (SIGINT, SIGTERM) aborts this signal instead of ending the process at once. */
  interruption(): AbortSignal
}

/** A path as the caller wrote it, made absolute. */
export const at = (io: Io, path: string): string => resolve(io.cwd, path)
