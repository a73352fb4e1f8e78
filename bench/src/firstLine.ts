import { messageOf } from '@unravel/tensor/internals'

/** The message of an error, in one line. */
export const firstLine = (error: unknown): string => messageOf(error).split('\n')[0]!
