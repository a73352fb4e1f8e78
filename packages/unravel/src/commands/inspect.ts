import { inspectionTable } from '@unravel/report/data'
import type { Backend } from '@unravel/tensor'
import { Command } from 'commander'
import { backendNamed } from '../backends.js'
import { UsageError } from '../errors.js'
import { checkGraphOptions, isGraphFile, readGraphFile, readGraphInputs } from '../graphs.js'
import type { Io } from '../io.js'
import { stages } from '../progress.js'
import { inspectedTower, json, MODEL, moduleOptions } from '../study.js'

interface InspectOptions {
  readonly input?: string
  readonly output?: string
  readonly weights?: string
  readonly architecture?: string
  readonly layers?: string
  readonly json?: true
}

export function inspectCommand(io: Io): Command {
  const command = new Command('inspect')
    .description('Structure of a network: its inputs and outputs, operators, residual blocks and additions.')
    .argument('<MODEL>', MODEL)
    .option(
      '--input <X.npy>',
      'inputs to take the shapes of (default: a small size for every free dimension; of a module nothing, and its operators are not known)',
    )
    .option('--output <NAME>', 'output, or inner value, to look at the computation of (default: all outputs)')
  return moduleOptions(command)
    .option('--json', 'one JSON document in place of a text')
    .action((model: string, options: InspectOptions) => inspect(model, options, io))
}

async function inspect(model: string, options: InspectOptions, io: Io): Promise<void> {
  const backend = await backendNamed('wasm', io)
  const { network, why } = isGraphFile(io, model)
    ? await ofGraph(model, options, io, backend)
    : { network: await inspectedTower(model, options, backend, io), why: undefined }
  io.out(options.json ? json({ model, ...network }) : inspectionTable(model, network))
  if (why !== undefined) throw new UsageError(`${model}: ${why}`)
}

async function ofGraph(model: string, options: InspectOptions, io: Io, backend: Backend) {
  checkGraphOptions(options)
  const { GraphError, inspected } = await import('@unravel/graph')
  const graph = await readGraphFile(io, model, options)
  const { input, output } = options
  const inputs = input === undefined ? undefined : await readGraphInputs(io, input, graph)
  const progress = stages(io, 'inspect', { pass: 1 })
  try {
    const { inspection, why } = inspected(graph, { inputs, output, dtype: 'f32', backend, onNode: progress.of('pass') })
    return { network: inspection, why }
  } catch (error) {
    if (!(error instanceof GraphError)) throw error
    throw new UsageError(`${model}: ${error.message}`, { cause: error })
  } finally {
    progress.stop()
  }
}
