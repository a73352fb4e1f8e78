import type { HostArray } from '@unravel/graph'
import { inspectionTable } from '@unravel/report/data'
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
  const { GraphError, inspected } = await import('@unravel/graph')
  const graph = await readGraphFile(io, model)
  const { input, output } = options
  const inputs: Record<string, HostArray> | undefined =
    input === undefined ? undefined : await readGraphInputs(io, input, graph)
  const backend = await backendNamed('wasm', io)
  try {
    const { inspection, why } = inspected(graph, { inputs, output, dtype: 'f32', backend })
    io.out(options.json ? json({ model, ...inspection }) : inspectionTable(model, inspection))
    if (why !== undefined) throw new UsageError(`${model}: ${why}`)
  } catch (error) {
    if (!(error instanceof GraphError)) throw error
    throw new UsageError(`${model}: ${error.message}`, { cause: error })
  }
}
