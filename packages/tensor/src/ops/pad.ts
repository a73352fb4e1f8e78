import { onesLike } from '../create.js'
import { ShapeError } from '../errors.js'
import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { add } from './add.js'
import { affine } from './affine.js'
import { embedOp } from './slice.js'

/** x with `widths[i] = [before, after]` elements of `value` added along axis i. */
export function pad(x: Tensor, widths: readonly (readonly [number, number])[], value = 0): Tensor {
  if (widths.length !== x.rank || widths.flat().some(w => !Number.isSafeInteger(w) || w < 0)) {
    throw new ShapeError({ name: 'pad', signature: '[...] -> [...], [before, after] >= 0 for every axis' }, [x])
  }
  const box = {
    begin: widths.map(w => w[0]),
    size: x.shape,
    step: x.shape.map(() => 1),
    from: x.shape.map((n, i) => n + widths[i]![0] + widths[i]![1]),
  }
  const inside = apply(embedOp, [x], box)
  if (value === 0) return inside
  // The frame: value outside of the box, zero in it.
  return add(inside, affine(apply(embedOp, [onesLike(x)], box), -value, value))
}
