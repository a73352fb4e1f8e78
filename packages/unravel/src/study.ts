import { existsSync, statSync } from 'node:fs'
import { type InspectedNetwork, inspectTower, type Tokens } from '@unravel/report/data'
import { drawnInput, type Model, run, type ScaleRule, scalesOf, type Tower, towerOf, withScales } from '@unravel/resnet'
import { readModel } from '@unravel/resnet/node'
import { type Backend, scope, Tensor, tensor } from '@unravel/tensor'
import { Argument, type Command, Option } from 'commander'
import { type BackendName, backendNamed, backendNames } from './backends.js'
import { UsageError } from './errors.js'
import { fromGraph, type GraphOptions, isGraphFile, layersOption, layersText } from './graphs.js'
import { readArray, readInput } from './input.js'
import { at, type Io } from './io.js'
import { about, isModule, registerFrom, towerFromModule } from './modules.js'
import { promptIds, readText, type Text, tokensOf } from './text.js'
import { scale } from './values.js'

/** Which network, and what it is looked at with. */
export interface NetworkOptions extends GraphOptions {
  /** File of the inputs; absent where prompts stand for it. */
  readonly input?: string
  readonly prompt?: readonly string[]
  readonly scale?: ScaleRule
  readonly dtype: 'f32' | 'f64'
  readonly weights?: string
  readonly architecture?: string
  /** Of a graph: the output that is taken apart. */
  readonly output?: string
  /** The sites that orders count; `any`: blocks, or of a graph that is no chain of them all residual additions. */
  readonly sites?: 'blocks' | 'all' | 'any'
}

/** The options that every command on a model and a batch of inputs shares. */
export interface StudyOptions extends NetworkOptions {
  readonly backend: BackendName
  readonly json?: true
}

/** A model, in words for --help. */
export const MODEL =
  'folder with config.json and model.safetensors, ONNX file, model.json of TensorFlow.js, or module (.mjs, .js, .ts) that exports a tower'

/** A command with the arguments and options of a study, in the precisions that it has. */
export function studyCommand(command: Command, dtypes?: readonly ('f64' | 'f32')[]): Command {
  return kernelOptions(networkCommand(command, new Argument('<MODEL>', MODEL)), dtypes).option(
    '--json',
    'one JSON document on standard output instead of a table',
  )
}

/** A command with the options that say which networks, in which form, and on what. */
export function networkCommand(command: Command, models: Argument): Command {
  return moduleOptions(
    inputOptions(command.addArgument(models))
      .option('--output <NAME>', 'output to take apart, or inner value, of an ONNX file or model.json with several')
      .option(
        '--scale <λ>',
        "scale of the branches: a number, '1/n', '1/sqrt(n)', or a multiple of these as in '1.4/sqrt(n)' (default: the model's own)",
        scale,
      ),
  )
}

/** A command with the options that name its inputs, one of which is required. */
export const inputOptions = (command: Command): Command =>
  command
    .option('--input <X.npy>', 'batch of inputs, batches first; of several inputs a .npz with one array for each name')
    .addOption(
      new Option(
        '--prompt <text>',
        'text in place of --input, for a MODEL with tokenizer.json; several times: a batch of equally many tokens',
      )
        .argParser((text: string, before: readonly string[] = []) => [...before, text])
        .conflicts('input'),
    )
    .hook('preAction', command => checkInputs(command.opts()))

/** A command with the options that say where modules and families of one's own come from. */
export const moduleOptions = (command: Command): Command =>
  command
    .option('--weights <FILE.safetensors>', 'weights of a MODEL that is a module exporting a function of weights')
    .option('--architecture <MODULE>', 'module exporting an architecture for config.json to name')
    .addOption(layersOption())

/** A command with the options that say how kernels compute. */
export const kernelOptions = (command: Command, dtypes: readonly ('f64' | 'f32')[] = ['f64', 'f32']): Command =>
  command
    .addOption(new Option('--dtype <dtype>', 'floating-point precision').choices(dtypes).default('f64'))
    .addOption(new Option('--backend <name>', 'backend of the kernels').choices(backendNames).default('wasm'))

/** Throws UsageError where the options name no inputs. */
function checkInputs({ input, prompt }: Pick<NetworkOptions, 'input' | 'prompt'>): void {
  if (input !== undefined || prompt !== undefined) return
  throw new UsageError("required option '--input <X.npy>' not specified, nor --prompt for a model with tokenizer.json")
}

/** The file of the inputs. Throws UsageError where prompts stand for it, for a model without a tokenizer. */
export function inputFile(model: string, { input }: Pick<NetworkOptions, 'input'>): string {
  if (input !== undefined) return input
  throw new UsageError(`--prompt: ${model} has no tokenizer.json; give ids or numbers by --input X.npy`)
}

