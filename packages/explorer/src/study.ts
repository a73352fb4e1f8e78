import { analyse, targets } from '@unravel/expansion'
import {
  asInput,
  countedText,
  type Graph,
  type HostArray,
  inputsFrom,
  inspected,
  onSamples,
  prepared,
  readGraph,
  towerOfGraph,
} from '@unravel/graph'
import {
  countingFallbacks,
  documentOf,
  type ExpansionChoice,
  type ExpansionDocument,
  expandBy,
  expansionTable,
  type InspectedNetwork,
} from '@unravel/report'
import {
  type Activation,
  drawnInput,
  initialise,
  inputFrom,
  type Model,
  type ModelFiles,
  modelFrom,
  residualMlp,
  run,
  type ScaleRule,
  scalesOf,
  scalesOfModel,
  storedTensors,
  type Tower,
  tensorsIn,
  towerOf,
  weightsFile,
} from '@unravel/resnet'
import { type Backend, type ByteSource, js, Random, scope, type Tensor, useBackend, wasm } from '@unravel/tensor'

/** A tower of which every weight is drawn from a seed, and a batch of inputs drawn likewise. */
export interface DrawnNetwork {
  readonly kind: 'drawn'
  readonly depth: number
  readonly width: number
  readonly activation: Activation
  readonly norm: 'none' | 'layer' | 'rms'
  readonly seed: number
}

/** A network of one's own: the files of its folder by name, and a batch of inputs as .npy. */
export interface OwnNetwork {
  readonly kind: 'own'
  readonly name: string
  readonly config: string
  readonly files: ReadonlyMap<string, Blob>
  /** Absent: inputs are drawn. */
  readonly input?: Uint8Array
}

/** A network that another tool wrote: an ONNX file or the model.json of TensorFlow.js, the files beside it by name, and inputs as
 *  .npy, or .npz of several. */
export interface GraphNetwork {
  readonly kind: 'graph'
  readonly name: string
  /** Which of the files has the graph. */
  readonly model: string
  readonly files: ReadonlyMap<string, Blob>
  /** Absent: inputs are drawn. */
  readonly input?: Uint8Array
}

export type Network = DrawnNetwork | OwnNetwork | GraphNetwork

export const backendNames = ['wasm', 'js', 'webgl2', 'webgpu'] as const

export interface Question {
  readonly expansion: ExpansionChoice['expansion']
  readonly orders: number
  /** null: the network's own. */
  readonly scale: ScaleRule | null
  /** Of every branch's scale. */
  readonly factor: number
  /** gradient: the output element to differentiate. */
  readonly target: number
  readonly dtype: 'f32' | 'f64'
  readonly backend: (typeof backendNames)[number]
  /** Of a graph: the output that is taken apart; null: the first. */
  readonly output: string | null
  /** Of a graph: what orders count; null: blocks, where there is a chain of them. */
  readonly sites: 'blocks' | 'all' | null
}

/** What was found in a graph. */
export interface Found {
  readonly network: InspectedNetwork
  /** Which output was looked at. */
  readonly output: string
}

export interface Answer {
  /** As of `unravel expand --json`. */
  readonly document: ExpansionDocument
  /** As of `unravel expand`. */
  readonly table: string
  /** Times, backend and kernels left to js, in words. */
  readonly ran: string
}

/** Inputs and outputs of a drawn tower. */
const DRAWN = { inputs: 4, input: 16, output: 10 }

/** A network at its scale, and what it is taken apart at. */
interface Subject {
  readonly tower: Tower
  readonly x: Tensor
  readonly sites: 'blocks' | 'all'
  readonly counted?: string | undefined
}

/** Answers the questions that a page asks of one network, which is made once for each precision and backend. */
export class Study {
  readonly #network: Network
  #made: { readonly key: string; readonly model: Model; readonly x: Tensor } | null = null
  #graph: { readonly graph: Graph; readonly inputs: Record<string, HostArray> } | null = null
  #found: Found | null = null

  constructor(network: Network) {
    this.#network = network
  }

