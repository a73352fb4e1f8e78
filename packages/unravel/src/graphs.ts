import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Graph, HostArray } from '@unravel/graph'
import { type ScaleRule, scalesOf } from '@unravel/resnet'
import { readBytes, sourceOfFile } from '@unravel/resnet/node'
import { type ArrayData, type Backend, FormatError, parseNpy, parseNpz, type Tensor, tensor } from '@unravel/tensor'
import { UsageError } from './errors.js'
import { at, type Io } from './io.js'

// The readers of graphs are imported by the commands that read one: no other waits for them.

/** Whether MODEL is a file that holds a graph of operators: an ONNX file or the model.json of tfjs, known by its name. */
export const isGraphFile = (io: Io, model: string): boolean =>
  /\.(onnx|json)$/i.test(model) && statSync(at(io, model), { throwIfNoEntry: false })?.isDirectory() !== true

/** The graph in a file; weights are read from it, and from files beside it, when they are needed. Throws FileError or
 *  FormatError that names the file. */
export async function readGraphFile(io: Io, model: string): Promise<Graph> {
  const { readGraph } = await import('@unravel/graph')
  const path = at(io, model)
  try {
    return readGraph(sourceOfFile(path), { beside: name => sourceOfFile(join(dirname(path), name)) })
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`${model}: ${error.message}`, { cause: error })
    throw error
  }
}

/** Refuses options that say where weights and families of other models come from. */
export function checkGraphOptions(options: { readonly weights?: string; readonly architecture?: string }): void {
  for (const name of ['weights', 'architecture'] as const) {
    if (options[name] !== undefined) throw new UsageError(`--${name} is not for a file of a graph, which has its own`)
  }
}

const hostArray = ({ shape, dtype, data }: ArrayData): HostArray => ({ type: dtype, shape, data })

/**
 * Inputs of a graph by name: a .npy is the only input, a .npz has one array for each, under its name. Throws FileError, or
 * UsageError naming the file.
 */
export function readGraphInputs(io: Io, path: string, { inputs }: Graph): Record<string, HostArray> {
  const bytes = readBytes(at(io, path))
  const names = inputs.map(i => i.name)
  const listed = names.map(name => `"${name}"`).join(', ') || 'none'
  try {
    if (bytes[0] === 0x93) {
      if (names.length === 1) return { [names[0]!]: hostArray(parseNpy(bytes)) }
      throw new UsageError(
        `${path} is one array; the model has ${names.length} inputs (${listed}): give a .npz with all`,
      )
    }
    const arrays = parseNpz(bytes)
    if (names.length === 1 && arrays.size === 1) return { [names[0]!]: hostArray([...arrays.values()][0]!) }
    const missing = names.find(name => !arrays.has(name))
    const unknown = [...arrays.keys()].find(name => !names.includes(name))
    if (missing !== undefined)
      throw new UsageError(`${path} has no array "${missing}"; the model's inputs are ${listed}`)
    if (unknown !== undefined)
      throw new UsageError(`${path}: "${unknown}" is no input of the model; these are ${listed}`)
    return Object.fromEntries([...arrays].map(([name, array]) => [name, hostArray(array)]))
  } catch (error) {
    if (error instanceof FormatError) throw new UsageError(`${path}: ${error.message}`)
    throw error
  }
}

/** How a graph is taken apart. */
export interface GraphChoice {
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
  const { GraphError, towerOfGraph, whyNoBlocks } = await import('@unravel/graph')
  const { dtype, output, scale, sites = 'blocks' } = options
  const graph = await readGraphFile(io, model)
  const names = graph.outputs.map(o => `"${o.name}"`)
  if (output === undefined && names.length > 1) {
    throw new UsageError(`${model} has ${names.length} outputs: name one of them by --output: ${names.join(', ')}`)
  }
  const inputs = readGraphInputs(io, options.input, graph)
  const scales = scale === undefined ? undefined : (n: number) => scalesOf(scale, n)
  try {
    const wanted = sites === 'all' ? sites : undefined
    const found = towerOfGraph(graph, inputs, { dtype, backend, output, scales, sites: wanted })
    const { tower, input, structure } = found
    if (sites === 'blocks' && found.sites === 'all') {
      throw new UsageError(`${model}: ${whyNoBlocks(structure)}; unravel expand --sites all counts the additions`)
    }
    const { type } = graph.inputs.find(i => i.name === input)!
    const x = taken(inputs[input]!, type, dtype, backend)
    const own = 'from the graph: constant factors at the ends of branches'
    const scaleFrom = scale === undefined ? own : 'given by --scale'
    return { tower, sites: found.sites, x, counted: countedText(found.sites, structure), scaleFrom }
  } catch (error) {
    if (!(error instanceof GraphError)) throw error
    throw new UsageError(`${model}: ${error.message}`, { cause: error })
  }
}

/** An array as the tensor that a network is expanded at. */
function taken({ data, shape }: HostArray, type: string, dtype: 'f32' | 'f64', backend: Backend): Tensor {
  const real = ['f64', 'f32', 'f16', 'bf16'].includes(type)
  const values = Float64Array.from(data as ArrayLike<number>, Number)
  return real ? tensor(values, { shape, dtype, backend }) : tensor(Int32Array.from(values), { shape, backend })
}

/** The sites that could be counted instead. */
function countedText(
  sites: 'blocks' | 'all',
  { blocks, sites: all }: { readonly blocks: readonly unknown[]; readonly sites: readonly unknown[] },
): string | undefined {
  if (sites === 'all') return 'all residual additions, nested ones and those outside of a chain too'
  const more = all.length - blocks.length
  return more === 0 ? undefined : `blocks that all paths pass; --sites all counts ${more} more residual additions`
}
