import type { Backend, Buffer, DType, Kernels, MapGradOp } from '@unravel/kernels'
import * as reference from '@unravel/kernels/reference'
import { scalarLike } from '../../core/create.js'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { tapesRecording } from '../../core/levels.js'
import { apply, commonDType } from '../../core/op.js'
import { endsWith, sameShape } from '../../core/shape.js'
import { allocate, Dense, type Elementwise, type Op, type Tensor, type Ternary, type Unary } from '../../core/tensor.js'
import { equal } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { maximum, minimum } from '../arithmetic/maximum.js'
import { mul } from '../arithmetic/mul.js'
import { through } from '../arithmetic/through.js'
import { where } from '../structure/where.js'

/** Derivatives that are functions of y, which mapGrad takes; the others take x. */
const ofValue: ReadonlySet<MapGradOp> = new Set(['exp', 'relu'])

export function elementwise(phi: Elementwise): Op<void, Unary> {
  const self: Op<void, Unary> = {
    name: phi.name,
    signature: '[...] -> [...]',
    infer: inputs => ({ shape: inputs[0].shape, dtype: commonDType(self, inputs) }),
    run([x], _, type) {
      const out = allocate(x.backend, type.shape, type.dtype, phi.name)
      const { kernels } = x.backend
      // Where the derivative is a function of y, or no tape records, x is not read again.
      const last = phi.grad !== undefined && (ofValue.has(phi.grad) || tapesRecording() === 0)
      if (typeof phi.map !== 'string') phi.map(kernels, x.buffer, out.buffer, x.backend, x.dtype)
      else if (!last || !x.fuse(out.buffer, phi.map, 1, null)) kernels.map(phi.map, x.buffer, out.buffer)
      return out
    },
    vjp: ({ inputs: [x], output }, c) => [
      phi.grad === undefined ? mul(c, phi.derivative(x, output)) : apply(mapGradOp, [c, x, output], phi),
    ],
    series: ([x], _, at) => at.elementwise(self, phi, x),
    gate:
      typeof phi.secant === 'string'
        ? phi.secant
        : ([x], _, at) => {
            const run = at.value(x)
            // The gate reads it too.
            if (run instanceof Dense) run.compute()
            const y = apply(self, [run], undefined)
            const gate = (phi.secant as (x: Tensor, y: Tensor) => Tensor)(run, y)
            const sums = through(at.stack(x), gate)
            const bias = phi.atZero ?? 0
            return at.paths(y, bias === 0 ? sums : at.addToOrder0(sums, bias))
          },
  }
  return self
}

/** ȳ ⊙ φ′ for stacked cotangents ȳ, in one pass; to interpreters it is what it stands for. */
export const mapGradOp: Op<Elementwise, Ternary> = {
  name: 'mapGrad',
  signature: '[...], [...], [...] -> [...]',
  infer(inputs) {
    const [c, x, y] = inputs
    if (!sameShape(x.shape, y.shape) || !endsWith(c.shape, y.shape)) throw new ShapeError(mapGradOp, inputs)
    return { shape: c.shape, dtype: commonDType(mapGradOp, inputs) }
  },
  run([c, x, y], phi, type) {
    const out = allocate(c.backend, type.shape, type.dtype, phi.name)
    kernelOf(c.backend, 'mapGrad', reference.mapGrad)(
      phi.grad!,
      (ofValue.has(phi.grad!) ? y : x).buffer,
      c.buffer,
      out.buffer,
    )
    return out
  },
  body: ([c, x, y], phi) => mul(c, phi.derivative(x, y)),
}

/** x, and ±limit beyond it: where φ′ has its limit there, x·φ″ is no ∞·0. */
export const within = (x: Tensor, limit: number): Tensor => minimum(maximum(x, -limit), limit)

/** numerator / x, and `limit` where x = 0. */
export function quotient(numerator: Tensor, x: Tensor, limit: number): Tensor {
  const zero = equal(x, scalarLike(0, x))
  return where(zero, scalarLike(limit, x), div(numerator, where(zero, scalarLike(1, x), x)))
}

/** φ′ as a function: mapGrad of ones. */
export const slopeOf =
  (phi: MapGradOp) =>
  (kernels: Kernels<Buffer>, x: Buffer, out: Buffer, backend: Backend, dtype: DType): void => {
    const ones = backend.alloc(dtype, x.length)
    try {
      kernels.fill(1, ones)
      kernelOf(backend, 'mapGrad', reference.mapGrad)(phi, x, ones, out)
    } finally {
      backend.release(ones)
    }
  }
