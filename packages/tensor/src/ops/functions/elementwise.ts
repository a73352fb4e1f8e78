import type { Backend, Buffer, DType, Kernels, MapGradOp, MapOp, SeriesOp } from '@unravel/kernels'
import { Expansion } from '../../autodiff/series.js'
import { scalarLike } from '../../core/create.js'
import { ShapeError } from '../../core/errors.js'
import { atFreshLevel, tapesRecording } from '../../core/levels.js'
import { apply, commonDType } from '../../core/op.js'
import { endsWith, sameShape, sizeOf } from '../../core/shape.js'
import { allocate, Dense, type Op, type Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { correlate } from '../arithmetic/cauchy.js'
import { equal } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { maximum, minimum } from '../arithmetic/maximum.js'
import { mul } from '../arithmetic/mul.js'
import { order0Of, stack, withOrder0 } from '../structure/concat.js'
import { reshape } from '../structure/reshape.js'
import { head, slice } from '../structure/slice.js'
import { where } from '../structure/where.js'

/** The pieces of an elementwise function φ of one tensor. */
export interface Elementwise {
  readonly name: string
  /** The kernel that computes it. */
  readonly map: MapOp | ((kernels: Kernels<Buffer>, x: Buffer, out: Buffer, backend: Backend, dtype: DType) => void)
  /** φ′(x), from x and y = φ(x). Where y rounds to its limit, or x is infinite, φ′ is still to be right. */
  derivative(x: Tensor, y: Tensor): Tensor
  /** The kernel that multiplies a cotangent with φ′. */
  readonly grad?: MapGradOp
  /** Orders of φ of a series, of which order 0 is the run's: a fused recurrence; a formula in ops; or, where φ is piecewise
   *  linear, its slope, constant to derivatives. Default: from the derivative, by y′ = φ′(x) x′. */
  readonly recurrence?:
    | SeriesOp
    | ((backend: Backend, dtype: DType, orders: number, n: number, x: Buffer, out: Buffer) => void)
  readonly taylor?: (x: Tensor) => Tensor
  readonly slope?: (x: Tensor) => Tensor
  /** The secant gate (φ(x) − φ(0))/x, with its limit φ′(0) at x = 0; or why there is none. */
  readonly secant: ((x: Tensor, y: Tensor) => Tensor) | string
  /** φ(0), which joins the bias of the gated op. */
  readonly atZero?: number
}

/** Derivatives that are functions of y, which mapGrad takes; the others take x. */
const ofValue: ReadonlySet<MapGradOp> = new Set(['exp', 'relu'])

export function elementwise(phi: Elementwise): Op {
  const self: Op = {
    name: phi.name,
    signature: '[...] -> [...]',
    infer: inputs => ({ shape: inputs[0]!.shape, dtype: commonDType(self, inputs) }),
    run([x], _, type) {
      const out = allocate(x!.backend, type.shape, type.dtype, phi.name)
      const { kernels } = x!.backend
      // Where the derivative is a function of y, or there will be none, nobody asks for x again.
      const last = phi.grad !== undefined && (ofValue.has(phi.grad) || tapesRecording() === 0)
      if (typeof phi.map !== 'string') phi.map(kernels, x!.buffer, out.buffer, x!.backend, x!.dtype)
      else if (!last || !x!.fuse(out.buffer, phi.map, 1, null)) kernels.map(phi.map, x!.buffer, out.buffer)
      return out
    },
    vjp: ({ inputs: [x], output }, c) => [
      phi.grad === undefined ? mul(c, phi.derivative(x!, output)) : apply(mapGradOp, [c, x!, output], phi),
    ],
    series([x], _, at) {
      const coefficients = at.stack(x!)
      if (phi.slope !== undefined || phi.taylor !== undefined) {
        const run = apply(self, [order0Of(coefficients)], undefined)
        if (phi.taylor !== undefined) return at.series(withOrder0(at.stack(phi.taylor(x!)), run))
        return at.series(apply(piecewiseOp, [run, phi.slope!(x!), coefficients], undefined))
      }
      if (phi.recurrence === undefined) return at.series(integrate(self, phi, coefficients, at.order))
      return at.series(apply(recurrenceOp, [coefficients], { self, phi, orders: at.order + 1 }))
    },
    gate:
      typeof phi.secant === 'string'
        ? phi.secant
        : ([x], _, at) => {
            const run = at.value(x!)
            // The gate reads it too.
            if (run instanceof Dense) run.compute()
            const y = apply(self, [run], undefined)
            const gate = (phi.secant as (x: Tensor, y: Tensor) => Tensor)(run, y)
            const through = mul(at.stack(x!), gate)
            const bias = phi.atZero ?? 0
            return at.paths(y, bias === 0 ? through : at.addToOrder0(through, bias))
          },
  }
  return self
}

/** ȳ ⊙ φ′ for stacked cotangents ȳ, in one pass; to interpreters it is what it stands for. */
export const mapGradOp: Op<Elementwise> = {
  name: 'mapGrad',
  signature: '[...], [...], [...] -> [...]',
  infer(inputs) {
    const [c, x, y] = inputs as [Tensor, Tensor, Tensor]
    if (!sameShape(x.shape, y.shape) || !endsWith(c.shape, y.shape)) throw new ShapeError(mapGradOp, inputs)
    return { shape: c.shape, dtype: commonDType(mapGradOp, inputs) }
  },
  run([c, x, y], phi, type) {
    const out = allocate(c!.backend, type.shape, type.dtype, phi.name)
    c!.backend.kernels.mapGrad(phi.grad!, (ofValue.has(phi.grad!) ? y! : x!).buffer, c!.buffer, out.buffer)
    return out
  },
  body: ([c, x, y], phi) => mul(c!, phi.derivative(x!, y!)),
}

/** Orders y_0, s x_1, s x_2, … of a piecewise linear function: its value, and its slope s times what follows. */
export const piecewiseOp: Op = {
  name: 'piecewise',
  signature: '[...], [...], [p,...] -> [p,...]',
  infer(inputs) {
    const [value, slope, x] = inputs as [Tensor, Tensor, Tensor]
    const item = x.shape.slice(1)
    const fits = x.rank > 0 && x.shape[0]! > 0 && sameShape(value.shape, item) && sameShape(slope.shape, item)
    if (!fits) throw new ShapeError(piecewiseOp, inputs)
    return { shape: x.shape, dtype: commonDType(piecewiseOp, inputs) }
  },
  run([value, slope, x], _, type) {
    const { backend } = x!
    const out = allocate(backend, type.shape, type.dtype, 'piecewise')
    const n = value!.size
    const rest = type.shape[0]! - 1
    if (n === 0) return out
    backend.kernels.copy([n], value!.buffer, 0, [1], backend.view(out.buffer, 0, n), 0, [1])
    if (rest === 0) return out
    const [a, to] = [backend.view(x!.buffer, n, rest * n), backend.view(out.buffer, n, rest * n)]
    backend.kernels.zip('mul', [rest, n], a, [n, 1], slope!.buffer, [0, 1], to)
    return out
  },
  gate: 'it is used by Taylor rules only',
  body: ([value, slope, x]) => withOrder0(x!.shape[0] === 1 ? x! : mul(x!, slope!), value!),
}

/** x, and ±limit beyond it: where φ′ has its limit there, x·φ″ is no ∞·0. */
export const within = (x: Tensor, limit: number): Tensor => minimum(maximum(x, -limit), limit)

/** Coefficients of φ(x) from k y_k = Σ_{j=1}^{k} j x_j w_{k−j}, w = φ′(x): any φ, any kind of tensor below. */
function integrate(self: Op, phi: Elementwise, x: Tensor, order: number): Tensor {
  const shape = x.shape.slice(1)
  const coefficient = (s: Tensor, k: number) => reshape(slice(s, [k], [k + 1]), shape)
  const y = [apply(self, [coefficient(x, 0)], undefined)]
  for (let k = 1; k <= order; k++) {
    const w = derivativeSeries(phi, head(x, k), stack(y, 0), k - 1)
    let sumOfProducts: Tensor | undefined
    for (let j = 1; j <= k && j < x.shape[0]!; j++) {
      if (k - j >= w.shape[0]!) continue
      const term = mul(mul(coefficient(x, j), coefficient(w, k - j)), j / k)
      sumOfProducts = sumOfProducts === undefined ? term : add(sumOfProducts, term)
    }
    if (sumOfProducts === undefined) sumOfProducts = mul(y[0]!, 0)
    y.push(sumOfProducts)
  }
  return stack(y, 0)
}

/** The stack of φ′(x), from the stacks of x and y = φ(x). */
function derivativeSeries(phi: Elementwise, x: Tensor, y: Tensor, order: number): Tensor {
  return atFreshLevel(level => {
    const at = new Expansion(level, order)
    return at.stack(phi.derivative(at.series(x), at.series(y)))
  })
}

/** The fused recurrence of an elementwise function on a stack. */
export const recurrenceOp: Op<{ self: Op; phi: Elementwise; orders: number }> = {
  name: 'recurrence',
  signature: '[p,...] -> [orders,...]',
  infer(inputs, { orders }) {
    const x = inputs[0]!
    if (x.rank === 0 || x.shape[0] === 0) throw new ShapeError(recurrenceOp, inputs, 'a stack of at least one order')
    return { shape: [orders, ...x.shape.slice(1)], dtype: commonDType(recurrenceOp, inputs) }
  },
  run([x], { phi, orders }, type) {
    const out = allocate(x!.backend, type.shape, type.dtype, phi.name)
    const n = sizeOf(type.shape) / orders
    if (typeof phi.recurrence === 'string') x!.backend.kernels.series(phi.recurrence, orders, n, x!.buffer, out.buffer)
    else phi.recurrence!(x!.backend, type.dtype, orders, n, x!.buffer, out.buffer)
    return out
  },
  vjp({ inputs: [x], output, attrs: { phi, orders } }, c) {
    const w = derivativeSeries(phi, x!, output, orders - 1)
    return [correlate(c, w, x!.shape[0]!, x!.rank - 1)]
  },
  series: ([x], { self, phi, orders }) => integrate(self, phi, x!, orders - 1),
  gate: 'it is used by Taylor rules only',
}

/** numerator / x, and `limit` where x = 0. */
export function quotient(numerator: Tensor, x: Tensor, limit: number): Tensor {
  const zero = equal(x, scalarLike(0, x))
  return where(zero, scalarLike(limit, x), div(numerator, where(zero, scalarLike(1, x), x)))
}

/** φ′ as a function: what mapGrad makes of ones. */
export const slopeOf =
  (phi: MapGradOp) =>
  (kernels: Kernels<Buffer>, x: Buffer, out: Buffer, backend: Backend, dtype: DType): void => {
    const ones = backend.alloc(dtype, x.length)
    kernels.fill(1, ones)
    kernels.mapGrad(phi, x, ones, out)
    backend.release(ones)
  }
