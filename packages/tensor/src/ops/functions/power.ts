import * as reference from '@unravel/kernels/reference'
import { onesLike, tensor, zerosLike } from '../../core/create.js'
import { kernelOf } from '../../core/kernels.js'
import { alias, apply, each } from '../../core/op.js'
import { broadcastShapes } from '../../core/shape.js'
import type { Binary, Op, Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { cauchy } from '../arithmetic/cauchy.js'
import { equal, notEqual } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { mul } from '../arithmetic/mul.js'
import { sub } from '../arithmetic/sub.js'
import { through } from '../arithmetic/through.js'
import { all, any, finite } from '../arithmetic/truth.js'
import { concat, order0Of, padded, withOrder0 } from '../structure/concat.js'
import { expandDims } from '../structure/reshape.js'
import { head, narrow } from '../structure/slice.js'
import { stopGradient } from '../structure/stopGradient.js'
import { broadcastLast, unbroadcast } from '../structure/sum.js'
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

/** `[1, …, n]` along the order axis, to broadcast with a stack */
const orderNumbers = (n: number, { shape, dtype, backend }: Tensor): Tensor =>
  tensor(
    Array.from({ length: n }, (_, k) => 1 + k),
    { shape: [n, ...shape.slice(1).fill(1)], dtype, backend },
  )

/** a^b of a stack and an exponent without orders: those of b ∫ a^(b−1) a′, which end at whole exponents, so that a_0 may be 0,
 *  negative or infinite. */
function constantPower(a: Tensor, b: Tensor, orders: number): Tensor {
  const first = expandDims(pow(order0Of(a), b), 0)
  const stored = Math.min(orders, a.shape[0]!)
  if (stored === 1) return first
  const slopes = mul(narrow(a, 0, 1, stored - 1), orderNumbers(stored - 1, a))
  const below = constantPower(a, where(equal(b, 0), 0, sub(b, 1)), orders - 1)
  const integrand = cauchy(below, slopes, orders - 1, a.rank - 1)
  return concat([first, through(div(integrand, orderNumbers(orders - 1, a)), b)], 0)
}

/** The later orders of a stack, of at least order 1 */
const later = (stack: Tensor, from = 1): Tensor => narrow(stack, 0, from, stack.shape[0]! - from)

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
    const item = broadcastShapes(a.shape, b.shape)!
    const orders = at.order + 1
    const [p, q] = each([a, b] as const, x => broadcastLast(head(at.stack(x, item.length), orders), item))
    const [a0, b0] = each([p, q] as const, order0Of)
    // a^b = s^b (a/s)^b: what a_0^(b−k) alone takes out of the range stays in it.
    const s = stopGradient(where(mul(finite(a0), notEqual(a0, 0)), a0, 1))
    const run = pow(a0, b0)
    const constant = withOrder0(mul(pow(s, b0), constantPower(div(p, s), b0, orders)), run)
    if (q.shape[0] === 1) return at.series(constant)
    // An exponent that varies: a^b = exp(b log a), but orders 0 and 1 are those of the run and of its derivatives, also where
    // the logarithm is infinite; a base that is 0 throughout stays it.
    const moving = any(later(q), 0)
    const zero = p.shape[0] === 1 ? equal(a0, 0) : mul(equal(a0, 0), all(equal(later(p), 0), 0))
    const base = where(mul(moving, equal(zero, 0)), a, 1)
    const tangents = [mul(growth(a0, run), narrow(q, 0, 1, 1))]
    if (p.shape[0]! > 1) tangents.push(mul(slope(a0, b0), narrow(p, 0, 1, 1)))
    const start = [expandDims(run, 0), tangents.reduce((sum, t) => add(sum, t))]
    const rest = padded(at.stack(exp(mul(b, log(base))), item.length), orders)
    const varying = concat(orders > 2 ? [...start, later(rest, 2)] : start, 0)
    return at.series(where(moving, varying, padded(constant, orders)))
  },
  gate: 'take the power of a number: pow(x, r)',
}

/** a^b, elementwise with NumPy's broadcasting; b may be a number. */
export function pow(a: Tensor, b: Operand): Tensor {
  if (typeof b !== 'number') return apply(powOp, [a, b], undefined)
  if (b === 1) return alias('pow', a)
  return apply(powerOp(b), [a], undefined)
}
