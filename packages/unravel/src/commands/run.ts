import { nestedLists, significant } from '@unravel/report/data'
import { run } from '@unravel/resnet'
import { writeFileAtomically } from '@unravel/resnet/node'
import { type ArrayData, formatNpz, scope, type Tensor } from '@unravel/tensor'
import { Command } from 'commander'
import { type BackendName, backendNamed, reportingFallbacks } from '../backends.js'
import { UsageError } from '../errors.js'
import { checkWritable } from '../files.js'
import { checkGraphOptions, isGraphFile, readGraphFile, readGraphInputs } from '../graphs.js'
import { at, type Io } from '../io.js'
import { stages } from '../progress.js'
import { inputFile, inputOptions, json, kernelOptions, MODEL, moduleOptions, readNetwork } from '../study.js'

interface RunOptions {
  readonly input?: string
  readonly prompt?: readonly string[]
  readonly output?: string
  readonly out?: string
  readonly dtype: 'f32' | 'f64'
  readonly backend: BackendName
  readonly weights?: string
  readonly architecture?: string
  readonly layers?: string
  readonly json?: true
}

/** The most numbers that --json prints. */
const MAX_PRINTED = 2 ** 24

export function runCommand(io: Io): Command {
  const command = new Command('run')
    .description('Outputs of a network for a batch of inputs, as they are.')
    .argument('<MODEL>', MODEL)
  return moduleOptions(kernelOptions(inputOptions(command)))
    .option('--out <Y.npz>', 'file for the outputs, as NumPy arrays under their names')
    .option('--output <NAME>', 'output to compute, or any inner value of the graph in a file (default: every output)')
    .option('--json', 'one JSON document with all numbers in place of a summary')
    .action((model: string, options: RunOptions) => runModel(model, options, io))
}

async function runModel(model: string, options: RunOptions, io: Io): Promise<void> {
  if (options.out !== undefined) checkWritable(at(io, options.out), '--out')
  const backend = await backendNamed(options.backend, io)
  const started = performance.now()
  const outputs = await reportingFallbacks(io, backend, async () => {
    const found = isGraphFile(io, model)
      ? await evaluated(model, options, io, backend)
      : { output: await towerOutput(model, options, io, backend) }
    const arrays: Record<string, ArrayData> = {}
    for (const [name, t] of Object.entries(found)) {
      arrays[name] = { shape: t.shape, dtype: t.dtype, data: await t.data() }
      t.dispose()
    }
    return arrays
  })
  const seconds = (performance.now() - started) / 1000
  if (options.out !== undefined) writeFileAtomically(at(io, options.out), formatNpz(outputs))
  io.out(options.json ? document(model, outputs, { ...options, backend: backend.name, seconds }) : summary(outputs))
}

type Backend = Awaited<ReturnType<typeof backendNamed>>

async function evaluated(
  model: string,
  options: RunOptions,
  io: Io,
  backend: Backend,
): Promise<Record<string, Tensor>> {
  checkGraphOptions(options)
  const { evaluate } = await import('@unravel/graph')
  const graph = await readGraphFile(io, model, options)
  const inputs = await readGraphInputs(io, inputFile(model, options), graph)
  const { dtype, output } = options
  const progress = stages(io, 'run', { pass: 1 })
  try {
    const outputs = output === undefined ? {} : { outputs: [output] }
    return evaluate(graph, inputs, { dtype, backend, onNode: progress.of('pass'), ...outputs })
  } finally {
    progress.stop()
  }
}

/** The output of a tower, under the name that other commands give it. */
async function towerOutput(model: string, options: RunOptions, io: Io, backend: Backend): Promise<Tensor> {
  const { tower, x } = await readNetwork(model, options, backend, io)
  const progress = stages(io, 'run', { pass: 1 })
  try {
    return scope(() => run(tower, x, { onBlock: progress.of('pass') }))
  } finally {
    progress.stop()
  }
}

function document(
  model: string,
  outputs: Record<string, ArrayData>,
  provenance: RunOptions & { seconds: number },
): string {
  const { dtype, backend, seconds } = provenance
  const count = Object.values(outputs).reduce((n, { data }) => n + data.length, 0)
  if (count > MAX_PRINTED)
    throw new UsageError(`--json would print ${count} numbers, more than ${MAX_PRINTED}; use --out`)
  const listed = Object.entries(outputs).map(([name, { shape, dtype: type, data }]) => [
    name,
    { shape, dtype: type, values: nestedLists(data, shape) },
  ])
  return json({ model, dtype, backend, outputs: Object.fromEntries(listed), seconds })
}

/** One line an output: its name, type, range and first numbers. */
function summary(outputs: Record<string, ArrayData>): string {
  const lines = Object.entries(outputs).map(([name, { shape, dtype, data }]) => {
    const finite = Array.from(data).filter(Number.isFinite)
    const [low, high] = finite.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity])
    const range = finite.length === 0 ? '' : `  from ${significant(low)} to ${significant(high)}`
    const first = Array.from(data.subarray(0, 6), v => significant(v)).join(' ')
    return `${name}  ${dtype}[${shape.join(',')}]${range}  ${first}${data.length > 6 ? ' …' : ''}\n`
  })
  return lines.join('')
}
