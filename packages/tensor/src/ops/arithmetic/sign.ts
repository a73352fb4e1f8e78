import { apply, commonDType } from '../../core/op.js'
import { allocate, type Op, type Tensor, type Unary } from '../../core/tensor.js'

/** A function of each number that is constant but where it jumps, so that it is a constant to derivatives. */
function piecewiseConstant(name: 'sign' | 'step'): Op<void, Unary> {
  const self: Op<void, Unary> = {
    name,
    signature: '[...] -> [...]',
    infer: inputs => ({ shape: inputs[0].shape, dtype: commonDType(self, inputs) }),
    run([x], _, type) {
      const out = allocate(x.backend, type.shape, type.dtype, name)
      x.backend.kernels.map(name, x.buffer, out.buffer)
      return out
    },
  }
  return self
}

export const signOp = piecewiseConstant('sign')
export const stepOp = piecewiseConstant('step')

/** −1, 0 or 1: the derivative of abs, constant to derivatives. */
export function sign(x: Tensor): Tensor {
  return apply(signOp, [x], undefined)
}

/** 1 where x > 0, else 0: the derivative of relu, constant to derivatives. */
export function step(x: Tensor): Tensor {
  return apply(stepOp, [x], undefined)
}
