import { checkScalar } from '../../core/dtype.js'
import { apply } from '../../core/op.js'
import { allocate, type Op, type Tensor, type Unary } from '../../core/tensor.js'
import { affine } from './affine.js'
import { mul } from './mul.js'

/** The mark at the end of a residual branch. A factor λ, but for an interpreter that counts marks: there the orders move up by
 *  one, Σ_k c_k z^k to λ Σ_k c_k z^(k+1), forwards in a series and in path sums, backwards in stacked cotangents. */
export const branchOp: Op<{ scale: number }, Unary> = {
  name: 'branch',
  signature: '[...] -> [...]',
  infer([x], { scale }) {
    checkScalar(scale, x)
    return { shape: x.shape, dtype: x.dtype }
  },
  run([x], { scale }, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'branch')
    x.backend.kernels.affine(x.buffer, scale, 0, out.buffer)
    return out
  },
  vjp: ({ attrs: { scale }, mark }, c) => [mark === undefined ? affine(c, scale, 0) : mark(c, scale)],
  series: ([x], { scale }, at) => at.series(at.mark(at.stack(x), scale)),
  gate: ([x], { scale }, at) => at.paths(affine(at.value(x), scale, 0), at.mark(at.stack(x), scale)),
}

/**
 * λ·x, marked as the end of a residual branch: `add(h, branch(f(h), λ))` is a residual step whose order can be counted in any
 * network, nested and parallel branches included. The scale is a number, or a tensor that broadcasts to x, such as one number for
 * each channel.
 */
export function branch(x: Tensor, scale: number | Tensor = 1): Tensor {
  return typeof scale === 'number' ? apply(branchOp, [x], { scale }) : branch(mul(x, scale))
}
