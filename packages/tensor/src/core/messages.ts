/** Text of about `most` characters at most: a longer one keeps its two ends, with its length between them. */
export function brief(text: string, most = 100): string {
  if (text.length <= most) return text
  const end = most >> 1
  return `${text.slice(0, end)}…(${text.length} characters)…${text.slice(-end)}`
}

/** Characters of a whole message: longer ones lose their middle. */
export const MOST = 1900

/** A value as messages show it, briefly: text in quotes, numbers as they are, others as JSON. */
export function shown(value: unknown): string {
  // A name may hold line breaks and commands to the terminal.
  if (typeof value === 'string') {
    const line = brief(value).replace(/\s*[\n\r]\s*/g, ' ')
    return `"${line.replace(/\p{Cc}/gu, '\ufffd')}"`
  }
  // JSON has no infinity, but reads 1e999 as one.
  if (typeof value === 'number') return String(value)
  if (Array.isArray(value) && value.every(v => typeof v === 'number')) return brief(`[${value}]`)
  try {
    return brief(JSON.stringify(value) ?? String(value))
  } catch {
    // The call stack of JSON.stringify, or what it does not know.
    return typeof value === 'object' ? 'a deeply nested value' : String(value)
  }
}

/** The entry of a table that a word names; names of Object.prototype are none. `what` begins the error, as in `resize: rounding is`. */
export function entryOf<T>(table: Readonly<Record<string, T>>, word: string, what: string): T {
  if (Object.hasOwn(table, word)) return table[word]!
  throw new RangeError(`${what} one of ${Object.keys(table).join(', ')}, got ${shown(word)}`)
}
