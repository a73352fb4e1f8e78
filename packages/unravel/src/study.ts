import { type Model, type ScaleRule, type Tower, towerOf } from '@unravel/resnet'
import { readModel } from '@unravel/resnet/node'
import type { Backend, Tensor } from '@unravel/tensor'
import { Argument, type Command, Option } from 'commander'
import { type BackendName, backendNamed, backendNames } from './backends.js'
import { UsageError } from './errors.js'
import { readInput } from './input.js'
import { at, type Io } from './io.js'
import { scale } from './values.js'

/** The options that every command on a model and a batch of inputs shares. */
export interface StudyOptions {
  readonly input: string
  readonly scale?: ScaleRule
  readonly dtype: 'f32' | 'f64'
  readonly backend: BackendName
  readonly json?: true
}

/** A command with the arguments and options of a study, in the precisions that it has. */
export function studyCommand(command: Command, dtypes: readonly ('f64' | 'f32')[] = ['f64', 'f32']): Command {
  return command
    .addArgument(new Argument('<MODEL>', 'folder with config.json and model.safetensors'))
    .requiredOption('--input <X.npy>', 'batch of inputs, batches first')
    .option('--scale <λ>', "scale of the branches: a number, '1/n' or '1/sqrt(n)' (default: the model's own)", scale)
    .addOption(new Option('--dtype <dtype>', 'precision').choices(dtypes).default('f64'))
    .addOption(new Option('--backend <name>', 'where kernels run').choices(backendNames).default('wasm'))
    .option('--json', 'print one JSON document instead of a table')
}

/** A network at its scale and the inputs to look at it with. */
export interface Study {
  readonly folder: string
  readonly model: Model
  readonly tower: Tower
  readonly x: Tensor
  readonly backend: Backend
}

/** Reads what the options name. Throws UsageError, FileError or FormatError. */
export async function readStudy(folder: string, options: StudyOptions, io: Io): Promise<Study> {
  const { input, scale, dtype } = options
  const backend = await backendNamed(options.backend, io)
  const model = readModel(at(io, folder), { dtype, backend })
  const x = readInput(io, input, model, dtype, backend)
  return { folder, model, tower: scaledTower(model, folder, scale), x, backend }
}

export function scaledTower(model: Model, folder: string, scale: ScaleRule | undefined): Tower {
  try {
    return towerOf(model, scale === undefined ? {} : { scale })
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${folder}: ${error.message}`)
    throw error
  }
}

/** One JSON document; numbers that are not finite become null. */
export const json = (document: unknown): string =>
  `${JSON.stringify(document, (_, value) => (typeof value === 'number' && !Number.isFinite(value) ? null : ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value))}\n`
