import { FormatError } from '@unravel/tensor'
import { brief } from '@unravel/tensor/internals'

/** An array of an IDX file; integers of more than 8 bits and reals come as f64. */
export interface IdxArray {
  readonly shape: readonly number[]
  readonly data: Uint8Array | Float64Array
}

const sizes: Record<number, number> = { 8: 1, 9: 1, 11: 2, 12: 4, 13: 4, 14: 8 }

/**
 * Reads an IDX file (Yann LeCun's format for MNIST): two zero bytes, a type, the number of axes, their lengths as
 * big-endian 32-bit numbers, then the numbers. Throws FormatError unless the file is exactly as long as that says.
 */
export function parseIdx(bytes: Uint8Array): IdxArray {
  const fail = (message: string): never => {
    throw new FormatError(`idx: ${message}`)
  }
  const size = sizes[bytes[2] ?? -1]
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0 || size === undefined) {
    return fail('the file does not begin with an IDX header; expected a file like train-images-idx3-ubyte')
  }
  const rank = bytes[3]!
  const start = 4 + 4 * rank
  if (bytes.length < start) return fail(`the file ends at byte ${bytes.length}, inside of its header of ${start} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  const count = shape.reduce((a, b) => a * b, 1)
  if (start + count * size !== bytes.length) {
    return fail(
      `shape [${brief(String(shape))}] needs ${count * size} bytes of data; the file has ${bytes.length - start}`,
    )
  }
  const at = (i: number): number => {
    const p = start + i * size
    switch (bytes[2]) {
      case 9:
        return view.getInt8(p)
      case 11:
        return view.getInt16(p)
      case 12:
        return view.getInt32(p)
      case 13:
        return view.getFloat32(p)
      default:
        return view.getFloat64(p)
    }
  }
  return {
    shape,
    data:
      bytes[2] === 8 ? new Uint8Array(bytes.subarray(start)) : Float64Array.from({ length: count }, (_, i) => at(i)),
  }
}
