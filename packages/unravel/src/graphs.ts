import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Graph, type HostArray, readGraph } from '@unravel/graph'
import { readBytes, sourceOfFile } from '@unravel/resnet/node'
import { type ArrayData, FormatError, parseNpy, parseNpz } from '@unravel/tensor'
import { UsageError } from './errors.js'
import { at, type Io } from './io.js'

/** Whether MODEL is a file that holds a graph of operators: an ONNX file or the model.json of tfjs, known by its name. */
export const isGraphFile = (io: Io, model: string): boolean =>
  /\.(onnx|json)$/i.test(model) && statSync(at(io, model), { throwIfNoEntry: false })?.isDirectory() !== true

/** The graph in a file; weights are read from it, and from files beside it, when they are needed. Throws FileError or
 *  FormatError that names the file. */
export function readGraphFile(io: Io, model: string): Graph {
  const path = at(io, model)
  try {
    return readGraph(sourceOfFile(path), { beside: name => sourceOfFile(join(dirname(path), name)) })
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`${model}: ${error.message}`, { cause: error })
    throw error
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
