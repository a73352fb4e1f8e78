import type { ZipOp } from '@unravel/kernels'
import { scalarLike } from '../../core/create.js'
import { apply, each } from '../../core/op.js'
import type { Binary, Op, OrdersContext, Tensor } from '../../core/tensor.js'
import { evenly, order0Of, withOrder0 } from '../structure/concat.js'
import { unbroadcast } from '../structure/sum.js'
import { where } from '../structure/where.js'
import type { Operand } from '../structure/zipped.js'
import { zipped } from '../structure/zipped.js'
import { add } from './add.js'
import { greaterEqual, lessEqual } from './compare.js'
import { div } from './div.js'
import { mul } from './mul.js'

type Comparison = (a: Tensor, b: Tensor) => Tensor

/** The larger or smaller of two. The chosen one takes the derivative, a tie shares it equally, and NaN, which is chosen
 *  wherever it stands, makes it NaN: weights are (a ≥ b) / ((a ≥ b) + (b ≥ a)). Series and paths select by the run. */
function selection(name: ZipOp, weakly: Comparison): Op<void, Binary> {
  const selected = ([a, b]: Binary, [p, q]: Binary) => {
    const [first, second] = [weakly(a, b), weakly(b, a)]
    // The argument that is not chosen may be infinite: it is left out, not multiplied by 0.
    return div(add(where(first, p, 0), where(second, q, 0)), add(first, second))
  }
  const stacks = (inputs: Binary, at: OrdersContext) => {
    const rank = Math.max(...inputs.map(x => x.rank))
    return evenly(each(inputs, x => at.stack(x, rank)))
  }
  const self: Op<void, Binary> = {
    ...zipped(name, name, ['f32', 'f64', 'i32']),
    vjp({ inputs: [a, b], output }, c) {
      const [first, second] = [weakly(a, b), weakly(b, a)]
      const share = div(c, add(first, second))
      return [
        unbroadcast(mul(share, first), output.rank, a.shape),
        unbroadcast(mul(share, second), output.rank, b.shape),
      ]
    },
    series(inputs, _, at) {
      const run = apply(
        self,
        each(inputs, x => order0Of(at.stack(x))),
        undefined,
      )
      return at.series(withOrder0(selected(inputs, stacks(inputs, at)), run))
    },
    gate(inputs, _, at) {
      const values = each(inputs, x => at.value(x))
      return at.paths(apply(self, values, undefined), selected(values, stacks(inputs, at)))
    },
  }
  return self
}

export const maximumOp = selection('maximum', greaterEqual)
export const minimumOp = selection('minimum', lessEqual)

const select = (op: Op<void, Binary>, a: Operand, b: Operand) => {
  const left = typeof a === 'number' ? scalarLike(a, b as Tensor) : a
  return apply(op, [left, typeof b === 'number' ? scalarLike(b, left) : b], undefined)
}

/** The larger of a and b, elementwise; NaN where either is. */
export const maximum = (a: Operand, b: Operand): Tensor => select(maximumOp, a, b)
/** The smaller of a and b, elementwise; NaN where either is. */
export const minimum = (a: Operand, b: Operand): Tensor => select(minimumOp, a, b)
