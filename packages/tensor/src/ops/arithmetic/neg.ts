import { apply } from '../../core/op.js'
import { allocate, type Op, type Tensor, type Unary } from '../../core/tensor.js'
import { linear } from '../structure/builders.js'

export const negOp: Op<void, Unary> = linear<void>({
  name: 'neg',
  signature: '[...] -> [...]',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  run([x], _, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'neg')
    if (type.dtype === 'i32') x.backend.kernels.affine(x.buffer, -1, 0, out.buffer)
    else x.backend.kernels.map('neg', x.buffer, out.buffer)
    return out
  },
  vjp: (_, c) => neg(c),
})

/** −x */
export function neg(x: Tensor): Tensor {
  return apply(negOp, [x], undefined)
}