/** Where the inputs are from, in words. */
export const inputsText = ({ input, prompt = [] }: Pick<NetworkOptions, 'input' | 'prompt'>): string =>
  input !== undefined
    ? `the inputs of ${input}`
    : `the prompt${prompt.length === 1 ? '' : 's'} ${prompt.map(text => JSON.stringify(text)).join(', ')}`

/** The networks that `report` takes. */
export const modelsArgument = () => new Argument('<MODEL...>', `one or more models: each a ${MODEL}`)

/** A network at its scale and the inputs to look at it with. */
export interface Study {
  readonly folder: string
  readonly tower: Tower
  readonly x: Tensor
  /** The sites that orders count. */
  readonly sites: 'blocks' | 'all'
  /** The same, and the sites that could be counted instead, in words. */
  readonly counted?: string | undefined
  readonly backend: Backend
  /** Where λ comes from, in words. */
  readonly scaleFrom: string
  /** Assumptions and omissions of the reader of the model; told on standard error already. */
  readonly warnings: readonly string[]
  /** The tokenizer of the folder, where it has one, and what the inputs are by it. */
  readonly text?: Text | undefined
  readonly tokens?: Tokens | undefined
}

/** Reads what the options name. Throws UsageError, FileError or FormatError. */
export async function readStudy(model: string, options: StudyOptions, io: Io): Promise<Study> {
  return readNetwork(model, options, await backendNamed(options.backend, io), io)
}

/** Reads a model, a folder, an ONNX file or a module, and inputs for it. Throws UsageError, FileError or FormatError. */
export async function readNetwork(folder: string, options: NetworkOptions, backend: Backend, io: Io): Promise<Study> {
  if (options.architecture !== undefined && !isGraphFile(io, folder)) await registerFrom(io, options.architecture)
  const warnings: string[] = []
  const warn = (message: string) => {
    warnings.push(message)
    io.err(`warning: ${message}\n`)
  }
  const about = { folder, backend, warnings }
  if (isGraphFile(io, folder))
    return { ...(await fromGraph(folder, { ...options, input: inputFile(folder, options) }, backend, io)), ...about }
  checkNoGraph(folder, options)
  const read = isModuleFile(io, folder) ? fromModule : fromFolder
  const found = await read(folder, options, backend, io, warn)
  return { ...found, ...about, sites: options.sites === 'all' ? 'all' : 'blocks' }
}

const isModuleFile = (io: Io, model: string): boolean => isModule(model) && !isFolder(at(io, model))

/** Refuses options that only a graph has. */
function checkNoGraph(folder: string, { output, layers }: Pick<NetworkOptions, 'output' | 'layers'>): void {
  if (layers !== undefined) throw new UsageError(layersText(folder))
  if (output === undefined || output === 'output') return
  throw new UsageError(`--output ${output}: the only output of ${folder} is called "output"`)
}

/** What is in a model that is a folder or a module. Inputs of a folder are drawn where none are given; a module does not say which it
 *  takes. Throws UsageError, FileError or FormatError. */
export async function inspectedTower(
  model: string,
  options: Pick<NetworkOptions, 'input' | 'output' | 'weights' | 'architecture' | 'layers'>,
  backend: Backend,
  io: Io,
): Promise<InspectedNetwork> {
  checkNoGraph(model, options)
  if (options.architecture !== undefined) await registerFrom(io, options.architecture)
  const { input: file, weights } = options
  const where = { dtype: 'f32', backend } as const
  if (isModuleFile(io, model)) {
    const tower = await towerFromModule(io, model, weights, where)
    const x = file === undefined ? undefined : await inputTaken(model, tower, { ...where, input: file }, backend, io)
    const shape = x === undefined ? null : [null, ...x.shape.slice(1)]
    return inspectTower(tower, x, { input: { name: 'input', type: x?.dtype ?? 'f32', shape }, parameters: null })
  }
  refuseWeights(model, weights)
  const onWarning = (message: string) => io.err(`warning: ${model}: ${message}\n`)
  const found = readModel(at(io, model), { ...where, onWarning })
  const { architecture, config, tensors } = found
  const x = file === undefined ? drawnInput(found, where) : readInput(io, file, found, 'f32', backend)
  const { shape, kind } = architecture.input(config)
  const input = { name: 'input', type: kind === 'ids' ? 'i32' : 'f32', shape: ['batch', ...shape] }
  const parameters = Object.values(tensors).reduce((n, t) => n + t.size, 0)
  return inspectTower(towerOf(found), x, { input, parameters })
}

/** Throws UsageError where weights are given beside those of a folder. */
function refuseWeights(folder: string, weights: string | undefined): void {
  if (weights === undefined) return
  throw new UsageError(`--weights is for a MODEL that is a module; ${folder} is a folder with weights of its own`)
}

