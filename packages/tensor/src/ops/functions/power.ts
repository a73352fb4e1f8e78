import * as reference from '@unravel/kernels/reference'
import { onesLike, zerosLike } from '../../core/create.js'
import { kernelOf } from '../../core/kernels.js'
import { alias, apply } from '../../core/op.js'
import type { Binary, Op, Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { equal } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { concat, order0Of } from '../structure/concat.js'
import { expandDims } from '../structure/reshape.js'
import { narrow } from '../structure/slice.js'
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
      : {
          recurrence: (backend, _, orders, n, x, out) =>
            kernelOf(backend, 'seriesPower', reference.seriesPower)(r, orders, n, x, out),
        }),
    secant: r < 1 ? `x^${r} has no finite slope at 0` : x => pow(x, r - 1),
  })
}

function repeatedProduct(x: Tensor, r: number): Tensor {
  if (r === 0) return onesLike(x)
  const half = r === 1 ? x : repeatedProduct(mul(x, x), Math.floor(r / 2))
  return r === 1 ? x : r % 2 === 0 ? half : mul(half, x)
}

/** ∂a^b/∂a = b a^(b−1), and 0 where a = b = 0: 0·∞ is NaN. */
const slope = (a: Tensor, b: Tensor): Tensor => mul(b, pow(a, where(mul(equal(a, 0), equal(b, 0)), 1, sub(b, 1))))
/** ∂a^b/∂b = a^b log a, and its limit 0 at a = 0. */
const growth = (a: Tensor, power: Tensor): Tensor => mul(power, log(where(equal(a, 0), 1, a)))

/** a^b for tensors; a > 0, or a = 0 < b, where derivatives with respect to b are taken. */
export const powOp: Op<void, Binary> = {
  ...zipped('pow', 'pow'),
  vjp({ inputs: [a, b], output, wants }, c) {
    return [
      wants[0] ? unbroadcast(mul(c, slope(a, b)), output.rank, a.shape) : null,
      wants[1] ? unbroadcast(mul(c, growth(a, output)), output.rank, b.shape) : null,
    ]
  },
  series([a, b], _, at) {
    const rank = Math.max(a.rank, b.rank)
    const [a0, b0] = [order0Of(at.stack(a)), order0Of(at.stack(b))]
    const run = pow(a0, b0)
    // Orders 0 and 1 are those of the run and of its derivatives, also where the logarithm is infinite.
    const tangents: Tensor[] = []
    const order1 = (x: Tensor) => narrow(at.stack(x, rank), 0, 1, 1)
    if (at.stack(a).shape[0]! > 1) tangents.push(mul(order1(a), slope(a0, b0)))
    if (at.stack(b).shape[0]! > 1) tangents.push(mul(order1(b), growth(a0, run)))
    const first = expandDims(run, 0)
    if (tangents.length === 0 || at.order === 0) return at.series(first)
    const start = [first, tangents.reduce((sum, t) => add(sum, t))]
    if (at.order === 1) return at.series(concat(start, 0))
    // a^b = a_0^b (a/a_0)^b: a_0 may be negative.
    const whole = at.has(b) ? exp(mul(b, log(a))) : mul(run, exp(mul(b, log(div(a, a0)))))
    const stack = at.stack(whole)
    const rest = stack.shape[0]! - 2
    return at.series(concat(rest > 0 ? [...start, narrow(stack, 0, 2, rest)] : start, 0))
  },
  gate: 'take the power of a number: pow(x, r)',
}

/** a^b, elementwise with NumPy's broadcasting; b may be a number. Series of a to the power of a tensor want a ≠ 0. */
export function pow(a: Tensor, b: Operand): Tensor {
  if (typeof b !== 'number') return apply(powOp, [a, b], undefined)
  if (b === 1) return alias('pow', a)
  return apply(powerOp(b), [a], undefined)
}
