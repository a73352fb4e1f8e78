import type { Backend, DType, Shape } from '@unravel/kernels'
import * as reference from '@unravel/kernels/reference'
import { zeros, zerosLike } from '../core/create.js'
import type { TensorType } from '../core/errors.js'
import { describe, RuleError, ShapeError } from '../core/errors.js'
import { kernelOf } from '../core/kernels.js'
import { atFreshLevel } from '../core/levels.js'
import { shown } from '../core/messages.js'
import { alias, apply, applyAs, commonDType, like } from '../core/op.js'
import { scope } from '../core/scope.js'
import { sameShape, sizeOf } from '../core/shape.js'
import {
  allocate,
  type Dense,
  type Elementwise,
  type Mark,
  type Op,
  type SeriesContext,
  Tensor,
  type Ternary,
  type Unary,
} from '../core/tensor.js'
import { leaves, mapTree, type Tree } from '../core/tree.js'
import { add } from '../ops/arithmetic/add.js'
import { addAligned } from '../ops/arithmetic/addAligned.js'
import { correlate } from '../ops/arithmetic/cauchy.js'
import { mul } from '../ops/arithmetic/mul.js'
import { through } from '../ops/arithmetic/through.js'
import { concat, order0Of, padded, stack, withOrder0 } from '../ops/structure/concat.js'
import { reshape } from '../ops/structure/reshape.js'
import { head, slice } from '../ops/structure/slice.js'
import { Orders } from './orders.js'
import { checkReal } from './real.js'

/** Told of every op that only acts on order 0, such as the step that chooses the piece of a ReLU, the stacks
 *  `[stored orders, ...shape]` it would have acted on, and what it made of order 0. */
export type SelectionObserver = (op: string, stacks: readonly Tensor[], chosen: Tensor) => void

/** One run of `series`: arithmetic modulo z^(order+1). */
export class Expansion extends Orders implements SeriesContext {
  constructor(
    level: number,
    order: number,
    readonly observer?: SelectionObserver,
    mark?: Mark,
  ) {
    super(level, order, mark)
  }

  convolve(a: Tensor, b: Tensor, f: (aj: Tensor, b: Tensor) => Tensor): Tensor {
    let out: Tensor | undefined
    for (let j = 0; j < a.shape[0]! && j <= this.order; j++) {
      const aj = reshape(slice(a, [j], [j + 1]), a.shape.slice(1))
      const term = f(aj, head(b, this.order + 1 - j))
      out = out === undefined ? term : addAligned(out, term, j)
    }
    return out!
  }

  override has(x: Tensor): x is Series {
    if (!(x instanceof Series) || x.level !== this.level) return false
    if (x.expansion !== this) throw new RuleError(`${describe(x)} escaped from another series()`)
    return true
  }

  /** The series with these coefficients, cut at the order of the expansion. */
  series(stack: Tensor): Series {
    const most = this.order + 1
    return new Series(this, stack.shape[0]! > most ? head(stack, most) : stack)
  }

  elementwise(op: Op<void, Unary>, phi: Elementwise, x: Tensor): Series {
    const coefficients = this.stack(x)
    if (phi.slope !== undefined || phi.taylor !== undefined) {
      const run = apply(op, [order0Of(coefficients)], undefined)
      if (phi.taylor !== undefined) return this.series(withOrder0(this.stack(phi.taylor(x)), run))
      return this.series(apply(piecewiseOp, [run, phi.slope!(x), coefficients], undefined))
    }
    if (phi.recurrence === undefined) return this.series(integrate(op, phi, coefficients, this.order))
    return this.series(apply(recurrenceOp, [coefficients], { self: op, phi, orders: this.order + 1 }))
  }
}

/**
 * A power series Σ_k c_k z^k: ordinary Taylor coefficients, stacked on a leading order axis. Coefficients beyond the
 * stack are known to vanish and cost nothing.
 */
