import { apply, commonDType } from '../../core/op.js'
import { allocate, type Op, type Tensor } from '../../core/tensor.js'

export const stepOp: Op = {
  name: 'step',
  signature: '[...] -> [...]',
  infer: inputs => ({ shape: inputs[0]!.shape, dtype: commonDType(stepOp, inputs) }),
  run([x], _, type) {
    const out = allocate(x!.backend, type.shape, type.dtype, 'step')
    x!.backend.kernels.map('step', x!.buffer, out.buffer)
    return out
  },
}

/** 1 where x > 0, else 0: the derivative of relu, constant to derivatives. */
export function step(x: Tensor): Tensor {
  return apply(stepOp, [x], undefined)
}
