import type { ZipOp } from '@unravel/kernels'
import { scalarLike } from '../../core/create.js'
import { apply } from '../../core/op.js'
import type { Op, Tensor } from '../../core/tensor.js'
import { unbroadcast } from '../structure/sum.js'
import { where } from '../structure/where.js'
import type { Operand } from '../structure/zipped.js'
import { zipped } from '../structure/zipped.js'
import { add } from './add.js'
import { equal, greater, greaterEqual, less, lessEqual } from './compare.js'
import { mul } from './mul.js'
import { sub } from './sub.js'

type Comparison = (a: Tensor, b: Tensor) => Tensor

/** The larger or smaller of two; a tie shares its cotangent equally. Series and paths select by the run. */
function selection(name: ZipOp, strictly: Comparison, weakly: Comparison): Op {
  return {
    ...zipped(name, name, ['f32', 'f64', 'i32']),
    vjp({ inputs: [a, b], output }, c) {
      const first = add(strictly(a!, b!), mul(equal(a!, b!), 0.5))
      return [
        unbroadcast(mul(c, first), output.rank, a!.shape),
        unbroadcast(mul(c, sub(1, first)), output.rank, b!.shape),
      ]
    },
    body: ([a, b]) => where(weakly(a!, b!), a!, b!),
  }
}

export const maximumOp = selection('maximum', greater, greaterEqual)
export const minimumOp = selection('minimum', less, lessEqual)

const select = (op: Op, a: Operand, b: Operand) => {
  const left = typeof a === 'number' ? scalarLike(a, b as Tensor) : a
  return apply(op, [left, typeof b === 'number' ? scalarLike(b, left) : b], undefined)
}

/** The larger of a and b, elementwise; NaN where either is. */
export const maximum = (a: Operand, b: Operand): Tensor => select(maximumOp, a, b)
/** The smaller of a and b, elementwise; NaN where either is. */
export const minimum = (a: Operand, b: Operand): Tensor => select(minimumOp, a, b)
