import { apply, commonDType } from '../../core/op.js'
import { allocate, type Op, type Tensor } from '../../core/tensor.js'

export const signOp: Op = {
  name: 'sign',
  signature: '[...] -> [...]',
  infer: inputs => ({ shape: inputs[0]!.shape, dtype: commonDType(signOp, inputs) }),
  run([x], _, type) {
    const out = allocate(x!.backend, type.shape, type.dtype, 'sign')
    x!.backend.kernels.map('sign', x!.buffer, out.buffer)
    return out
  },
}

/** −1, 0 or 1: the derivative of abs, constant to derivatives. */
export function sign(x: Tensor): Tensor {
  return apply(signOp, [x], undefined)
}
