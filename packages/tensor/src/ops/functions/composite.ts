import { zerosLike } from '../../core/create.js'
import { apply, commonDType } from '../../core/op.js'
import type { Dense, Op, SeriesContext, Tensor, Unary } from '../../core/tensor.js'
import { greater } from '../arithmetic/compare.js'
import { maximum, minimum } from '../arithmetic/maximum.js'
import { mul } from '../arithmetic/mul.js'
import { through } from '../arithmetic/through.js'
import { order0Of, withOrder0 } from '../structure/concat.js'
import { where } from '../structure/where.js'

/** An elementwise function φ that is written in other ops, and its gate as a whole. */
interface Composite<A> {
  readonly name: string
  body(x: Tensor, attrs: A): Tensor
  /** φ′(x), where that of the body is ∞·0 or ∞ − ∞. */
  derivative?(x: Tensor): Tensor
  /** The secant gate (φ(x) − φ(0))/x, with its limit φ′(0) at x = 0. */
  secant(x: Tensor, attrs: A): Tensor
  /** Stacked orders of φ(x_0 + d) from x_0 and a series d without order 0, where those of the body lose digits. */
  orders?(x0: Tensor, d: Tensor, at: SeriesContext): Tensor
  /** φ(0), which joins the bias of the gated op. */
  atZero?(attrs: A): number
}

/** x·gate(x), of a gate that is 0 left of −limit and 1 right of limit: 0 and x there, so that no infinity meets a 0. */
export function gatedUnit(x: Tensor, gate: (x: Tensor) => Tensor, limit: number): Tensor {
  // The bounds lie beyond the limits, where ties with them would halve the derivative.
  const inner = minimum(maximum(x, -1 - limit), 1 + limit)
  return where(greater(x, limit), x, mul(inner, gate(inner)))
}

/** Derivatives and series go through the body; paths see the secant gate of the whole. */
export function composite<A = void>(phi: Composite<A>): Op<A, Unary> {
  const self: Op<A, Unary> = {
    name: phi.name,
    signature: '[...] -> [...]',
    infer: inputs => ({ shape: inputs[0].shape, dtype: commonDType(self, inputs) }),
    run: ([x], attrs) => phi.body(x, attrs) as Dense,
    ...(phi.derivative && { vjp: ({ inputs: [x] }, c) => [mul(c, phi.derivative!(x))] }),
    // Order 0 is that of the run, to the bit: a product of series is a sum, which has no −0.
    series([x], attrs, at) {
      const x0 = order0Of(at.stack(x))
      const run = apply(self, [x0], attrs)
      const whole = phi.orders?.(x0, at.series(withOrder0(at.stack(x), zerosLike(x0))), at)
      return at.series(withOrder0(whole ?? at.stack(phi.body(x, attrs)), run))
    },
    body: ([x], attrs) => phi.body(x, attrs),
    gate([x], attrs, at) {
      const run = at.value(x)
      const sums = through(at.stack(x), phi.secant(run, attrs))
      const bias = phi.atZero?.(attrs) ?? 0
      return at.paths(apply(self, [run], attrs), bias === 0 ? sums : at.addToOrder0(sums, bias))
    },
  }
  return self
}