type Found = Pick<Study, 'tower' | 'x' | 'scaleFrom' | 'text' | 'tokens'>
type Warn = (message: string) => void

async function fromFolder(
  folder: string,
  options: NetworkOptions,
  backend: Backend,
  io: Io,
  warn: Warn,
): Promise<Found> {
  const { dtype, scale } = options
  refuseWeights(folder, options.weights)
  const onWarning = (message: string) => warn(`${folder}: ${message}`)
  const model = readModel(at(io, folder), { dtype, backend, onWarning })
  const { x, ...words } = await inputsOf(folder, model, options, backend, io, onWarning)
  const tower = scaled(folder, () => towerOf(model, scale === undefined ? {} : { scale }))
  if (scale !== undefined) return { tower, x, ...words, scaleFrom: 'given by --scale' }
  const { scale: rule } = model.config
  if (rule !== undefined) return { tower, x, ...words, scaleFrom: `from config.json, rule ${rule.rule}` }
  if (model.architecture.scale !== undefined)
    return { tower, x, ...words, scaleFrom: 'from config.json, its residual multiplier' }
  if (tower.blocks.length > 0) {
    onWarning(
      'config.json has no "scale", so λ = 1 is assumed: of a network that was trained at another, give it by --scale or in config.json',
    )
  }
  return { tower, x, ...words, scaleFrom: 'assumed, as config.json has none' }
}

/** The inputs of a model in a folder, from a file or from prompts, and the tokens that they are. */
async function inputsOf(
  folder: string,
  model: Model,
  options: NetworkOptions,
  backend: Backend,
  io: Io,
  warn: Warn,
): Promise<Pick<Study, 'x' | 'text' | 'tokens'>> {
  const { prompt, dtype } = options
  const takesIds = model.architecture.input(model.config).kind === 'ids'
  const text = takesIds
    ? await readText(folder, at(io, folder)).catch(error => {
        if (prompt !== undefined || !(error instanceof UsageError)) throw error
        warn(`tokens have no names: ${error.message}`)
        return undefined
      })
    : undefined
  if (prompt !== undefined && !takesIds) {
    throw new UsageError(`--prompt: ${folder} takes no text, but numbers; give them by --input X.npy`)
  }
  const x =
    prompt !== undefined && text !== undefined
      ? promptIds(prompt, text, backend)
      : readInput(io, inputFile(folder, options), model, dtype, backend)
  return { x, ...(text && { text, tokens: tokensOf(x, text) }) }
}

async function fromModule(path: string, options: NetworkOptions, backend: Backend, io: Io, warn: Warn): Promise<Found> {
  const { dtype, scale } = options
  const own = await towerFromModule(io, path, options.weights, { dtype, backend })
  const tower = scaled(path, () => (scale === undefined ? own : withScales(own, scalesOf(scale, own.blocks.length))))
  const x = await inputTaken(path, tower, options, backend, io)
  if (x.dtype !== 'i32' && x.dtype !== dtype) {
    warn(`${path}: the tower's tensors are ${x.dtype}, so all is computed in ${x.dtype}, not in ${dtype}`)
  }
  return { tower, x, scaleFrom: scale === undefined ? 'from the module' : 'given by --scale' }
}

/** The inputs in the precision that was asked for, or the other where a tower of a module takes only that. The complaint of a tower
 *  that takes neither is about the first, and thrown before a tensor is made. */
async function inputTaken(
  path: string,
  tower: Tower,
  options: NetworkOptions,
  backend: Backend,
  io: Io,
): Promise<Tensor> {
  const input = inputFile(path, options)
  const { data, shape, dtype: stored } = readArray(io, input)
  const { dtype } = options
  const dtypes = stored === 'i32' ? [stored] : ([dtype, dtype === 'f64' ? 'f32' : 'f64'] as const)
  const made = dtypes.map(dtype => tensor(data, { shape, backend, dtype }))
  const attempts = made.map(x =>
    about(`${path} on ${input}, ${x.dtype}[${x.shape}]`, () =>
      scope(() => {
        const y: unknown = run(tower, x)
        if (!(y instanceof Tensor) || y.rank === 0) throw new TypeError('the tower gives no tensor with a batch axis')
      }),
    ),
  )
  const taken = (await Promise.allSettled(attempts)).findIndex(({ status }) => status === 'fulfilled')
  if (taken < 0) await attempts[0]
  return made[taken]!
}

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory()

/** The tower that `make` gives; a scale rule that does not fit its blocks is told with the model's name. */
function scaled(folder: string, make: () => Tower): Tower {
  try {
    return make()
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${folder}: ${error.message}`)
    throw error
  }
}

/** One JSON document; numbers that are not finite become null. */
export const json = (document: unknown): string =>
  `${JSON.stringify(document, (_, value) => (typeof value === 'number' && !Number.isFinite(value) ? null : ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value))}\n`