export class Series extends Tensor {
  override readonly shape: Shape
  constructor(
    readonly expansion: Expansion,
    /** `[stored orders, ...shape]` */
    readonly stack: Tensor,
  ) {
    super()
    this.shape = stack.shape.slice(1)
  }
  override get dtype(): DType {
    return this.stack.dtype
  }
  override get backend(): Backend {
    return this.stack.backend
  }
  override get level(): number {
    return this.expansion.level
  }
  /** Number of stored coefficients, at least 1. */
  get stored(): number {
    return this.stack.shape[0]!
  }
  /** Coefficient k, of the series' shape. */
  at(k: number): Tensor {
    if (k >= this.stored) return zeros(this.shape, like(this))
    return reshape(slice(this.stack, [k], [k + 1]), this.shape)
  }
  override dense(): readonly Dense[] {
    return this.stack.dense()
  }
  override toString(): string {
    return `${describe(this)} series with orders 0 to ${this.stored - 1}`
  }

  override interpret<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A, type: TensorType): Tensor {
    const at = this.expansion
    if (op.series !== undefined) return op.series(inputs, attrs, at)
    if (op.body !== undefined) return op.body(inputs, attrs)
    const chosen = applyAs(
      type,
      op,
      inputs.map(x => (at.has(x) ? x.at(0) : x)),
      attrs,
    )
    at.observer?.(
      op.name,
      inputs.map(x => at.stack(x)),
      chosen,
    )
    return chosen
  }
}

/**
 * Taylor coefficients of t ↦ f(x(t)) up to `order`, for x(t) = Σ_k c_k t^k given by its ordinary coefficients
 * (c_k = x^{(k)}(0)/k!, never multiplied by k!). `coefficients` is a tree whose tensors are stacks
 * `[stored orders, ...shape]`; the result is the stack `[order + 1, ...value.shape]`. Intermediate memory is freed before it
 * returns.
 */
export function series<T extends Tree = Tensor>(f: (x: T) => Tensor, coefficients: T, order: number): Tensor {
  return scope(() => padded(trimmedSeries(f, coefficients, order), order + 1))
}

/** As `series`, without the trailing orders that are known to vanish: `[1 to order + 1 orders, ...value.shape]`. `mark` is what
 *  marks do (see `branch`); without it they are factors. */
export function trimmedSeries<T extends Tree = Tensor>(
  f: (x: T) => Tensor,
  coefficients: T,
  order: number,
  { observer, mark }: { readonly observer?: SelectionObserver; readonly mark?: Mark | undefined } = {},
): Tensor {
  checkOrder('series', order)
  return atFreshLevel(level => {
    const at = new Expansion(level, order, observer, mark)
    const given = new Set(leaves(coefficients))
    const x = mapTree(stack => {
      if (stack.rank === 0 || stack.shape[0] === 0) {
        throw new ShapeError({ name: 'series', signature: '[stored orders,...], at least one order' }, [stack])
      }
      checkReal('series', 'coefficients of dtype f32 or f64', [stack])
      return at.series(stack)
    }, coefficients) as T
    const y = f(x)
    if (!(y instanceof Tensor)) throw new TypeError('series wants a function that returns a tensor')
    const stack = at.stack(y)
    return given.has(stack) ? alias('series', stack) : stack
  })
}

/**
 * The value of `f` at `primals` and its directional derivative along `tangents` (forward mode), a tree of the same
 * structure: `series` cut at order 1. Intermediate memory is freed before it returns.
 */
export function jvp<T extends Tree = Tensor>(
  f: (x: T) => Tensor,
  primals: T,
  tangents: T,
): [value: Tensor, tangent: Tensor] {
  const v = leaves(tangents)
  const wrong = (x: Tensor) =>
    new ShapeError({ name: 'jvp', signature: `a tangent of type ${describe(x)} for every primal` }, v)
  const points = leaves(primals)
  checkReal('jvp', 'primals of dtype f32 or f64', points)
  const count = points.length
  if (v.length !== count) throw new ShapeError({ name: 'jvp', signature: `a tangent for each of ${count} primals` }, v)
  return scope(() => {
    const both = mapTree(
      (x, dx) => {
        if (!(dx instanceof Tensor) || !sameShape(x.shape, dx.shape) || x.dtype !== dx.dtype) throw wrong(x)
        return concat([reshape(x, [1, ...x.shape]), reshape(dx, [1, ...x.shape])], 0)
      },
      primals,
      tangents,
    ) as T
    const stack = series(f, both, 1)
    const item = stack.shape.slice(1)
    return [reshape(slice(stack, [0], [1]), item), reshape(slice(stack, [1], [2]), item)]
  })
}

