import { head } from '../autodiff/series.js'
import { apply, commonDType, type Op } from '../op.js'
import { sizeOf } from '../shape.js'
import { allocate, type Tensor } from '../tensor.js'
import { stack } from './concat.js'
import { correlate } from './correlate.js'
import { div } from './div.js'
import { mul } from './mul.js'
import { neg } from './neg.js'
import { reshape } from './reshape.js'
import { slice } from './slice.js'
import { sub } from './sub.js'

/** q = a/b of two stacks of equal items: q_k = (a_k − Σ_{j=1}^{k} b_j q_{k−j})/b_0. */
export const seriesDivOp: Op<{ orders: number }> = {
  name: 'seriesDiv',
  signature: '[p,...], [q,...] -> [orders,...]',
  infer: (inputs, { orders }) => ({
    shape: [orders, ...inputs[0]!.shape.slice(1)],
    dtype: commonDType(seriesDivOp, inputs),
  }),
  run([a, b], { orders }, type) {
    const out = allocate(a!.backend, type.shape, type.dtype, 'div')
    a!.backend.kernels.seriesDiv(orders, sizeOf(type.shape) / orders, a!.buffer, b!.buffer, out.buffer)
    return out
  },
  // With 1/b = r as a series: ā = r ⋆ c (correlation), b̄ = −q ⋆ ā.
  vjp({ inputs: [a, b], output, attrs: { orders } }, c) {
    const rank = output.rank - 1
    const one = div(slice(b!, [0], [1]), slice(b!, [0], [1]))
    const share = correlate(c, seriesDiv(one, b!, orders), orders, rank)
    const first = (s: Tensor, p: number) => correlate(s, one, p, rank)
    return [first(share, a!.shape[0]!), neg(correlate(share, output, b!.shape[0]!, rank))]
  },
  series([a, b], { orders }) {
    const item = a!.shape.slice(1)
    const at = (s: Tensor, k: number) => reshape(slice(s, [k], [k + 1]), item)
    const b0 = at(b!, 0)
    const q: Tensor[] = []
    for (let k = 0; k < orders; k++) {
      let rest: Tensor | undefined = k < a!.shape[0]! ? at(a!, k) : undefined
      for (let j = 1; j <= k && j < b!.shape[0]!; j++) {
        const term = mul(at(b!, j), q[k - j]!)
        rest = rest === undefined ? neg(term) : sub(rest, term)
      }
      q.push(rest === undefined ? mul(b0, 0) : div(rest, b0))
    }
    return stack(q, 0)
  },
  gate: 'it is used by Taylor rules only',
}

export function seriesDiv(a: Tensor, b: Tensor, orders: number): Tensor {
  return apply(seriesDivOp, [head(a, orders), head(b, orders)], { orders })
}