  /**
   * What is in a graph, once for every output; undefined of other networks, and where it was told before.
   *
   * @throws FormatError or GraphError saying what is wrong with the files
   */
  found({ output: wanted }: Question): Found | undefined {
    if (this.#network.kind !== 'graph') return undefined
    this.#graph ??= graphOf(this.#network)
    const { graph, inputs } = this.#graph
    const output = outputOf(graph, wanted)
    if (this.#found?.output === output) return undefined
    const { inspection } = inspected(graph, { inputs, output, dtype: 'f32', backend: wasm() })
    return (this.#found = { network: inspection, output })
  }

  /** @throws FormatError, GraphError, InputError or RangeError saying what is wrong with the network or the question */
  async answer(question: Question, onBlock: (done: number, of: number) => void = () => {}): Promise<Answer> {
    const backend = await opened(question.backend)
    useBackend(backend)
    const { tower, x, sites, counted } = this.#subject(question, backend)
    if (sites === 'all' && question.expansion === 'subsets')
      throw new RangeError('subsets switches blocks off; count blocks, or choose another kind')
    const width = scope(() => targets(run(tower, x)))
    if (question.target >= width)
      throw new RangeError(`the outputs are 0 to ${width - 1}; got target ${question.target}`)
    const forward = await timed(async () => {
      const y = run(tower, x)
      await y.data()
      dispose([y])
    })
    const own = { about: 0, samples: 64, seed: 0, onBlock }
    const choice: ExpansionChoice = { ...question, ...own, sites }
    const work = async () => {
      const found = scope(() => expandBy(tower, x, choice))
      const analysis = await analyse(found)
      dispose([found.coefficients, found.total, ...(found.standardError ? [found.standardError] : [])])
      return analysis
    }
    const { value, seconds: total } = await timed(() => countingFallbacks(backend, work))
    const { result: analysis, left } = value
    const name = this.#network.kind === 'drawn' ? 'a tower with drawn weights' : this.#network.name
    const { dtype, expansion, target } = question
    const seconds = { total, forward: forward.seconds }
    const heading = { model: name, batch: x.shape[0]!, dtype, backend: question.backend, counted }
    return {
      document: documentOf(analysis, { model: name, dtype, backend: backend.name as 'js' | 'wasm' | 'gpu', seconds }),
      table: expansionTable(analysis, { ...heading, ...(expansion === 'gradient' && { target }) }),
      ran:
        `${(1000 * total).toFixed(0)} ms on ${nameOf(backend)}, ${dtype}; one forward pass ${(1000 * forward.seconds).toFixed(1)} ms` +
        (left.length > 0 ? `; left to js: ${left.join(', ')}` : ''),
    }
  }

  #subject(question: Question, backend: Backend): Subject {
    const { scale, factor, dtype } = question
    const scaled = (n: number, own: () => readonly number[]) =>
      (scale === null ? own() : scalesOf(scale, n)).map(s => s * factor)
    if (this.#network.kind === 'graph') {
      const { graph, inputs } = (this.#graph ??= graphOf(this.#network))
      const { output, sites } = question
      const options = { dtype, backend, output: outputOf(graph, output), sites: sites ?? undefined }
      const found = towerOfGraph(graph, inputs, { ...options, scales: (n, own) => scaled(n, () => own) })
      const { type } = graph.inputs.find(i => i.name === found.input)!
      const x = asInput(inputs[found.input]!, type, { dtype, backend })
      return { tower: found.tower, x, sites: found.sites, counted: countedText(found.sites, found.structure) }
    }
    const { model, x } = this.#on(this.#network, dtype, backend)
    const values = scaled(model.architecture.depth(model.config), () => scalesOfModel(model))
    return { tower: towerOf(model, { scale: { rule: 'per-block', values } }), x, sites: 'blocks' }
  }

  #on(network: DrawnNetwork | OwnNetwork, dtype: 'f32' | 'f64', backend: Backend) {
    const key = `${dtype} ${nameOf(backend)}`
    if (this.#made?.key === key) return this.#made
    if (this.#made !== null) dispose([this.#made.x, ...Object.values(this.#made.model.tensors)])
    this.#made = null
    return (this.#made = { key, ...make(network, dtype, backend) })
  }
}

/** The output that is asked for, or the first. */
const outputOf = ({ outputs }: Graph, wanted: string | null): string => wanted ?? outputs[0]!.name

/** A graph, and its inputs: those of the file, or drawn in a size that it runs with. */
function graphOf({ model, files, input }: GraphNetwork) {
  const open = readerOf(files)
  const graph = readGraph(open(model), { beside: path => open(files.has(path) ? path : path.split('/').at(-1)!) })
  if (input !== undefined) return { graph, inputs: inputsFrom(input, graph) }
  const random = new Random(0)
  const draw = (count: number) => {
    const drawn = random.normal([count], 0, 1, { dtype: 'f64', backend: js() })
    const numbers = Float64Array.from(drawn.dataSync())
    drawn.dispose()
    return numbers
  }
  const checked = (inputs: Record<string, HostArray>) => {
    prepared(graph, inputs, { backend: wasm() })
    return inputs
  }
  return { graph, inputs: onSamples(graph, checked, draw) }
}

function make(network: DrawnNetwork | OwnNetwork, dtype: 'f32' | 'f64', backend: Backend): { model: Model; x: Tensor } {
  if (network.kind === 'own') {
    const files = filesOf(network.files)
    const file = weightsFile(files.names)
    const model = modelFrom(network.config, storedTensors(files), { dtype, backend, file })
    const { input } = network
    return {
      model,
      x: input === undefined ? drawnInput(model, { dtype, backend }) : inputFrom(input, model, { dtype, backend }),
    }
  }
  const { depth, width, activation, norm, seed } = network
  const { input, output, inputs } = DRAWN
  const random = new Random(seed)
  const config = residualMlp.schema.parse({
    architecture: residualMlp.name,
    input,
    width,
    hidden: width,
    output,
    depth,
    activation,
    norm,
  })
  const model = initialise(residualMlp, config, { random, dtype, backend })
  return { model, x: random.normal([inputs, input], 0, 1, { dtype, backend }) }
}

/** In workers alone, and so not in the types of a page. */
declare class FileReaderSync {
  readAsText(file: Blob): string
  readAsArrayBuffer(file: Blob): ArrayBuffer
}

/** Files that are read where they lie, piece by piece: a worker may wait for them. Throws RangeError for one that is not there. */
function readerOf(files: ReadonlyMap<string, Blob>): (name: string) => ByteSource & { readonly file: Blob } {
  const reader = new FileReaderSync()
  return name => {
    const file = files.get(name)
    if (file === undefined) throw new RangeError(`missing: ${name}; choose all files of the folder at once`)
    const read = (begin: number, end: number) => new Uint8Array(reader.readAsArrayBuffer(file.slice(begin, end)))
    return { file, size: file.size, read }
  }
}

function filesOf(files: ReadonlyMap<string, Blob>): ModelFiles {
  const open = readerOf(files)
  return {
    names: [...files.keys()],
    text: name => new FileReaderSync().readAsText(open(name).file),
    tensors: name => tensorsIn(name, open(name)),
  }
}

const devices = new Map<string, Backend>()

/** The backend of a question; a graphics device is opened once. */
async function opened(name: Question['backend']): Promise<Backend> {
  if (name === 'wasm') return wasm()
  if (name === 'js') return js()
  let device = devices.get(name)
  if (device === undefined) {
    const { gpu } = await import('@unravel/kernels/gpu')
    devices.set(name, (device = await gpu({ mode: name, otherwise: 'throw' })))
  }
  return device
}

const nameOf = (backend: Backend): string =>
  backend.name === 'gpu' ? `gpu (${(backend as Backend & { readonly renderer: string }).renderer})` : backend.name

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; seconds: number }> {
  const started = performance.now()
  const value = await work()
  return { value, seconds: (performance.now() - started) / 1000 }
}

function dispose(tensors: Iterable<Tensor>): void {
  for (const t of tensors) t.dispose()
}
