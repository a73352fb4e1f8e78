/** Words as a line that a POSIX shell reads back as the same words. */
export const shellLine = (...words: readonly string[]): string =>
  words.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')
