import { against } from '../check.js'
import { ours } from '../peers/unravel.js'
import type { Case, Contender, Suite } from '../types.js'
import { normal, type RowsWork } from '../works.js'

/** The definition, in f64. */
export function rowsReference({ kind, rows, n, x }: RowsWork): Float64Array {
  if (kind === 'sum') return Float64Array.of(x.reduce((a, b) => a + b, 0))
  const out = new Float64Array(kind === 'sumRows' ? rows : kind === 'sumColumns' ? n : rows * n)
  for (let r = 0; r < rows; r++) {
    const row = Float64Array.from(x.subarray(r * n, (r + 1) * n))
    if (kind === 'sumRows') out[r] = row.reduce((a, b) => a + b, 0)
    else if (kind === 'sumColumns') for (let j = 0; j < n; j++) out[j]! += row[j]!
    else out.set(kind === 'softmax' ? softmaxOf(row) : normalised(row), r * n)
  }
  return out
}

function softmaxOf(row: Float64Array): Float64Array {
  const most = row.reduce((a, b) => Math.max(a, b), -Infinity)
  const e = row.map(v => Math.exp(v - most))
  const total = e.reduce((a, b) => a + b, 0)
  return e.map(v => v / total)
}

function normalised(row: Float64Array): Float64Array {
  const mean = row.reduce((a, b) => a + b, 0) / row.length
  const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length
  return row.map(v => (v - mean) / Math.sqrt(variance + 1e-5))
}

/** The yardstick of sums along an axis; the row `sum` checks its result. */
const sumOfAll = async (work: RowsWork): Promise<Contender> => ({
  ...(await ours({ ...work, kind: 'sum' }))!,
  name: 'ours sum of all',
  result: () => [],
})

function rows(kind: RowsWork['kind'], count: number, n: number): Case {
  // A mean away from 0: sums of everything are then of the size of their terms' sum.
  const x = (normal('f32', count * n, 1, 6) as Float32Array).map(v => v + 1)
  const work: RowsWork = { kind, rows: count, n, x }
  const check = against(() => rowsReference(work), 1e-4)
  return {
    name: kind,
    what: `${kind} of f32 [${count},${n}]`,
    work,
    own: [
      () => ours(work),
      () => ours(work, 'ours plain'),
      () => ours(work, 'ours 2 threads'),
      ...(kind === 'sumRows' || kind === 'sumColumns' ? [() => sumOfAll(work)] : []),
    ],
    without: { 'tfjs-cpu': 'plain JavaScript' },
    check: values => (values.length === 0 ? 0 : check(values)),
    amount: { count: count * n, unit: 'element' },
  }
}

export const reductions: Suite = {
  name: 'reductions',
  what: 'softmax, layer norm and sums',
  cases: ({ quick }) =>
    (['softmax', 'layerNorm', 'sum', 'sumRows', 'sumColumns'] as const).map(
      kind => () => rows(kind, quick ? 1024 : 4096, 1024),
    ),
}
