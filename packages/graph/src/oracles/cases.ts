import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromBfloat, sourceOf } from '@unravel/tensor/internals'
import { hosted } from '../call.js'
import { Evaluator } from '../evaluate.js'
import type { Graph, HostArray } from '../graph.js'
import { Protobuf } from '../onnx/protobuf.js'
import { readTensor } from '../onnx/tensor.js'
import { unsupported } from '../operators/table.js'
import { readGraph } from '../read.js'

// ONNX's own tests of its operators, read where Debian's package libonnx-testdata puts them: a folder a case, with model.onnx and
// test_data_set_N of input_I.pb and output_O.pb.

const root = '/usr/share/libonnx-testdata/data'
export const installed = existsSync(root)

export interface Case {
  readonly name: string
  readonly folder: string
}

export const cases: readonly Case[] = installed
  ? ['node', 'simple', 'pytorch-operator', 'pytorch-converted'].flatMap(kind =>
      readdirSync(join(root, kind)).map(name => ({ name: `${kind}/${name}`, folder: join(root, kind, name) })),
    )
  : []

/** Cases of supported operators that no run can pass, and why. */
export const outside: Readonly<Record<string, string>> = {
  ...why('the function in the file has 3.14159 for π, the recorded output has π', [
    ...['node/test_blackmanwindow_expanded', 'node/test_blackmanwindow_symmetric_expanded'],
    ...['node/test_hammingwindow_expanded', 'node/test_hammingwindow_symmetric_expanded'],
    ...['node/test_hannwindow_expanded', 'node/test_hannwindow_symmetric_expanded'],
  ]),
  ...why('dropout in training draws random numbers', [
    ...['node/test_training_dropout', 'node/test_training_dropout_default'],
    ...['node/test_training_dropout_default_mask', 'node/test_training_dropout_mask'],
  ]),
}

function why(reason: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map(name => [name, reason]))
}

function tensorIn(file: string): HostArray {
  const bytes = readFileSync(file)
  return readTensor(
    new Protobuf(sourceOf(bytes)),
    { number: 1, wire: 2, begin: 0, end: bytes.length },
    undefined,
  ).read()
}

/** The numbers of a case. bfloat16 is recorded as u16 bits. */
function recorded(file: string, declared: string): HostArray {
  const array = tensorIn(file)
  if (declared !== 'bf16' || array.type !== 'u16') return array
  return { type: 'bf16', shape: array.shape, data: Float32Array.from(array.data as Uint16Array, fromBfloat) }
}

export const graphOf = ({ folder }: Case): Graph => {
  const graph = readGraph(readFileSync(join(folder, 'model.onnx')))
  // Shapes that the files declare are wrong in four of them.
  return { ...graph, inputs: graph.inputs.map(({ name, type }) => ({ name, type })) }
}

/** Why the operators or values of a case are not supported; undefined where they are. */
export function refusal(one: Case): string | undefined {
  try {
    const found = unsupported(graphOf(one))
    return found.length === 0 ? undefined : found.map(u => `${u.operator}: ${u.why}`).join('; ')
  } catch (error) {
    return (error as Error).message
  }
}

/** The operator that a case is of: of its file name, as ONNX names a case. */
export function operatorsOf(one: Case): string[] {
  try {
    return [...new Set(graphOf(one).nodes.map(n => (n.domain === '' ? n.op : `${n.domain}.${n.op}`)))]
  } catch {
    return []
  }
}

const machine = { f32: 2 ** -23, f64: 2 ** -52, f16: 2 ** -10, bf16: 2 ** -7 }

/**
 * The largest error of a run over the rounding of what was recorded: of an element or, where sums cancel, of the largest one.
 * Recorded numbers are of sums in f32 of up to thousands of terms.
 */
export function worst(one: Case, dtype: 'f32' | 'f64'): number {
  const graph = graphOf(one)
  const evaluator = new Evaluator(graph, { dtype })
  const names = graph.outputs.map(o => o.name)
  let most = 0
  for (const set of readdirSync(one.folder).filter(name => name.startsWith('test_data_set'))) {
    const at = join(one.folder, set)
    const given: Record<string, HostArray> = {}
    graph.inputs.forEach((input, i) => {
      const file = join(at, `input_${i}.pb`)
      if (existsSync(file)) given[input.name] = recorded(file, input.type)
    })
    const results = evaluator.run(given, names)
    graph.outputs.forEach((output, i) => {
      const expected = recorded(join(at, `output_${i}.pb`), output.type)
      const found = hosted(results[output.name]!)
      if (String(found.shape) !== String(expected.shape)) {
        throw new Error(`${output.name} has shape [${found.shape}]; expected [${expected.shape}]`)
      }
      const real = (machine as Partial<Record<string, number>>)[expected.type]
      const eps = real === undefined ? 0 : Math.max(real, dtype === 'f32' ? machine.f32 : 0)
      const largest = Array.from(expected.data as ArrayLike<number>, Number)
        .map(Math.abs)
        .filter(Number.isFinite)
        .reduce((a, b) => Math.max(a, b), 0)
      for (let j = 0; j < expected.data.length; j++) {
        const [a, b] = [Number(found.data[j]), Number(expected.data[j])]
        if (Object.is(a, b) || a === b) continue
        const error = Math.abs(a - b) / (eps * Math.max(Math.abs(b), largest))
        most = Math.max(most, Number.isNaN(error) ? Infinity : error)
      }
    })
  }
  evaluator.dispose()
  return most
}
