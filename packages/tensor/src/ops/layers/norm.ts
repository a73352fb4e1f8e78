import * as reference from '@unravel/kernels/reference'
import { full } from '../../core/create.js'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, checkTensors, commonDType, each, like } from '../../core/op.js'
import { allocate, type Binary, type Dense, type Op, type Tensor, type Ternary } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mul } from '../arithmetic/mul.js'
import { deviations } from '../functions/moments.js'
import { rowsOf } from '../functions/rows.js'
import { checkedEps, composed, normalised, plain } from './normalise.js'

interface Attrs {
  readonly eps: number
}

const LAST = [-1]
const centred = (x: Tensor): Tensor => deviations(x, LAST)
/** x over its root mean square, or that of `run`, along the last axis; centred first for layer norm. */
function hat(x: Tensor, run: Tensor, eps: number, centre: (x: Tensor) => Tensor): Tensor {
  const { d, scale } = normalised(x, run, LAST, eps, centre)
  return mul(d, scale)
}
const itself = (x: Tensor): Tensor => x

const parameters = ([x, ...rest]: readonly [Tensor, ...Tensor[]]) =>
  rest.every(p => p.rank === 1 && p.shape[0] === x.shape[x.rank - 1])

export const layerNormOp: Op<Attrs, Ternary> = {
  name: 'layerNorm',
  signature: '[...,n], [n], [n] -> [...,n]',
  infer(inputs) {
    if (inputs[0].rank === 0 || !parameters(inputs)) throw new ShapeError(layerNormOp, inputs)
    return { shape: inputs[0].shape, dtype: commonDType(layerNormOp, inputs) }
  },
  run([x, w, b], { eps }, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'layerNorm')
    kernelOf(x.backend, 'layerNorm', reference.layerNorm)(
      ...rowsOf(type.shape),
      eps,
      x.buffer,
      w.buffer,
      b.buffer,
      out.buffer,
    )
    return out
  },
  vjp(applied, c) {
    const { inputs, attrs } = applied
    if (!plain(inputs, c)) return composed(layerNormOp, inputs, attrs, c)
    const [x, w] = inputs as readonly [Dense, Dense, Dense]
    const [gx, gw, gb] = each(inputs, t => allocate(t.backend, t.shape, t.dtype, 'layerNorm'))
    const [rows, n] = rowsOf(x.shape)
    kernelOf(x.backend, 'layerNormGrad', reference.layerNormGrad)(
      rows,
      n,
      attrs.eps,
      x.buffer,
      w.buffer,
      (c as Dense).buffer,
      gx.buffer,
      gw.buffer,
      gb.buffer,
    )
    return [gx, gw, gb]
  },
  // The scale of the run is frozen; centring is linear.
  gate: ([x, w, b], { eps }, at) => add(mul(hat(x, at.value(x), eps, centred), w), b),
  body: ([x, w, b], { eps }) => add(mul(hat(x, x, eps, centred), w), b),
}

export const rmsNormOp: Op<Attrs, Binary> = {
  name: 'rmsNorm',
  signature: '[...,n], [n] -> [...,n]',
  infer(inputs) {
    if (inputs[0].rank === 0 || !parameters(inputs)) throw new ShapeError(rmsNormOp, inputs)
    return { shape: inputs[0].shape, dtype: commonDType(rmsNormOp, inputs) }
  },
  run([x, w], { eps }, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'rmsNorm')
    kernelOf(x.backend, 'rmsNorm', reference.rmsNorm)(...rowsOf(type.shape), eps, x.buffer, w.buffer, out.buffer)
    return out
  },
  vjp(applied, c) {
    const { inputs, attrs } = applied
    if (!plain(inputs, c)) return composed(rmsNormOp, inputs, attrs, c)
    const [x, w] = inputs as readonly [Dense, Dense]
    const [gx, gw] = each(inputs, t => allocate(t.backend, t.shape, t.dtype, 'rmsNorm'))
    const [rows, n] = rowsOf(x.shape)
    kernelOf(x.backend, 'rmsNormGrad', reference.rmsNormGrad)(
      rows,
      n,
      attrs.eps,
      x.buffer,
      w.buffer,
      (c as Dense).buffer,
      gx.buffer,
      gw.buffer,
    )
    return [gx, gw]
  },
  gate: ([x, w], { eps }, at) => mul(hat(x, at.value(x), eps, itself), w),
  body: ([x, w], { eps }) => mul(hat(x, x, eps, itself), w),
}

/** w ⊙ (x − mean)/√(variance + eps) + b over the last axis [n]; w [n] defaults to ones, b [n] to zeros. Series follow
 *  the normalisation; paths see the scale of the run, frozen. */
export function layerNorm(x: Tensor, weight?: Tensor, bias?: Tensor, eps = 1e-5): Tensor {
  checkTensors('layerNorm', [x])
  return apply(layerNormOp, [x, weight ?? filled(x, 1), bias ?? filled(x, 0)], checkedEps('layerNorm', eps))
}

/** w ⊙ x/√(mean(x²) + eps) over the last axis [n]; w [n] defaults to ones. */
export function rmsNorm(x: Tensor, weight?: Tensor, eps = 1e-5): Tensor {
  checkTensors('rmsNorm', [x])
  return apply(rmsNormOp, [x, weight ?? filled(x, 1)], checkedEps('rmsNorm', eps))
}

const filled = (x: Tensor, value: number) => full(x.shape.slice(-1), value, like(x))
