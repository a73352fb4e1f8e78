import type { Constant } from '@unravel/graph'
import { isDlibNetwork, type Model, modelFrom, modelFromDlib, parametersOf, run, towerOf } from '@unravel/resnet'
import { makeFolder, modelFileNames, readBytes, writeModel } from '@unravel/resnet/node'
import { FormatError, Random, type StoredTensor, scope } from '@unravel/tensor'
import { Argument, Command } from 'commander'
import { backendNamed } from '../backends.js'
import { UsageError } from '../errors.js'
import { undoing } from '../files.js'
import { isGraphFile, readGraphFile } from '../graphs.js'
import { at, type Io } from '../io.js'
import { stages } from '../progress.js'
import { programLine } from '../shell.js'

interface ConvertOptions {
  readonly out: string
}

export function convertCommand(io: Io): Command {
  return new Command('convert')
    .description('Conversion of a network that another library wrote to a folder that expand reads.')
    .addArgument(
      new Argument(
        '<FILE>',
        "file of dlib's face recognition network (.dat), recognised by its content, or ONNX file of a ResNet",
      ),
    )
    .requiredOption('--out <MODEL>', 'folder for config.json and model.safetensors')
    .action((file: string, options: ConvertOptions) => convert(file, options, io))
}

async function convert(file: string, { out }: ConvertOptions, io: Io): Promise<void> {
  const undo = makeFolder(at(io, out), modelFileNames)
  const model: Model = await undoing(undo, () =>
    isGraphFile(io, file) ? resnetFrom(file, io) : converted(file, readBytes(at(io, file))),
  )
  writeModel(at(io, out), model)
  const { architecture, config } = model
  const shapes = Object.values(parametersOf(model)).map(t => t.shape)
  const convolutions = shapes.filter(shape => shape.length === 4).length
  const numbers = shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0)
  io.out(
    `${architecture.name} of ${architecture.depth(config)} blocks: ${convolutions} convolutions, ${numbers} parameters\n`,
  )
  const input = ['batch', ...architecture.input(config).shape].join(', ')
  io.out(
    `for a batch X.npy of inputs [${input}]: ${programLine('expand', out, '--input', 'X.npy', '--expansion', 'gated')}\n`,
  )
}

function converted(file: string, bytes: Uint8Array) {
  if (!isDlibNetwork(bytes)) {
    throw new UsageError(
      `${file}: the file does not begin as a network of dlib (a loss layer); nothing else is converted`,
    )
  }
  try {
    return modelFromDlib(bytes)
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`${file}: ${error.message}`, { cause: error })
    throw error
  }
}

/** Sides of images that are tried where a file leaves them open. */
const SIDES = [64, 224]
/** How far apart what both networks compute may be: rounding of f64. */
const TOLERANCE = 1e-9

/** The ResNet in an ONNX file: read by its structure, and compared with it on noise. */
async function resnetFrom(file: string, io: Io): Promise<Model> {
  const { evaluate, GraphError, prepared, resnetIn } = await import('@unravel/graph')
  const graph = await readGraphFile(io, file)
  const backend = await backendNamed('wasm', io)
  const [input, output] = [graph.inputs[0], graph.outputs[0]]
  if (graph.inputs.length !== 1 || graph.outputs.length !== 1 || input?.shape?.length !== 4) {
    throw new UsageError(
      `${file}: expected a network with one input of images [batch, channels, height, width] and one output`,
    )
  }
  let refusal = ''
  const progress = stages(io, 'convert', { preparing: 1, theirs: 1, ours: 1 })
  for (const side of SIDES) {
    const shape = input.shape.map((n, axis) => (typeof n === 'number' ? n : [1, 3, side, side][axis]!))
    const x = new Random(1).normal(shape, 0, 1, { dtype: 'f64', backend })
    try {
      const { config, weights } = resnetIn(
        prepared(graph, { [input.name]: x }, { backend, onNode: progress.of('preparing') }),
      )
      const stored = new Map([...weights].map(([name, constant]) => [name, storedOf(constant)]))
      const as = (dtype: 'f32' | 'f64') => modelFrom(JSON.stringify(config), stored, { dtype, backend })
      const [ours, theirs] = scope(() => {
        const model = as('f64')
        const theirs = evaluate(graph, { [input.name]: x }, { backend, onNode: progress.of('theirs') })
        return [run(towerOf(model), x, { onBlock: progress.of('ours') }), theirs[output!.name]!]
      })
      const [a, b] = [await ours.data(), await theirs.data()]
      const size = b.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
      if (a.length !== b.length || !a.every((v, i) => Math.abs(v - b[i]!) <= TOLERANCE * size)) {
        throw new Error('the ResNet of its weights computes something else')
      }
      return as([...weights.values()].some(w => w.type === 'f64') ? 'f64' : 'f32')
    } catch (error) {
      // A network that does not run on images of this size is tried on others.
      if (!(error instanceof GraphError)) {
        refusal = (error as Error).message
        break
      }
      refusal ||= error.message
    } finally {
      progress.stop()
    }
  }
  throw new UsageError(`${file}: only ResNets as torchvision has them are converted from ONNX: ${refusal}`)
}

const storedOf = ({ type, shape, read }: Constant): StoredTensor => ({
  type,
  shape,
  read(dtype = 'f64') {
    const values = read().data as ArrayLike<number>
    return {
      type,
      shape,
      dtype: dtype as 'f32' | 'f64',
      data: dtype === 'f32' ? Float32Array.from(values) : Float64Array.from(values),
    }
  },
})
