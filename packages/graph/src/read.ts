import type { ByteSource } from '@unravel/tensor'
import { sourceOf } from '@unravel/tensor/internals'
import type { Graph } from './graph.js'
import { readOnnx } from './onnx/read.js'
import { fail } from './tfjs/json.js'
import { readTfjs, type TfjsOptions } from './tfjs/read.js'

export interface ReadOptions extends TfjsOptions {
  /** A file beside the model (external weights, shards), by the relative path that the model gives. */
  readonly beside?: (path: string) => ByteSource
}

const MOST_JSON = 2 ** 29

/** The graph in an ONNX file or in the model.json of a tfjs model. Throws FormatError. */
export function readGraph(file: Uint8Array | ByteSource, options: ReadOptions = {}): Graph {
  const source = file instanceof Uint8Array ? sourceOf(file) : file
  if (!isJson(source)) return readOnnx(source, options.beside)
  if (source.size > MOST_JSON) fail(`the model has ${source.size} bytes; ${MOST_JSON} are the most`)
  const { beside = () => fail('the weights are in files beside the model, which was read without its folder') } =
    options
  return readTfjs(source.read(0, source.size), beside, options)
}

/** A message of ONNX does not begin as an object of JSON does: with a brace, spaces and the mark of UTF-8 aside. */
function isJson(source: ByteSource): boolean {
  const head = source.read(0, Math.min(source.size, 64))
  const begin = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0
  return head.subarray(begin).find(byte => !' \n\r\t'.includes(String.fromCharCode(byte))) === 0x7b
}
