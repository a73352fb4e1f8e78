import { brief, MOST } from '../core/messages.js'

/** The text of what was thrown, which need not be an error. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/** The value of a JSON text. Editors of Windows write a byte order mark before it, which is no part of it. Throws SyntaxError. */
export const fromJson = (text: string): unknown => JSON.parse(text.replace(/^\ufeff/, ''))

/** A whole message, brief: text of a hostile file or a long list stays within 2,000 characters, and holds no control
 *  characters but line breaks. */
export const bounded = (message: string): string => brief(message, MOST).replace(/[^\P{Cc}\n]/gu, '\ufffd')

/** A file that is not what it says it is. One message: which kind of file, where, what was found, what was expected. */
export class FormatError extends Error {
  override readonly name = 'FormatError'
  constructor(message: string, options?: ErrorOptions) {
    super(bounded(message), options)
  }
}
