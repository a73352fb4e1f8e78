import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Graph, HostArray } from '@unravel/graph'
import { type ScaleRule, scalesOf } from '@unravel/resnet'
import { readBytes, sourceOfFile } from '@unravel/resnet/node'
import { type Backend, FormatError } from '@unravel/tensor'
import { Option } from 'commander'
import { UsageError } from './errors.js'
import { at, type Io } from './io.js'
import { layersFrom } from './modules.js'

// The readers of graphs are imported by the commands that read one: no other waits for them.

/** Whether MODEL is a file that holds a graph of operators: an ONNX file or the model.json of tfjs, known by its name. */
export const isGraphFile = (io: Io, model: string): boolean =>
  /\.(onnx|json)$/i.test(model) && statSync(at(io, model), { throwIfNoEntry: false })?.isDirectory() !== true

/** The graph in a file; weights are read from it, and from files beside it, when they are needed. Throws FileError or
 *  FormatError that names the file. */
export async function readGraphFile(io: Io, model: string, { layers: module }: GraphOptions = {}): Promise<Graph> {
  const { readGraph } = await import('@unravel/graph')
  const path = at(io, model)
  if (module !== undefined && !/\.json$/i.test(model)) throw new UsageError(layersText(model))
  const layers = module === undefined ? {} : await layersFrom(io, module)
  try {
    return readGraph(sourceOfFile(path), { beside: name => sourceOfFile(join(dirname(path), name)), layers })
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`${model}: ${error.message}`, { cause: error })
    throw error
  }
}

export interface GraphOptions {
  /** Module with the layers of a model.json that are its authors' own. */
  readonly layers?: string
}

export const layersOption = () =>
  new Option('--layers <MODULE>', "module exporting functions for layers of one's own classes in a model.json")

/** Why --layers is refused. */
export const layersText = (model: string): string =>
  `--layers is for a model.json of TensorFlow.js, whose layers may be of one's own classes; ${model} is none`

/** Refuses options that say where weights and families of other models come from. */
export function checkGraphOptions(options: { readonly weights?: string; readonly architecture?: string }): void {
  for (const name of ['weights', 'architecture'] as const) {
    if (options[name] !== undefined) throw new UsageError(`--${name} is not for a file of a graph, which has its own`)
  }
}

/** Inputs of a graph by name, from a .npy or .npz file. Throws FileError, or UsageError naming the file. */
export async function readGraphInputs(io: Io, path: string, graph: Graph): Promise<Record<string, HostArray>> {
  const { GraphError, inputsFrom } = await import('@unravel/graph')
  const bytes = readBytes(at(io, path))
  try {
    return inputsFrom(bytes, graph)
  } catch (error) {
    if (error instanceof FormatError || error instanceof GraphError) throw new UsageError(`${path}: ${error.message}`)
    throw error
  }
}

/** How a graph is taken apart. */
export interface GraphChoice extends GraphOptions {
  readonly input: string
  readonly output?: string
  readonly scale?: ScaleRule
  readonly dtype: 'f32' | 'f64'
  readonly weights?: string
  readonly architecture?: string
  /** The sites that are counted; `any`: blocks, or where the network is no chain of them all residual additions. */
  readonly sites?: 'blocks' | 'all' | 'any'
}

/** The tower of a graph, and the input that it takes. Throws UsageError, FileError, FormatError or GraphError. */
export async function fromGraph(model: string, options: GraphChoice, backend: Backend, io: Io) {
  checkGraphOptions(options)
  const { asInput, countedText, GraphError, towerOfGraph, whyNoBlocks } = await import('@unravel/graph')
  const { dtype, output, scale, sites = 'blocks' } = options
  const graph = await readGraphFile(io, model, options)
  const names = graph.outputs.map(o => `"${o.name}"`)
  if (output === undefined && names.length > 1) {
    throw new UsageError(`${model} has ${names.length} outputs: name one of them by --output: ${names.join(', ')}`)
  }
  const inputs = await readGraphInputs(io, options.input, graph)
  const scales = scale === undefined ? undefined : (n: number) => scalesOf(scale, n)
  try {
    const wanted = sites === 'all' ? sites : undefined
    const found = towerOfGraph(graph, inputs, { dtype, backend, output, scales, sites: wanted })
    const { tower, input, structure } = found
    if (sites === 'blocks' && found.sites === 'all') {
      throw new UsageError(`${model}: ${whyNoBlocks(structure)}; unravel expand --sites all counts the additions`)
    }
    const { type } = graph.inputs.find(i => i.name === input)!
    const x = asInput(inputs[input]!, type, { dtype, backend })
    const own = 'from the graph: constant factors at the ends of branches'
    const scaleFrom = scale === undefined ? own : 'given by --scale'
    return { tower, sites: found.sites, x, counted: countedText(found.sites, structure), scaleFrom }
  } catch (error) {
    if (!(error instanceof GraphError)) throw error
    throw new UsageError(`${model}: ${error.message}`, { cause: error })
  }
}
