import { columns } from './table.js'

/** Counts of operators by name. */
type Counts = Readonly<Record<string, number>>

/** An input or output of a network. */
export interface InspectedValue {
  readonly name: string
  readonly type: string
  readonly shape: readonly (number | string | null)[] | null
}

/** What lies between two values of a network. */
export interface InspectedPart {
  readonly from: string
  readonly to: string
  readonly operators: Counts
}

/** What was found in a network: the document of `unravel inspect --json` without the model's name. */
export interface InspectedNetwork {
  readonly inputs: readonly InspectedValue[]
  readonly outputs: readonly InspectedValue[]
  readonly operators: Counts
  readonly unsupported: readonly {
    readonly operator: string
    readonly nodes: readonly string[]
    readonly why: string
  }[]
  /** null where only the author of the network knows. */
  readonly parameters: number | null
  readonly blocks: readonly {
    readonly name: string
    readonly skip: 'identity' | 'projection' | 'nonlinear'
    readonly operators: Counts
    readonly scale: number
  }[]
  readonly sites: readonly {
    readonly name: string
    /** How many other residual additions have it in their branch. */
    readonly level: number
    readonly scale: number
    readonly skip: 'identity' | 'projection'
  }[]
  readonly encoder: InspectedPart | null
  readonly decoder: InspectedPart | null
}

const list = (values: readonly InspectedValue[]) =>
  values
    .map(({ name, type, shape }) => `${name} ${type}[${shape === null ? '...' : shape.map(n => n ?? '?')}]`)
    .join(', ')

/** `2 Conv, 1 Relu` */
export const countsText = (operators: Counts): string =>
  Object.entries(operators)
    .map(([name, n]) => `${n} ${name}`)
    .join(', ')

/** λ to six digits. */
export const scaleText = (scale: number): string => String(Number(scale.toPrecision(6)))

/** What was found in a network, for a person to read: facts, blocks, residual additions. */
export function inspectionTable(model: string, network: InspectedNetwork): string {
  const { encoder, decoder } = network
  const facts = [
    ['inputs', list(network.inputs)],
    ['outputs', list(network.outputs)],
    ...(network.parameters === null ? [] : [['parameters', String(network.parameters)]]),
    ['operators', countsText(network.operators)],
    ...network.unsupported.map(u => ['unsupported', `${u.operator}, ${u.nodes.length} nodes: ${u.why}`]),
    ...(encoder === null ? [] : [['encoder', `to ${encoder.to}: ${countsText(encoder.operators)}`]]),
    ...(decoder === null ? [] : [['decoder', `from ${decoder.from}: ${countsText(decoder.operators)}`]]),
  ]
  const blocks = network.blocks.map(b => [b.name, b.skip, scaleText(b.scale), countsText(b.operators)])
  const sites = network.sites.map(s => [s.name, s.skip, scaleText(s.scale), String(s.level)])
  return [
    `${model}\n\n${columns(facts, 2)}`,
    blocks.length === 0 ? '' : `\n${columns([['block', 'skip', 'λ', 'operators'], ...blocks], 4)}`,
    sites.length === 0 ? '' : `\n${columns([['residual addition', 'skip', 'λ', 'level'], ...sites], 4)}`,
  ].join('')
}
