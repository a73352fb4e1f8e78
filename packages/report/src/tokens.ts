import type { Orders } from '@unravel/expansion'
import { narrow, scope } from '@unravel/tensor'
import { columns, significant } from './table.js'

/** Texts of the ids of a language model. */
export interface Tokens {
  /** The tokens of the inputs, in quotes: `[batch][position]`. */
  readonly inputs: readonly (readonly string[])[]
  /** The token of an id, in quotes. */
  name(id: number): string
}

/** Tokens and inputs that a text lists at most. */
const SHOWN = 24
const INPUTS = 8

/** The tokens of every input with their positions, a line for each input. */
export function tokenLines({ inputs }: Tokens): string {
  const line = (tokens: readonly string[]) => {
    const placed = tokens.map((token, i) => `${i} ${token}`)
    const some = placed.length <= SHOWN ? placed : [...placed.slice(0, SHOWN / 2), '…', ...placed.slice(-SHOWN / 2)]
    return some.join('  ')
  }
  const rest = inputs.length > INPUTS ? `and ${inputs.length - INPUTS} more inputs\n` : ''
  return (
    inputs
      .slice(0, INPUTS)
      .map((tokens, i) => `input ${i}: ${line(tokens)}\n`)
      .join('') + rest
  )
}

/** Ids of the largest values, in falling order. */
const largest = (values: ArrayLike<number>, count: number): number[] =>
  Array.from(values, (_, i) => i)
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, count)

/**
 * The effect of each order of an expansion of logits `[batch, sequence, vocabulary]` on the token after the last position: the
 * three tokens that it raises most, and the likeliest token by the orders up to it. A table for each input.
 */
export async function nextTokens({ coefficients, total }: Orders, tokens: Tokens): Promise<string> {
  const [, batch, sequence, width] = coefficients.shape as [number, number, number, number]
  const ends = scope(() => [narrow(coefficients, 2, sequence - 1, 1), narrow(total, 1, sequence - 1, 1)] as const)
  const [data, whole] = [await ends[0].data(), await ends[1].data()]
  for (const end of ends) end.dispose()
  const best = (logits: ArrayLike<number>) => tokens.name(largest(logits, 1)[0]!)
  const tables = tokens.inputs.slice(0, INPUTS).map((names, b) => {
    const sum = new Float64Array(width)
    const rows = Array.from({ length: coefficients.shape[0]! }, (_, k) => {
      const logits = data.subarray((k * batch + b) * width, (k * batch + b + 1) * width)
      for (let i = 0; i < width; i++) sum[i]! += logits[i]!
      return [String(k), largest(logits, 3).map(tokens.name).join(' '), best(sum)]
    })
    return (
      `after position ${sequence - 1}, ${names[sequence - 1]}, of input ${b} the network says ${best(whole.subarray(b * width, (b + 1) * width))}\n` +
      columns([['order', 'raises most', 'sum so far'], ...rows], 2)
    )
  })
  return tables.join('\n')
}

/** Orders that a table by position has columns for. */
const COLUMNS = 9

/** Norms of the gradient by position and path length, of a gradient by embeddings `[orders + 1, batch, sequence, width]`. A
 *  table for each input. */
export async function positionNorms({ coefficients }: Orders, { inputs }: Tokens): Promise<string> {
  const [orders, batch, sequence, width] = coefficients.shape as [number, number, number, number]
  const data = await coefficients.data()
  const shown = Math.min(orders, COLUMNS)
  const norm = (k: number, b: number, p: number) => {
    const from = ((k * batch + b) * sequence + p) * width
    return Math.hypot(...data.subarray(from, from + width))
  }
  const head = ['position', 'token', ...Array.from({ length: shown }, (_, k) => `order ${k}`)]
  const tables = inputs.slice(0, INPUTS).map((tokens, b) => {
    const rows = tokens.map((token, p) => [
      String(p),
      token,
      ...Array.from({ length: shown }, (_, k) => significant(norm(k, b, p))),
    ])
    return `norm of the gradient by the embedding at each position of input ${b}\n${columns([head, ...rows], 2)}`
  })
  return tables.join('\n')
}
