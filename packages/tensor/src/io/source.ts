/** Bytes that are read piece by piece: an array in memory, or a file that may be larger than one. */
export interface ByteSource {
  /** Number of bytes. */
  readonly size: number
  /** The bytes from `begin` to before `end`, both inside. The result may share memory with the source. */
  read(begin: number, end: number): Uint8Array
}

export const sourceOf = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (begin, end) => bytes.subarray(begin, end),
})
