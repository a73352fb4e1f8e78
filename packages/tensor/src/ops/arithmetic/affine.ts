import { checkScalar } from '../../core/dtype.js'
import { alias, apply } from '../../core/op.js'
import { allocate, type Op, type OrdersContext, type Tensor, type Unary } from '../../core/tensor.js'

export const affineOp: Op<{ scale: number; shift: number }, Unary> = {
  name: 'affine',
  signature: '[...] -> [...]',
  infer([x], { scale, shift }) {
    checkScalar(scale, x)
    checkScalar(shift, x)
    return { shape: x.shape, dtype: x.dtype }
  },
  run([x], { scale, shift }, type) {
    const out = allocate(x.backend, type.shape, type.dtype, 'affine')
    x.backend.kernels.affine(x.buffer, scale, shift, out.buffer)
    return out
  },
  vjp: ({ attrs: { scale } }, c) => [affine(c, scale, 0)],
  series: ([x], { scale, shift }, at) => at.series(onStack(at, x, scale, shift)),
  gate: ([x], { scale, shift }, at) => at.paths(affine(at.value(x), scale, shift), onStack(at, x, scale, shift)),
}

const onStack = (at: OrdersContext, x: Tensor, scale: number, shift: number) => {
  const scaled = affine(at.stack(x), scale, 0)
  return shift === 0 ? scaled : at.addToOrder0(scaled, shift)
}

/** scale·x + shift, for numbers scale and shift. */
export function affine(x: Tensor, scale: number, shift: number): Tensor {
  return scale === 1 && shift === 0 ? alias('affine', x) : apply(affineOp, [x], { scale, shift })
}
