import { onesLike, zerosLike } from '../../core/create.js'
import { alias, apply } from '../../core/op.js'
import type { Op, Tensor } from '../../core/tensor.js'
import { equal } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { reshape } from '../structure/reshape.js'
import { head } from '../structure/slice.js'
import { unbroadcast } from '../structure/sum.js'
import { where } from '../structure/where.js'
import type { Operand } from '../structure/zipped.js'
import { zipped } from '../structure/zipped.js'
import { elementwise } from './elementwise.js'
import { exp } from './exp.js'
import { log } from './log.js'

/** x^r for one number r. */
export function powerOp(r: number): Op {
  const integer = Number.isInteger(r) && r >= 0
  return elementwise({
    name: 'power',
    map: (kernels, x, out) => kernels.power(x, r, out),
    derivative: x => (r === 0 ? zerosLike(x) : mul(pow(x, r - 1), r)),
    // A polynomial for integer r ≥ 0, also where x_0 = 0; else k x_0 y_k = Σ (j(r+1) − k) x_j y_{k−j}.
    ...(integer
      ? { taylor: x => repeatedProduct(x, r) }
      : { recurrence: (backend, _, orders, n, x, out) => backend.kernels.seriesPower(r, orders, n, x, out) }),
    secant: r < 1 ? `x^${r} has no finite slope at 0` : x => pow(x, r - 1),
  })
}

function repeatedProduct(x: Tensor, r: number): Tensor {
  if (r === 0) return onesLike(x)
  const half = r === 1 ? x : repeatedProduct(mul(x, x), Math.floor(r / 2))
  return r === 1 ? x : r % 2 === 0 ? half : mul(half, x)
}

/** a^b for tensors; a > 0, or a = 0 < b, where derivatives with respect to b are taken. */
export const powOp: Op = {
  ...zipped('pow', 'pow'),
  vjp({ inputs: [a, b], output, wants }, c) {
    const zero = equal(a!, 0)
    // b a^(b−1), and 0 where a = b = 0: 0·∞ is NaN.
    const slope = () => mul(b!, pow(a!, where(mul(zero, equal(b!, 0)), 1, sub(b!, 1))))
    // a^b log a, and its limit 0 at a = 0.
    const growth = () => mul(output, log(where(zero, 1, a!)))
    return [
      wants[0] ? unbroadcast(mul(c, slope()), output.rank, a!.shape) : null,
      wants[1] ? unbroadcast(mul(c, growth()), output.rank, b!.shape) : null,
    ]
  },
  series([a, b], _, at) {
    if (at.has(b!) || !at.has(a!)) return exp(mul(b!, log(a!)))
    // a^b = a_0^b (a/a_0)^b: a_0 may be negative.
    const a0 = reshape(head(a.stack, 1), a.shape)
    return mul(pow(a0, b!), exp(mul(b!, log(div(a, a0)))))
  },
  gate: 'take the power of a number: pow(x, r)',
}

/** a^b, elementwise with NumPy's broadcasting; b may be a number. Series of a to the power of a tensor want a ≠ 0. */
export function pow(a: Tensor, b: Operand): Tensor {
  if (typeof b !== 'number') return apply(powOp, [a, b], undefined)
  if (b === 1) return alias('pow', a)
  return apply(powerOp(b), [a], undefined)
}
