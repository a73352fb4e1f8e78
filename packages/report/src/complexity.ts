import { type ComplexityOptions, type Gram, gated, geometricComplexity, orderGram } from '@unravel/expansion'
import { run, type Tower } from '@unravel/resnet'
import type { Tensor } from '@unravel/tensor'
import { columns, significant } from './table.js'

/** The geometric complexity of a network, without taking it apart: all paths as one. */
export async function wholeComplexity({ encode, blocks, decode }: Tower, x: Tensor): Promise<number> {
  const undivided: Tower = {
    encode,
    blocks: [],
    decode: h => run({ encode: state => state, blocks, decode }, h),
  }
  return (await geometricComplexity(undivided, x, 0)).total
}

type Progress = (done: number, of: number) => void

export interface ComplexityChoice extends Omit<ComplexityOptions, 'onProgress'> {
  /** Called with the work done, of all, by what is computed. */
  readonly onProgress?: { readonly slopes?: Progress; readonly outputs?: Progress } | undefined
}

/** Geometric complexity as a Gram matrix over path lengths, and that of the gated orders of the output. */
export async function complexityOf(
  tower: Tower,
  x: Tensor,
  orders: number | 'all',
  { onProgress = {}, ...choice }: ComplexityChoice = {},
) {
  const found = await geometricComplexity(tower, x, orders, { ...choice, onProgress: onProgress.slopes })
  const blocks = tower.blocks.length
  const outputs = await orderGram(gated(tower, x, orders, { onBlock: done => onProgress.outputs?.(done, blocks) }))
  return {
    blocks,
    orders: found.gram.length - 1,
    complexity: found.total,
    gram: listed(found),
    standard_error: found.standardError && {
      complexity: found.standardError.total,
      gram: listed(found.standardError),
    },
    /** The same of the orders of the gated expansion, ⟨S_i, S_j⟩. */
    output_gram: listed(outputs),
  }
}

const listed = ({ gram }: Pick<Gram, 'gram'>): number[][] => gram.map(row => Array.from(row))

/** Geometric complexity as tables of text, headed by the network's name. */
export function complexityTable(model: string, d: Awaited<ReturnType<typeof complexityOf>>): string {
  const kept = d.orders < d.blocks ? ` of paths up to length ${d.orders}` : ''
  const error = d.standard_error ? ` ± ${significant(d.standard_error.complexity, 2)}` : ''
  return (
    `geometric complexity of ${model}${kept}: ${significant(d.complexity)}${error}\n\n` +
    `mean of ⟨J_i, J_j⟩ by path lengths i and j\n${matrix(d.gram)}\n` +
    `mean of ⟨S_i, S_j⟩ of the output, gated\n${matrix(d.output_gram)}`
  )
}

const matrix = (gram: readonly (readonly number[])[]): string =>
  columns([
    ['', ...gram.map((_, j) => String(j))],
    ...gram.map((row, i) => [String(i), ...row.map(v => significant(v, 3))]),
  ])
