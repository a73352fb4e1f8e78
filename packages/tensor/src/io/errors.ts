/** Longer messages lose their middle. */
const MOST = 1900

/** Text of about `most` characters at most: a longer one keeps its two ends, with its length between them. */
export function brief(text: string, most = 100): string {
  if (text.length <= most) return text
  const end = most >> 1
  return `${text.slice(0, end)}…(${text.length} characters)…${text.slice(-end)}`
}

/** The text of what was thrown, which need not be an error. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/** A name in quotes, or a value from a file as JSON, as messages show it: briefly. */
export function shown(value: unknown): string {
  // A name may hold line breaks and commands to the terminal.
  if (typeof value === 'string')
    return `"${brief(value)
      .replace(/\s*[\n\r]\s*/g, ' ')
      .replace(/\p{Cc}/gu, '\ufffd')}"`
  // JSON has no infinity, but reads 1e999 as one.
  if (typeof value === 'number') return String(value)
  try {
    return brief(JSON.stringify(value) ?? String(value))
  } catch {
    return 'a value nested too deeply to print' // the call stack of JSON.stringify
  }
}

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
