/** A file that is not what it says it is. One message: which kind of file, where, what was found, what was expected. */
export class FormatError extends Error {
  override readonly name = 'FormatError'
}
