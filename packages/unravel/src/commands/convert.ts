import { isDlibNetwork, modelFromDlib, parametersOf } from '@unravel/resnet'
import { makeFolder, modelFileNames, readBytes, writeModel } from '@unravel/resnet/node'
import { FormatError } from '@unravel/tensor'
import { Argument, Command } from 'commander'
import { UsageError } from '../errors.js'
import { undoing } from '../files.js'
import { at, type Io } from '../io.js'
import { programLine } from '../shell.js'

interface ConvertOptions {
  readonly out: string
}

export function convertCommand(io: Io): Command {
  return new Command('convert')
    .description('Conversion of a network that another library wrote to a folder that expand reads.')
    .addArgument(new Argument('<FILE>', "file of dlib's face recognition network (.dat), recognised by its content"))
    .requiredOption('--out <MODEL>', 'folder for config.json and model.safetensors')
    .action((file: string, options: ConvertOptions) => convert(file, options, io))
}

function convert(file: string, { out }: ConvertOptions, io: Io): void {
  const undo = makeFolder(at(io, out), modelFileNames)
  const model = undoing(undo, () => converted(file, readBytes(at(io, file))))
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
