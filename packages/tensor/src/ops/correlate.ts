import { apply, type Op } from '../op.js'
import type { Tensor } from '../tensor.js'
import { bilinear } from './builders.js'
import { cauchy, runStacks, type StackAttrs, stackType } from './cauchy.js'
import { unbroadcast } from './unbroadcast.js'

/** The adjoint of a product of series: out_j = Σ_{k ≥ j} c_k b_{k−j}. */
export const correlateOp: Op<StackAttrs> = bilinear<StackAttrs>({
  name: 'correlate',
  signature: '[...,p,item], [...,q,item] -> [...,orders,item]',
  infer: (inputs, attrs) => stackType(correlateOp, inputs, attrs),
  run: (inputs, attrs, type) =>
    runStacks('correlate', inputs, attrs, type, (backend, n, c, b, out) =>
      backend.kernels.correlate(attrs.orders, n, c, b, out),
    ),
  vjp({ inputs: [c, b], output, attrs: { rank }, wants }, g) {
    const stored = (t: Tensor) => t.shape[t.rank - rank - 1]!
    return [
      wants[0] ? unbroadcast(cauchy(g, b!, stored(c!), rank), output.rank, c!.shape) : null,
      // b̄_i = Σ_j g_j c_{i+j}
      wants[1] ? unbroadcast(correlate(c!, g, stored(b!), rank), output.rank, b!.shape) : null,
    ]
  },
  instead: 'a composite with a gate',
})

/** The first `orders` entries of Σ_{k ≥ j} c_k b_{k−j}, of stacks of equal items of rank `rank`. */
export function correlate(c: Tensor, b: Tensor, orders: number, rank: number): Tensor {
  return apply(correlateOp, [c, b], { orders, rank })
}
