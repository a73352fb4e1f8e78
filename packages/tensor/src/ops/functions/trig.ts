import type { Backend, Buffer, DType } from '@unravel/kernels'
import * as reference from '@unravel/kernels/reference'
import { kernelOf } from '../../core/kernels.js'
import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { elementwise, quotient } from './elementwise.js'

export const sinOp = elementwise({
  name: 'sin',
  map: 'sin',
  derivative: x => cos(x),
  recurrence: (...args) => sinCos(...args, 'sin'),
  secant: (x, y) => quotient(y, x, 1),
})

/** Sine of x in radians */
export function sin(x: Tensor): Tensor {
  return apply(sinOp, [x], undefined)
}

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
  const kernel = kernelOf(backend, 'seriesSinCos', reference.seriesSinCos)
  try {
    if (which === 'sin') kernel(orders, n, x, out, other)
    else kernel(orders, n, x, other, out)
  } finally {
    backend.release(other)
  }
}
