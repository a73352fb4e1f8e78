import { onesLike } from '../../core/create.js'
import { ShapeError } from '../../core/errors.js'
import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { embedOp } from './slice.js'
import { where } from './where.js'

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
  return where(apply(embedOp, [onesLike(x)], box), inside, value)
}
