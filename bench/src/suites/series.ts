import type { SeriesOp } from '@unravel/kernels'
import { against } from '../check.js'
import { type Variant, variantOf } from '../peers/unravel.js'
import type { Case, Contender, Suite } from '../types.js'
import { normal } from '../works.js'

/** One kernel of power series on `orders` coefficients of `n` elements, f64, called directly. */
function kernel(op: SeriesOp | 'cauchy', orders: number, n: number, x: Float64Array, variant: Variant): Contender {
  const { kind: backend, ...labels } = variantOf(variant)
  const [a, out] = [backend.alloc('f64', orders * n), backend.alloc('f64', orders * n)]
  backend.write(a, x)
  const run = () => {
    if (op === 'cauchy') backend.kernels.cauchy(orders, n, a, a, out)
    else backend.kernels.series(op, orders, n, a, out)
  }
  return {
    ...labels,
    backend: backend.name,
    run,
    result: () => {
      run()
      return backend.readSync!(out)
    },
    dispose: () => {
      backend.release(a)
      backend.release(out)
    },
  }
}

/** Definitions, f64: squares, exp by k·y_k = Σ j·x_j·y_{k−j}, tanh with y′ = x′(1 − y²). */
function reference(op: 'cauchy' | 'exp' | 'tanh', orders: number, n: number, x: Float64Array): Float64Array {
  const y = new Float64Array(orders * n)
  const s = new Float64Array(orders * n)
  for (let i = 0; i < n; i++) {
    const at = (array: Float64Array, k: number) => array[k * n + i]!
    for (let k = 0; k < orders; k++) {
      let sum = 0
      if (op === 'cauchy') for (let j = 0; j <= k; j++) sum += at(x, j) * at(x, k - j)
      else for (let j = 1; j <= k; j++) sum += j * at(x, j) * at(op === 'exp' ? y : s, k - j)
      y[k * n + i] = op === 'cauchy' ? sum : k > 0 ? sum / k : op === 'exp' ? Math.exp(x[i]!) : Math.tanh(x[i]!)
      if (op !== 'tanh') continue
      let square = 0
      for (let j = 0; j <= k; j++) square += at(y, j) * at(y, k - j)
      s[k * n + i] = (k === 0 ? 1 : 0) - square
    }
  }
  return y
}

function one(op: 'cauchy' | 'exp' | 'tanh', orders: number, n: number): Case {
  const x = normal('f64', orders * n, 0.3, 11) as Float64Array
  return {
    name: `series-${op}-${orders}`,
    what: `${op === 'cauchy' ? 'product' : op} of power series: ${orders} coefficients of ${n} elements, f64`,
    own: (['ours', 'ours plain', 'ours js'] as const).map(v => () => kernel(op, orders, n, x, v)),
    check: against(() => reference(op, orders, n, x), 1e-9),
    amount: { count: orders * n, unit: 'element' },
  }
}

export const series: Suite = {
  name: 'series',
  what: 'kernels of power series',
  cases: ({ quick }) =>
    (quick ? [16] : [8, 16, 32]).flatMap(orders =>
      (['cauchy', 'exp', 'tanh'] as const).map(op => () => one(op, orders, 2048)),
    ),
}
