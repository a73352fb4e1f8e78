import { type ByteSource, FormatError } from '@unravel/tensor'
import type { Graph } from '../graph.js'

/** The graph of an ONNX model. Throws FormatError. */
export function readOnnx(source: ByteSource, beside?: (path: string) => ByteSource): Graph {
  throw new FormatError(`onnx: ${source.size} bytes, ${beside}`)
}
