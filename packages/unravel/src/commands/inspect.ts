import type { Graph, HostArray, Structure, ValueInfo } from '@unravel/graph'
import { columns } from '@unravel/report/data'
import { Argument, Command } from 'commander'
import { backendNamed } from '../backends.js'
import { UsageError } from '../errors.js'
import { isGraphFile, readGraphFile, readGraphInputs } from '../graphs.js'
import type { Io } from '../io.js'
import { json } from '../study.js'

interface InspectOptions {
  readonly input?: string
  readonly output?: string
  readonly json?: true
}

export function inspectCommand(io: Io): Command {
  return new Command('inspect')
    .description(
      'Structure of a network in one file: its inputs and outputs, operators, residual blocks and additions.',
    )
    .addArgument(new Argument('<MODEL>', 'ONNX file, or model.json of TensorFlow.js'))
    .option('--input <X.npy>', 'inputs to take the shapes of (default: a small size for every free dimension)')
    .option('--output <NAME>', 'output, or inner value, whose computation is looked at (default: all outputs)')
    .option('--json', 'one JSON document in place of a text')
    .action((model: string, options: InspectOptions) => inspect(model, options, io))
}

async function inspect(model: string, options: InspectOptions, io: Io): Promise<void> {
  if (!isGraphFile(io, model)) {
    throw new UsageError(
      `${model}: expected an ONNX file (.onnx) or a model.json of TensorFlow.js; blocks of folders and modules are listed by lesion`,
    )
  }
  const graph = await readGraphFile(io, model)
  const found = await examined(model, graph, options, io)
  io.out(options.json ? json(found.document) : text(model, found.document))
  if (found.why !== undefined) throw new UsageError(`${model}: ${found.why}`)
}

/** Lengths that are tried for the free dimensions of inputs, the first axis apart. */
const LENGTHS = [64, 32, 224, 128, 16, 8, 1]

/** The structure found in a graph, and why it cannot be expanded. */
async function examined(model: string, whole: Graph, { input, output }: InspectOptions, io: Io) {
  const { countsOf, GraphError, live, looked, parametersIn, structureOf, unsupported, whyNoSites } = await import(
    '@unravel/graph'
  )
  const backend = await backendNamed('wasm', io)
  const missing = unsupported(whole)
  const given = input === undefined ? undefined : readGraphInputs(io, input, whole)
  const attempts = given === undefined ? LENGTHS.map(length => samples(whole, length)) : [given]
  let structure: Structure | undefined
  let failure: unknown
  for (const inputs of missing.length === 0 ? attempts : []) {
    try {
      structure = looked(whole, inputs, { dtype: 'f32', backend, output }).structure
      break
    } catch (error) {
      if (!(error instanceof GraphError)) throw error
      failure ??= error
    }
  }
  const why =
    missing.length > 0
      ? `${missing.length === 1 ? 'an operator is' : `${missing.length} operators are`} not supported: ${missing.map(u => `${u.operator} (${u.why})`).join(', ')}`
      : structure === undefined
        ? `the network runs on no input of a small size; give one by --input: ${(failure as Error).message}`
        : structure.sites.length === 0
          ? whyNoSites(structure)
          : undefined
  const { blocks, sites, encoder, decoder } = structure ?? structureOf(whole)
  const document = {
    model,
    inputs: whole.inputs.map(described),
    outputs: whole.outputs.map(described),
    operators: countsOf(live(whole).nodes),
    unsupported: missing,
    parameters: parametersIn(whole),
    blocks: blocks.map(({ name, skip, operators, scale }) => ({ name, skip, operators, scale })),
    sites: sites.map(({ name, level, scale, kind }) => ({ name, level, scale, skip: kind })),
    encoder,
    decoder,
  }
  return { document, why }
}

type Document = Awaited<ReturnType<typeof examined>>['document']

const described = ({ name, type, shape }: ValueInfo) => ({ name, type, shape: shape ?? null })

/** Zeros for every input, with one element along a free first axis and `length` along others. */
function samples({ inputs }: Graph, length: number): Record<string, HostArray> {
  return Object.fromEntries(
    inputs.map(({ name, type, shape = [] }) => {
      const lengths = shape.map((n, axis) => (typeof n === 'number' ? n : axis === 0 ? 1 : length))
      const data = new Float32Array(lengths.reduce((a, b) => a * b, 1))
      return [name, { type: type === 'f64' ? 'f64' : 'f32', shape: lengths, data }]
    }),
  )
}

const list = (values: readonly ReturnType<typeof described>[]) =>
  values
    .map(({ name, type, shape }) => `${name} ${type}[${shape === null ? '...' : shape.map(n => n ?? '?')}]`)
    .join(', ')

const counts = (operators: Readonly<Record<string, number>>) =>
  Object.entries(operators)
    .map(([name, n]) => `${n} ${name}`)
    .join(', ')

const short = (scale: number): string => String(Number(scale.toPrecision(6)))

function text(model: string, d: Document): string {
  const facts = [
    ['inputs', list(d.inputs)],
    ['outputs', list(d.outputs)],
    ['parameters', String(d.parameters)],
    ['operators', counts(d.operators)],
    ...d.unsupported.map(({ operator, nodes, why }) => ['unsupported', `${operator}, ${nodes.length} nodes: ${why}`]),
    ...(d.encoder === null ? [] : [['encoder', `to ${d.encoder.to}: ${counts(d.encoder.operators)}`]]),
    ...(d.decoder === null ? [] : [['decoder', `from ${d.decoder.from}: ${counts(d.decoder.operators)}`]]),
  ]
  const blocks = d.blocks.map(b => [b.name, b.skip, short(b.scale), counts(b.operators)])
  const sites = d.sites.map(s => [s.name, s.skip, short(s.scale), String(s.level)])
  return [
    `${model}\n\n${columns(facts, 2)}`,
    d.blocks.length === 0 ? '' : `\n${columns([['block', 'skip', 'λ', 'operators'], ...blocks], 4)}`,
    d.sites.length === 0 ? '' : `\n${columns([['residual addition', 'skip', 'λ', 'level'], ...sites], 4)}`,
  ].join('')
}
