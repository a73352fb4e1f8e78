import { scalarLike } from '../../core/create.js'
import { ShapeError } from '../../core/errors.js'
import { apply, commonDType, each } from '../../core/op.js'
import { broadcastShapes, broadcastStrides } from '../../core/shape.js'
import { allocate, type Op, type Tensor, type Ternary } from '../../core/tensor.js'
import { evenly } from './concat.js'
import { stopGradient } from './stopGradient.js'
import { unbroadcast } from './sum.js'
import type { Operand } from './zipped.js'

export const whereOp: Op<void, Ternary> = {
  name: 'where',
  signature: '[...], [...], [...] -> [...]',
  infer(inputs) {
    const [c, a, b] = inputs
    const ab = broadcastShapes(a.shape, b.shape)
    const shape = ab && broadcastShapes(c.shape, ab)
    if (shape === null) throw new ShapeError(whereOp, inputs, 'the shapes do not broadcast')
    return { shape, dtype: commonDType(whereOp, inputs, ['f32', 'f64', 'i32']) }
  },
  run([c, a, b], _, type) {
    const { shape } = type
    const out = allocate(c.backend, shape, type.dtype, 'where')
    const [s, t, u] = each([c, a, b] as const, x => broadcastStrides(x.shape, shape))
    c.backend.kernels.where(shape, c.buffer, s, a.buffer, t, b.buffer, u, out.buffer)
    return out
  },
  vjp({ inputs: [condition, a, b], output, wants }, c) {
    return [
      null,
      wants[1] ? unbroadcast(where(condition, c, 0), output.rank, a.shape) : null,
      wants[2] ? unbroadcast(where(condition, 0, c), output.rank, b.shape) : null,
    ]
  },
  // The condition is decided by order 0, by the run: the op is linear in a and b.
  series([c, a, b], _, at) {
    const rank = Math.max(c.rank, a.rank, b.rank)
    const [p, q] = evenly([at.stack(a, rank), at.stack(b, rank)] as const)
    return at.series(where(stopGradient(c), p, q))
  },
  gate([c, a, b], _, at) {
    const rank = Math.max(c.rank, a.rank, b.rank)
    const [p, q] = evenly([at.stack(a, rank), at.stack(b, rank)] as const)
    const condition = at.value(c)
    return at.paths(where(condition, at.value(a), at.value(b)), where(condition, p, q))
  },
}

/** a where the condition is not 0, else b; all three broadcast and share one dtype. a and b may be numbers. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const operand = (x: Operand) => (typeof x === 'number' ? scalarLike(x, condition) : x)
  return apply(whereOp, [condition, operand(a), operand(b)], undefined)
}