export function checkOrder(what: string, order: number): void {
  if (!Number.isSafeInteger(order) || order < 0) {
    throw new RangeError(`${what}: the order must be an integer of at least 0, got ${shown(order)}`)
  }
}

/** Orders y_0, s x_1, s x_2, … of a piecewise linear function: its value, and its slope s times what follows. */
export const piecewiseOp: Op<void, Ternary> = {
  name: 'piecewise',
  signature: '[...], [...], [p,...] -> [p,...]',
  infer(inputs) {
    const [value, slope, x] = inputs
    const item = x.shape.slice(1)
    const fits = x.rank > 0 && x.shape[0]! > 0 && sameShape(value.shape, item) && sameShape(slope.shape, item)
    if (!fits) throw new ShapeError(piecewiseOp, inputs)
    return { shape: x.shape, dtype: commonDType(piecewiseOp, inputs) }
  },
  run([value, slope, x], _, type) {
    const { backend } = x
    const out = allocate(backend, type.shape, type.dtype, 'piecewise')
    const n = value.size
    const rest = type.shape[0]! - 1
    if (n === 0) return out
    backend.kernels.copy([n], value.buffer, 0, [1], backend.view(out.buffer, 0, n), 0, [1])
    if (rest === 0) return out
    const [a, to] = [backend.view(x.buffer, n, rest * n), backend.view(out.buffer, n, rest * n)]
    backend.kernels.zip('mul', [rest, n], a, [n, 1], slope.buffer, [0, 1], to)
    return out
  },
  gate: 'it is used by Taylor rules only',
  body: ([value, slope, x]) => withOrder0(x.shape[0] === 1 ? x : mul(x, slope), value),
}

/** Coefficients of φ(x) from k y_k = Σ_{j=1}^{k} j x_j w_{k−j}, w = φ′(x): any φ, any kind of tensor below. */
function integrate(self: Op<void, Unary>, phi: Elementwise, x: Tensor, order: number): Tensor {
  const shape = x.shape.slice(1)
  const coefficient = (s: Tensor, k: number) => reshape(slice(s, [k], [k + 1]), shape)
  const y = [apply(self, [coefficient(x, 0)], undefined)]
  for (let k = 1; k <= order; k++) {
    const w = derivativeSeries(phi, head(x, k), stack(y, 0), k - 1)
    let sumOfProducts: Tensor | undefined
    for (let j = 1; j <= k && j < x.shape[0]!; j++) {
      if (k - j >= w.shape[0]!) continue
      const term = mul(through(coefficient(w, k - j), coefficient(x, j)), j / k)
      sumOfProducts = sumOfProducts === undefined ? term : add(sumOfProducts, term)
    }
    y.push(sumOfProducts ?? zerosLike(y[0]!))
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
export const recurrenceOp: Op<{ self: Op<void, Unary>; phi: Elementwise; orders: number }, Unary> = {
  name: 'recurrence',
  signature: '[p,...] -> [orders,...]',
  infer(inputs, { orders }) {
    const x = inputs[0]
    if (x.rank === 0 || x.shape[0] === 0) throw new ShapeError(recurrenceOp, inputs, 'a stack of at least one order')
    return { shape: [orders, ...x.shape.slice(1)], dtype: commonDType(recurrenceOp, inputs) }
  },
  run([x], { phi, orders }, type) {
    const out = allocate(x.backend, type.shape, type.dtype, phi.name)
    const n = sizeOf(type.shape) / orders
    if (typeof phi.recurrence === 'string')
      kernelOf(x.backend, 'series', reference.series)(phi.recurrence, orders, n, x.buffer, out.buffer)
    else phi.recurrence!(x.backend, type.dtype, orders, n, x.buffer, out.buffer)
    return out
  },
  vjp({ inputs: [x], output, attrs: { phi, orders } }, c) {
    const w = derivativeSeries(phi, x, output, orders - 1)
    return [correlate(c, w, x.shape[0]!, x.rank - 1)]
  },
  series: ([x], { self, phi, orders }) => integrate(self, phi, x, orders - 1),
  gate: 'it is used by Taylor rules only',
}
