import type { Graph, Node } from '../graph.js'
import { isGraph } from '../graph.js'
import { control } from './control.js'
import { elementwise } from './elementwise.js'
import { layers, microsoft, own } from './layers.js'
import { reductions } from './reductions.js'
import { resizing } from './resize.js'
import type { Compute, Rows } from './rows.js'
import { structure } from './structure.js'
import { windows } from './windows.js'

/** Every operator that is computed, by vocabulary: '' is ONNX's. `unravel` is ours; the pass over a graph writes it. */
export const operators: Readonly<Record<string, Rows>> = {
  '': { ...elementwise, ...reductions, ...structure, ...windows, ...resizing, ...layers, ...control },
  'com.microsoft': microsoft,
  unravel: own,
}

/** The vocabulary that operators of the pass over a graph are of. */
export const OWN = 'unravel'

/** How a node is computed: the meaning of its operator in the version that the file names. */
export function computeOf({ op, domain, version }: Pick<Node, 'op' | 'domain' | 'version'>): Compute | undefined {
  const rows = Object.hasOwn(operators, domain) ? operators[domain]! : {}
  const row = Object.hasOwn(rows, op) ? rows[op]! : undefined
  if (typeof row !== 'object') return row
  const since = Object.keys(row).map(Number).filter(v => v <= version) // biome-ignore format: short
  return since.length === 0 ? undefined : row[Math.max(...since)]
}

/** Why an operator has no row. */
export const reasons: Readonly<Record<string, string>> = {
  ...reason('it is recurrent: a step in time is no residual step', ['RNN', 'LSTM', 'GRU']),
  ...reason('it is recurrent: a step in time is no residual step', ['SimpleRNN', 'ConvLSTM2D', 'Bidirectional']),
  ...reason('it decides by data what is computed', ['Switch', 'Merge', 'Enter', 'Exit', 'NextIteration', 'LoopCond']),
  ...reason('it decides by data what is computed', ['If', 'StatelessIf', 'While', 'StatelessWhile']),
  ...reason('it draws random numbers', ['RandomStandardNormal', 'RandomUniformInt', 'TruncatedNormal']),
  ...reason('it draws random numbers', ['Bernoulli', 'Multinomial', 'RandomNormal', 'RandomNormalLike']),
  ...reason('it draws random numbers', ['RandomUniform', 'RandomUniformLike']),
  ...reason('it computes with strings', ['StringNormalizer', 'TfIdfVectorizer', 'StringConcat', 'StringSplit']),
  ...reason('it computes with strings', ['RegexFullMatch', 'LabelEncoder', 'CategoryMapper']),
  ...reason('it makes sequences or optional values', ['SequenceAt', 'SequenceConstruct', 'SequenceEmpty']),
  ...reason('it makes sequences or optional values', [
    'SequenceErase',
    'SequenceInsert',
    'SequenceLength',
    'SequenceMap',
  ]),
  ...reason('it makes sequences or optional values', ['SplitToSequence', 'ConcatFromSequence', 'Optional']),
  ...reason('it makes sequences or optional values', ['OptionalGetElement', 'OptionalHasElement']),
  ...reason('no kernel factorises matrices', ['Det']),
  ...reason('it reads at places that are computed from data', ['GridSample', 'AffineGrid', 'DeformConv']),
  ...reason('it selects boxes after a network, which no derivative passes', [
    'NonMaxSuppression',
    'RoiAlign',
    'MaxRoiPool',
    ...['NonMaxSuppressionV2', 'NonMaxSuppressionV3', 'NonMaxSuppressionV4', 'NonMaxSuppressionV5', 'CropAndResize'],
  ]),
  ...reason('it is of signal processing', [
    'DFT',
    'STFT',
    'MelWeightMatrix',
    'HannWindow',
    'HammingWindow',
    'BlackmanWindow',
  ]),
}

function reason(why: string, ops: readonly string[]): Record<string, string> {
  return Object.fromEntries(ops.map(op => [op, why]))
}

/** Why a node is not computed; undefined where it is. */
export function whyNot(node: Pick<Node, 'op' | 'domain' | 'version'> & Partial<Node>): string | undefined {
  if (computeOf(node) !== undefined) return undefined
  const { op, domain, version } = node
  const rows = Object.hasOwn(operators, domain) ? operators[domain]! : {}
  if (Object.hasOwn(rows, op)) {
    return `it is computed from version ${Math.min(...Object.keys(rows[op]!).map(Number))} on; the file has ${version}`
  }
  if (domain.startsWith('ai.onnx.preview.training')) return 'it trains'
  const own = node.attributes?.why
  if (typeof own === 'string') return own
  const listed = (domain === '' || domain === 'tfjs') && Object.hasOwn(reasons, op)
  return (listed && reasons[op]) || 'no row of the table computes it'
}

export interface Unsupported {
  readonly operator: string
  /** Names of the nodes that have it. */
  readonly nodes: readonly string[]
  readonly why: string
}

/** Operators of a graph, and of the graphs in its attributes, that have no row. */
export function unsupported(graph: Graph): Unsupported[] {
  const found = new Map<string, { operator: string; nodes: string[]; why: string }>()
  const walk = ({ nodes }: Graph) => {
    for (const node of nodes) {
      const why = whyNot(node)
      const operator = node.domain === '' ? node.op : `${node.domain}.${node.op}`
      if (why !== undefined) {
        const entry = found.get(operator) ?? { operator, nodes: [], why }
        entry.nodes.push(node.name)
        found.set(operator, entry)
      }
      for (const value of Object.values(node.attributes)) if (isGraph(value)) walk(value)
    }
  }
  walk(graph)
  return [...found.values()]
}
