import { apply } from '../../core/op.js'
import { sameShape } from '../../core/shape.js'
import { allocate, type Binary, type Dense, type Op, type Tensor } from '../../core/tensor.js'
import { unbroadcast } from '../structure/sum.js'
import { add, addOp } from './add.js'
import { addAligned } from './addAligned.js'
import { mul } from './mul.js'

/** A residual step: one pass over both tensors where their shapes are equal. */
export const addScaledOp: Op<{ scale: number }, Binary> = {
  name: 'addScaled',
  signature: '[...], [...] -> [...]',
  infer: (inputs, _) => addOp.infer(inputs, undefined),
  run([a, b], { scale }, type) {
    if (!sameShape(a.shape, b.shape) || type.dtype === 'i32') return add(a, mul(b, scale)) as Dense
    const out = allocate(a.backend, type.shape, type.dtype, 'addScaled')
    if (!b.fuse(out.buffer, null, scale, a.buffer)) {
      a.backend.kernels.axpy(a.buffer, scale, b.buffer, out.buffer)
    }
    return out
  },
  vjp: ({ inputs: [a, b], output, attrs: { scale }, wants }, c) => [
    wants[0] ? unbroadcast(c, output.rank, a.shape) : null,
    wants[1] ? mul(unbroadcast(c, output.rank, b.shape), scale) : null,
  ],
  series([a, b], { scale }, at) {
    const rank = Math.max(a.rank, b.rank)
    return at.series(addAligned(at.stack(a, rank), at.stack(b, rank), 0, scale))
  },
  gate([a, b], attrs, at) {
    const rank = Math.max(a.rank, b.rank)
    const value = apply(addScaledOp, [at.value(a), at.value(b)], attrs)
    return at.paths(value, addAligned(at.stack(a, rank), at.stack(b, rank), 0, attrs.scale))
  },
}

/** a + scale·b, for a number scale, with NumPy's broadcasting. */
export function addScaled(a: Tensor, b: Tensor, scale: number): Tensor {
  return apply(addScaledOp, [a, b], { scale })
}
