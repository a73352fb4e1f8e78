/** Words as a line that a POSIX shell reads back as the same words. */
export const shellLine = (...words: readonly string[]): string =>
  words.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')

/** How the program was called: by its name, or through the script of a checkout. */
const called =
  process.env.npm_package_name === 'unravel-workspace'
    ? ['npx', '-y', 'pnpm@10.34.9', '--silent', 'unravel']
    : ['unravel']

/** A line that runs this program again. */
export const programLine = (...words: readonly string[]): string => shellLine(...called, ...words)
