import type { ByteSource } from '@unravel/tensor'
import { fromJson, shown, sourceOf } from '@unravel/tensor/internals'
import type { Graph } from '../graph.js'
import { withoutTransposes, withViews } from '../layout.js'
import { sorted } from '../sort.js'
import { readGraphModel } from './graphModel.js'
import { fail, field, isRecord, record } from './json.js'
import { type CustomLayers, readLayersModel } from './layersModel.js'
import { readWeights } from './weights.js'

export interface TfjsOptions {
  /** Layers of one's own, by their class: their computation in ONNX's operators. */
  readonly layers?: CustomLayers
}

type Bytes = Uint8Array | ByteSource

const source = (bytes: Bytes): ByteSource => (bytes instanceof Uint8Array ? sourceOf(bytes) : bytes)

/**
 * The graph of a tfjs model: a graph model or a layers model. `model` is model.json, as bytes, text or the object that it says;
 * `shards` are the files of weights, by the paths that it gives, or by their last part. Throws FormatError.
 *
 * `readTfjs(await file.text(), new Map([['group1-shard1of1.bin', bytes]]))`
 */
export function readTfjs(
  model: unknown,
  shards: ReadonlyMap<string, Bytes> | ((path: string) => Bytes),
  { layers = {} }: TfjsOptions = {},
): Graph {
  const json = record(parsed(model), 'the model')
  const found = (path: string): ByteSource => {
    if (typeof shards === 'function') return source(shards(path))
    const bytes = shards.get(path) ?? shards.get(path.slice(path.lastIndexOf('/') + 1))
    return bytes === undefined ? fail(`the file of weights ${shown(path)} is not there`) : source(bytes)
  }
  const topology = field(json, 'modelTopology')
  if (!isRecord(topology)) return fail('there is no "modelTopology"; expected a model.json with one')
  const weights = readWeights(field(json, 'weightsManifest'), found)
  // "format" says which it is, in the files that have it.
  const { graph, builder } = Array.isArray(field(topology, 'node'))
    ? readGraphModel(json, topology, weights)
    : readLayersModel(topology, weights, layers)
  const ordered = sorted(graph, fail)
  return withViews(sorted(withoutTransposes(ordered, builder.ranks), fail), builder.given)
}

function parsed(model: unknown): unknown {
  if (!(model instanceof Uint8Array) && typeof model !== 'string') return model
  const text = typeof model === 'string' ? model : new TextDecoder().decode(model)
  try {
    return fromJson(text)
  } catch (error) {
    return fail(`the model is no JSON: ${(error as Error).message}`)
  }
}
