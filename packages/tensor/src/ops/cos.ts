import type { Backend, Buffer, DType } from '@unravel/kernels'
import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { elementwise, quotient } from './elementwise.js'
import { mul } from './mul.js'
import { neg } from './neg.js'
import { sin } from './sin.js'

export const cosOp = elementwise({
  name: 'cos',
  map: 'cos',
  derivative: x => neg(sin(x)),
  recurrence: (...args) => sinCos(...args, 'cos'),
  // cos x − 1 = −2 sin²(x/2)
  secant(x) {
    const s = sin(mul(x, 0.5))
    return quotient(mul(mul(s, s), -2), x, 0)
  },
  atZero: 1,
})

/** Cosine of x in radians */
export function cos(x: Tensor): Tensor {
  return apply(cosOp, [x], undefined)
}

/** Both recurrences run together; one result is kept. */
export function sinCos(
  backend: Backend,
  dtype: DType,
  orders: number,
  n: number,
  x: Buffer,
  out: Buffer,
  which: 'sin' | 'cos',
): void {
  const other = backend.alloc(dtype, orders * n)
  if (which === 'sin') backend.kernels.seriesSinCos(orders, n, x, out, other)
  else backend.kernels.seriesSinCos(orders, n, x, other, out)
  backend.release(other)
}
