import { analyse } from '@unravel/expansion'
import {
  countingFallbacks,
  documentOf,
  type ExpansionChoice,
  type ExpansionDocument,
  expandBy,
  expansionTable,
} from '@unravel/report'
import {
  type Activation,
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
  tensorsIn,
  towerOf,
} from '@unravel/resnet'
import { type Backend, js, Random, scope, type Tensor, tensor, wasm } from '@unravel/tensor'

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

export type Network = DrawnNetwork | OwnNetwork

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

/** Answers the questions that a page asks of one network, which is made once for each precision and backend. */
export class Study {
  readonly #network: Network
  #made: { readonly key: string; readonly model: Model; readonly x: Tensor } | null = null

  constructor(network: Network) {
    this.#network = network
  }

  /** @throws FormatError, InputError or RangeError saying what is wrong with the network or the question */
  async answer(question: Question, onBlock: (done: number, of: number) => void = () => {}): Promise<Answer> {
    const backend = await backendNamed(question.backend)
    const { model, x } = this.#on(question.dtype, backend)
    const n = model.architecture.depth(model.config)
    const own = question.scale === null ? scalesOfModel(model) : scalesOf(question.scale, n)
    const values = own.map(s => s * question.factor)
    const tower = towerOf(model, { scale: { rule: 'per-block', values } })
    const width = scope(() => run(tower, x).shape.at(-1)!)
    if (question.target >= width)
      throw new RangeError(`the outputs are 0 to ${width - 1}; got target ${question.target}`)
    const forward = await timed(async () => {
      const y = run(tower, x)
      await y.data()
      dispose([y])
    })
    const choice: ExpansionChoice = { ...question, about: 0, samples: 64, seed: 0, onBlock: done => onBlock(done, n) }
    const work = async () => {
      const found = scope(() => expandBy(tower, x, choice))
      const analysis = await analyse(found)
      dispose([found.coefficients, found.total, ...(found.standardError ? [found.standardError] : [])])
      return analysis
    }
    const { value, seconds: total } = await timed(() => countingFallbacks(backend, work))
    const { result: analysis, left } = value
    const name = this.#network.kind === 'own' ? this.#network.name : 'a tower with drawn weights'
    const { dtype, expansion, target } = question
    const seconds = { total, forward: forward.seconds }
    const heading = { model: name, batch: x.shape[0]!, dtype, backend: question.backend }
    return {
      document: documentOf(analysis, { model: name, dtype, backend: backend.name as 'js' | 'wasm' | 'gpu', seconds }),
      table: expansionTable(analysis, { ...heading, ...(expansion === 'gradient' && { target }) }),
      ran:
        `${(1000 * total).toFixed(0)} ms on ${nameOf(backend)}, ${dtype}; one forward pass ${(1000 * forward.seconds).toFixed(1)} ms` +
        (left.length > 0 ? `; left to js: ${left.join(', ')}` : ''),
    }
  }

  #on(dtype: 'f32' | 'f64', backend: Backend) {
    const key = `${dtype} ${nameOf(backend)}`
    if (this.#made?.key === key) return this.#made
    if (this.#made !== null) dispose([this.#made.x, ...Object.values(this.#made.model.tensors)])
    this.#made = null
    return (this.#made = { key, ...make(this.#network, dtype, backend) })
  }
}

function make(network: Network, dtype: 'f32' | 'f64', backend: Backend): { model: Model; x: Tensor } {
  if (network.kind === 'own') {
    const model = modelFrom(network.config, storedTensors(filesOf(network.files)), { dtype, backend })
    const { input } = network
    return {
      model,
      x: input === undefined ? drawnInput(model, dtype, backend) : inputFrom(input, model, { dtype, backend }),
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

/** Files that are read where they lie, piece by piece: a worker may wait for them. */
function filesOf(files: ReadonlyMap<string, Blob>): ModelFiles {
  const reader = new FileReaderSync()
  const get = (name: string) => {
    const file = files.get(name)
    if (file === undefined) throw new RangeError(`missing: ${name}; choose all files of the folder at once`)
    return file
  }
  return {
    names: [...files.keys()],
    text: name => reader.readAsText(get(name)),
    tensors(name) {
      const file = get(name)
      const read = (begin: number, end: number) => new Uint8Array(reader.readAsArrayBuffer(file.slice(begin, end)))
      return tensorsIn(name, { size: file.size, read })
    },
  }
}

/** Positions, and sides of an image, where a network leaves them open. */
const OPEN = { sequence: 8, side: 64 }

/** One input of a network, drawn from a seed: ids of its vocabulary, or normal numbers. */
function drawnInput(model: Model, dtype: 'f32' | 'f64', backend: Backend): Tensor {
  const { shape, kind } = model.architecture.input(model.config)
  const random = new Random(0)
  const sizes = shape.map(n => (typeof n === 'number' ? n : kind === 'ids' ? OPEN.sequence : OPEN.side))
  if (kind === 'real') return random.normal([1, ...sizes], 0, 1, { dtype, backend })
  const { vocab_size: vocabulary } = model.config as unknown as { readonly vocab_size: number }
  const ids = Int32Array.from(random.permutation(vocabulary).subarray(0, sizes[0]!))
  return tensor(ids, { shape: [1, ids.length], backend })
}

const devices = new Map<string, Backend>()

async function backendNamed(name: Question['backend']): Promise<Backend> {
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
