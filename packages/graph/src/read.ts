import type { ByteSource } from '@unravel/tensor'
import { sourceOf } from '@unravel/tensor/internals'
import type { Graph } from './graph.js'
import { readOnnx } from './onnx/read.js'

export interface ReadOptions {
  /** A file beside the model (external weights, shards), by the relative path that the model gives. */
  readonly beside?: (path: string) => ByteSource
}

/** The graph in an ONNX file. Throws FormatError. */
export function readGraph(file: Uint8Array | ByteSource, options: ReadOptions = {}): Graph {
  return readOnnx(file instanceof Uint8Array ? sourceOf(file) : file, options.beside)
}
