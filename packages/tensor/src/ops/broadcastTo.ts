import type { Shape } from '@unravel/kernels'
import { ShapeError } from '../errors.js'
import { apply, type Op } from '../op.js'
import { broadcastShapes, broadcastStrides, checkedShape, sameShape, stridesOf } from '../shape.js'
import { allocate, type Tensor } from '../tensor.js'
import { linear } from './builders.js'
import { reshape } from './reshape.js'
import { unbroadcast } from './unbroadcast.js'

/** The last shape.length axes become `shape`; x has at least as many. */
export const broadcastToOp: Op<{ shape: Shape }> = linear<{ shape: Shape }>({
  name: 'broadcastTo',
  signature: '[...] -> [...]',
  infer([x], { shape }) {
    const lead = x!.shape.slice(0, x!.rank - shape.length)
    const item = x!.shape.slice(lead.length)
    const wide = broadcastShapes(item, shape)
    if (wide === null || !sameShape(wide, shape)) {
      throw new ShapeError(broadcastToOp, [x!], `does not broadcast to [${shape}]`)
    }
    return { shape: [...lead, ...shape], dtype: x!.dtype }
  },
  run([x], _, type) {
    const out = allocate(x!.backend, type.shape, type.dtype, 'broadcastTo')
    const from = broadcastStrides(x!.shape, type.shape)
    x!.backend.kernels.copy(type.shape, x!.buffer, 0, from, out.buffer, 0, stridesOf(type.shape))
    return out
  },
  vjp: ({ inputs: [x], attrs: { shape } }, c) => unbroadcast(c, shape.length, x!.shape.slice(x!.rank - shape.length)),
})

/** x repeated along axes of length 1 and new leading axes to fill `shape` (NumPy's rules). */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  checkedShape('broadcastTo', shape)
  if (x.rank > shape.length) throw new ShapeError(broadcastToOp, [x], `does not broadcast to [${shape}]`)
  return broadcastLast(reshape(x, [...new Array<number>(shape.length - x.rank).fill(1), ...x.shape]), shape)
}

/** The last axes of x, as many as `shape` has, broadcast to it; axes before them stay. */
export function broadcastLast(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape.slice(x.rank - shape.length), shape) ? x : apply(broadcastToOp, [x], { shape })
}
