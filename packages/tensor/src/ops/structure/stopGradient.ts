import { alias, apply, checkTensors } from '../../core/op.js'
import type { Op, Tensor, Unary } from '../../core/tensor.js'

/** No rule: every interpreter sees a constant (order 0 of a series, the value of a run). */
export const stopGradientOp: Op<void, Unary> = {
  name: 'stopGradient',
  signature: '[...] -> [...]',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  run: ([x], _, type) => x.share(type.shape, 0, 'stopGradient'),
}

/** x, as a constant to derivatives, series and paths. */
export function stopGradient(x: Tensor): Tensor {
  checkTensors('stopGradient', [x])
  return x.level === 0 ? alias('stopGradient', x) : apply(stopGradientOp, [x], undefined)
}
