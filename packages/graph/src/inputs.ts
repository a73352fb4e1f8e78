import { type ArrayData, type Backend, parseNpy, parseNpz, type Tensor, tensor } from '@unravel/tensor'
import { GraphError } from './errors.js'
import type { ElementType, Graph, HostArray } from './graph.js'
import { elementsOf, hostOf, isFloat } from './host.js'

/**
 * Inputs of a graph by name, from a NumPy file: a .npy is the only input, a .npz has one array for each, under its name. Throws
 * FormatError, or GraphError where the arrays are not those of the inputs.
 */
export function inputsFrom(bytes: Uint8Array, { inputs }: Graph): Record<string, HostArray> {
  const names = inputs.map(i => i.name)
  const listed = names.map(name => `"${name}"`).join(', ') || 'none'
  if (bytes[0] === 0x93) {
    if (names.length === 1) return { [names[0]!]: hostArray(parseNpy(bytes)) }
    throw new GraphError(`it is one array; the model has ${names.length} inputs (${listed}): give a .npz with all`)
  }
  const arrays = parseNpz(bytes)
  if (names.length === 1 && arrays.size === 1) return { [names[0]!]: hostArray([...arrays.values()][0]!) }
  const missing = names.find(name => !arrays.has(name))
  const unknown = [...arrays.keys()].find(name => !names.includes(name))
  if (missing !== undefined) throw new GraphError(`it has no array "${missing}"; the model's inputs are ${listed}`)
  if (unknown !== undefined) throw new GraphError(`"${unknown}" is no input of the model; these are ${listed}`)
  return Object.fromEntries([...arrays].map(([name, array]) => [name, hostArray(array)]))
}

const hostArray = ({ shape, dtype, data }: ArrayData): HostArray => ({ type: dtype, shape, data })

/** Lengths that are tried for the free dimensions of inputs, the first axis apart. */
const LENGTHS = [64, 32, 224, 128, 16, 8, 1]

/**
 * What `use` gives of inputs that are made up: one element along a free first axis, and along the others the first length of a few
 * that the network runs with. Real numbers are those of `draw` (default: zeros), integers 1.
 *
 * @throws GraphError where no length will do
 */
export function onSamples<T>(
  { inputs }: Graph,
  use: (inputs: Record<string, HostArray>) => T,
  draw: (count: number) => ArrayLike<number> = count => new Float32Array(count),
): T {
  const free = inputs.some(({ shape = [] }) => shape.some((n, axis) => axis > 0 && typeof n !== 'number'))
  let failure: GraphError | undefined
  for (const length of free ? LENGTHS : LENGTHS.slice(0, 1)) {
    const made = inputs.map(({ name, type, shape = [] }): [string, HostArray] => {
      const lengths = shape.map((n, axis) => (typeof n === 'number' ? n : axis === 0 ? 1 : length))
      const count = elementsOf(lengths)
      return [name, hostOf(type, lengths, isFloat(type) ? Array.from(draw(count)) : new Uint8Array(count).fill(1))]
    })
    try {
      return use(Object.fromEntries(made))
    } catch (error) {
      if (!(error instanceof GraphError)) throw error
      failure ??= error
    }
  }
  throw new GraphError(`the network runs on no input of a small size; give one: ${failure!.message}`)
}

/** An array as the tensor that a network is expanded at: real numbers in the dtype of the run, integers as i32. */
export function asInput(
  { data, shape }: HostArray,
  type: ElementType,
  { dtype, backend }: { readonly dtype: 'f32' | 'f64'; readonly backend: Backend },
): Tensor {
  const values = Float64Array.from(data as ArrayLike<number>, Number)
  return isFloat(type) ? tensor(values, { shape, dtype, backend }) : tensor(Int32Array.from(values), { shape, backend })
}
