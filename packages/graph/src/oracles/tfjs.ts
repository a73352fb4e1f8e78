import '@tensorflow/tfjs-backend-cpu'
import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { evaluate } from '../evaluate.js'
import type { Graph, HostArray } from '../graph.js'
import { readTfjs, type TfjsOptions } from '../tfjs/read.js'

// TensorFlow.js itself: models that it makes, saves and runs.

await tf.setBackend('cpu')

export type { GraphModel }
export { tf, tfl }

/** Numbers that do not repeat, from −1 to 1. */
export const waves = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(1.7 * i + seed) * Math.cos(0.013 * i * seed + 0.4))

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

/** A model of tfjs as it is on disk, its weights cut into two files in the middle of a number. */
export interface OnDisk {
  readonly json: string
  readonly shards: ReadonlyMap<string, Uint8Array>
}

/** Files of a topology and weights. */
export function filesOf(topology: unknown, specs: readonly unknown[], data: Uint8Array, more: object = {}): OnDisk {
  const cut = Math.floor(data.length / 2) | 1
  const paths = ['group1-shard1of2.bin', 'group1-shard2of2.bin']
  const parts = [data.slice(0, cut), data.slice(cut)]
  const json = JSON.stringify({ ...more, modelTopology: topology, weightsManifest: [{ paths, weights: specs }] })
  return { json, shards: new Map(paths.map((path, i) => [path, parts[i]!])) }
}

/** Weights of a layers model that are not those that it begins with: variances and slopes are positive. */
export function shake(model: tfl.LayersModel): void {
  model.setWeights(
    model.weights.map((w, i) => {
      const shape = w.shape as number[]
      const data = waves(sizeOf(shape), i + 1)
      const positive = /variance/.test(w.name)
      return tf.tensor(positive ? data.map(v => v * v + 0.1) : data.map(v => 0.5 * v), shape)
    }),
  )
}

/** A saved layers model. */
export async function saved(model: tfl.LayersModel): Promise<OnDisk> {
  let files: OnDisk | undefined
  await model.save(
    tf.io.withSaveHandler(async artifacts => {
      const data = new Uint8Array(tf.io.CompositeArrayBuffer.join(artifacts.weightData!))
      files = filesOf(artifacts.modelTopology, artifacts.weightSpecs!, data, { format: 'layers-model' })
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } }
    }),
  )
  return files!
}

export type Given = Readonly<Record<string, HostArray>>

export const given = (shape: readonly number[], seed: number, type: 'f32' | 'i32' = 'f32', most = 5): HostArray => {
  const data = waves(sizeOf(shape), seed)
  return type === 'f32'
    ? { type, shape, data }
    : { type, shape, data: Int32Array.from(data, v => Math.floor(((v + 1) / 2.001) * most)) }
}

const tensorOf = ({ type, shape, data }: HostArray) =>
  tf.tensor(data as Float32Array, [...shape], type === 'i32' ? 'int32' : type === 'bool' ? 'bool' : 'float32')

export interface Result {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}

const resultOf = (t: tf.Tensor): Result => ({ shape: t.shape, data: t.dataSync() })

/** Outputs of a layers model, in its order. */
export function predicted(model: tfl.LayersModel, inputs: readonly HostArray[]): Result[] {
  const xs = inputs.map(tensorOf)
  const y = model.predict(xs.length === 1 ? xs[0]! : xs)
  return (Array.isArray(y) ? y : [y]).map(resultOf)
}

/** A node of a GraphDef: attributes in the JSON that tfjs reads. */
export interface TfNode {
  readonly name: string
  readonly op: string
  readonly input?: readonly string[]
  readonly attr?: Readonly<Record<string, unknown>>
}

export const attr = {
  i: (n: number) => ({ i: String(n) }),
  f: (n: number) => ({ f: n }),
  b: (v: boolean) => ({ b: v }),
  s: (text: string) => ({ s: btoa(text) }),
  type: (name: string) => ({ type: name }),
  ints: (list: readonly number[]) => ({ list: { i: list.map(String) } }),
  texts: (list: readonly string[]) => ({ list: { s: list.map(text => btoa(text)) } }),
  shape: (dims: readonly number[]) => ({ shape: { dim: dims.map(size => ({ size: String(size) })) } }),
}

export const input = (name: string, shape: readonly number[], dtype = 'DT_FLOAT'): TfNode => ({
  name,
  op: 'Placeholder',
  attr: { dtype: attr.type(dtype), shape: attr.shape(shape) },
})

const bytesOf = ({ data }: HostArray) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** A graph model of nodes and constants. */
export function graphFiles(nodes: readonly TfNode[], constants: Given, more: object = {}): OnDisk {
  const dtypes = { f32: 'float32', i32: 'int32', bool: 'bool' } as Record<string, string>
  const specs = Object.entries(constants).map(([name, { type, shape }]) => ({ name, shape, dtype: dtypes[type] }))
  const data = Uint8Array.from(Object.values(constants).flatMap(c => Array.from(bytesOf(c))))
  const kinds = { f32: 'DT_FLOAT', i32: 'DT_INT32', bool: 'DT_BOOL' } as Record<string, string>
  const node = Object.entries(constants).map(([name, { type }]) => ({
    name,
    op: 'Const',
    attr: { dtype: attr.type(kinds[type]!) },
  }))
  return filesOf({ node: [...node, ...nodes], versions: {} }, specs, data, { format: 'graph-model', ...more })
}

/** Outputs of a graph model, by the names that tfjs gives them. */
export async function executed({ json, shards }: OnDisk, inputs: Given): Promise<Record<string, Result>> {
  const { modelTopology, weightsManifest, ...more } = JSON.parse(json)
  const parts = [...shards.values()]
  const weightData = Uint8Array.from(parts.flatMap(part => Array.from(part))).buffer
  const weightSpecs = weightsManifest.flatMap((group: { weights: unknown[] }) => group.weights)
  const model = await loadGraphModel({ load: async () => ({ modelTopology, weightSpecs, weightData, ...more }) })
  const named = Object.fromEntries(Object.entries(inputs).map(([name, array]) => [name, tensorOf(array)]))
  const names = model.outputNodes
  const y = model.execute(named, names)
  return Object.fromEntries((Array.isArray(y) ? y : [y]).map((t, i) => [names[i]!, resultOf(t)]))
}

export const readFiles = ({ json, shards }: OnDisk, options?: TfjsOptions): Graph => readTfjs(json, shards, options)

/** Outputs of a graph of ours, or inner values, by name. */
export function evaluated(graph: Graph, inputs: Given, dtype: 'f32' | 'f64' = 'f64', wanted?: readonly string[]) {
  const found = evaluate(graph, inputs, { dtype, ...(wanted && { outputs: wanted }) })
  return Object.fromEntries(
    Object.entries(found).map(([name, t]): [string, Result] => [name, { shape: t.shape, data: t.dataSync() }]),
  )
}

/** The largest difference of two results of one shape, in units of the largest number. */
export function apart(a: Result, b: Result): number {
  if (String(a.shape) !== String(b.shape)) return Number.NaN
  let [most, largest] = [0, 1e-30]
  for (let i = 0; i < b.data.length; i++) {
    const [p, q] = [Number(a.data[i]), Number(b.data[i])]
    if (Number.isNaN(p) && Number.isNaN(q)) continue
    if (p === q) continue
    if (!Number.isFinite(p) || !Number.isFinite(q)) return Number.NaN
    most = Math.max(most, Math.abs(p - q))
    largest = Math.max(largest, Math.abs(q))
  }
  return most / largest
}
