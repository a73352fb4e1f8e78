import { onesLike } from '../../core/create.js'
import { apply, checkReals } from '../../core/op.js'
import type { SeriesContext, Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { greater } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { mul } from '../arithmetic/mul.js'
import { neg } from '../arithmetic/neg.js'
import { sub } from '../arithmetic/sub.js'
import { through } from '../arithmetic/through.js'
import { evenly } from '../structure/concat.js'
import { stopGradient } from '../structure/stopGradient.js'
import { where } from '../structure/where.js'
import { abs } from './abs.js'
import { composite } from './composite.js'
import { quotient } from './elementwise.js'
import { exp, expm1 } from './exp.js'
import { cos, sin } from './trig.js'

/** eʰ + e⁻ʰ and eʰ − e⁻ʰ; the latter has no cancellation, since eʰ − 1 and e⁻ʰ − 1 differ in sign. */
const twoCosh = (h: Tensor) => add(exp(h), exp(neg(h)))
const twoSinh = (h: Tensor) => sub(expm1(h), expm1(neg(h)))
/** sinh(x/2): half arguments overflow only where the results do. */
const sinhHalf = (x: Tensor) => mul(twoSinh(mul(x, 0.5)), 0.5)

/** Orders of sinh or cosh of x_0 + d by the theorem of addition, even·cosh d + odd·sinh d, sums without cancellation where d has
 *  no order 0; order 0 is left to the run. Where sinh and cosh overflow later orders need not: 2⁻¹⁰ of them come in. */
function orders(kind: 'sinh' | 'cosh', x0: Tensor, d: Tensor, at: SeriesContext): Tensor {
  const small = where(greater(abs(stopGradient(x0)), 80), 2 ** -10, onesLike(x0))
  const half = sinhHalf(x0)
  const sinh = mul(mul(half, small), twoCosh(mul(x0, 0.5)))
  const cosh = add(mul(mul(half, small), mul(half, 2)), small)
  const [even, odd] = kind === 'sinh' ? [sinh, cosh] : [cosh, sinh]
  const h = sinhHalf(d)
  const [c, s] = evenly([at.stack(coshMinusOne(d)), at.stack(mul(h, twoCosh(mul(d, 0.5))))] as const)
  return add(through(even, div(c, small)), through(odd, div(s, small)))
}

export const sinhOp = composite({
  name: 'sinh',
  // 2 sinh(x/2) cosh(x/2)
  body: x => mul(sinhHalf(x), twoCosh(mul(x, 0.5))),
  derivative: x => cosh(x),
  orders: (x0, d, at) => orders('sinh', x0, d, at),
  secant: x => quotient(sinh(x), x, 1),
})

/** Hyperbolic sine */
export function sinh(x: Tensor): Tensor {
  return apply(sinhOp, [x], undefined)
}

export const coshOp = composite({
  name: 'cosh',
  // 1 + 2 sinh²(x/2)
  body: x => add(coshMinusOne(x), 1),
  derivative: x => sinh(x),
  orders: (x0, d, at) => orders('cosh', x0, d, at),
  secant: x => quotient(coshMinusOne(x), x, 0),
  atZero: () => 1,
})

function coshMinusOne(x: Tensor): Tensor {
  const s = sinhHalf(x)
  return mul(s, mul(s, 2))
}

/** Hyperbolic cosine */
export function cosh(x: Tensor): Tensor {
  return apply(coshOp, [x], undefined)
}

/** Tangent of x in radians. Paths see sin(x)/x over the cosine of the run: the secant gate of the whole. */
export function tan(x: Tensor): Tensor {
  checkReals('tan', [x])
  return div(sin(x), cos(x))
}
