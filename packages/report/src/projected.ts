import { cotangentOf, type Orders, type Target } from '@unravel/expansion'
import { run, type Tower } from '@unravel/resnet'
import { matmul, reshape, scope, type Tensor } from '@unravel/tensor'
import { columns, significant } from './table.js'

/** A linear functional of an output, of every order and of the whole. */
export interface Projected {
  /** `[orders + 1][batch]` */
  readonly orders: readonly (readonly number[])[]
  /** `[batch]` */
  readonly output: readonly number[]
}

/** The orders of an expansion of an output, through a linear functional of it. */
export async function projected({ coefficients, total }: Orders, target: Target): Promise<Projected> {
  const [orders, batch] = coefficients.shape as [number, number]
  const through = scope(() => {
    const each = total.size / batch
    const direction = reshape(cotangentOf(total, target), [batch, each, 1])
    const rows = (t: Tensor) => matmul(reshape(t, [-1, batch, 1, each]), direction)
    return { orders: rows(coefficients), output: rows(total) }
  })
  const data = await through.orders.data()
  const row = (k: number) => Array.from(data.subarray(k * batch, (k + 1) * batch))
  return { orders: Array.from({ length: orders }, (_, k) => row(k)), output: Array.from(await through.output.data()) }
}

/** The tower whose only output is that functional of its output, `[batch, 1]`. */
export function projectedTower(tower: Tower, x: Tensor, target: Target): Tower {
  const { direction, shape } = scope(() => {
    const output = run(tower, x)
    return { direction: cotangentOf(output, target), shape: output.shape }
  })
  const [batch, each] = [shape[0]!, direction.size / shape[0]!]
  const coefficients = scope(() => reshape(direction, [batch, each, 1]))
  const decode = (h: Tensor) => {
    const y = tower.decode(h)
    return reshape(matmul(reshape(y, [batch, 1, each]), coefficients), [batch, 1])
  }
  return { encode: h => tower.encode(h), blocks: tower.blocks, names: tower.names, decode }
}

const INPUTS = 6

/** A functional of the output by order, a column for each input, or the mean over many of them. */
export function projectedTable(target: string, { orders, output }: Projected): string {
  const batch = output.length
  const many = batch > INPUTS
  const cells = (values: readonly number[]) =>
    (many ? [values.reduce((a, b) => a + b, 0) / batch] : values).map(v => significant(v))
  const head = many ? [`mean of ${batch} inputs`] : output.map((_, b) => `input ${b}`)
  const rows = orders.map((values, k) => [String(k), ...cells(values)])
  return `${target} by order\n${columns([['order', ...head], ...rows, ['output', ...cells(output)]])}`
}
