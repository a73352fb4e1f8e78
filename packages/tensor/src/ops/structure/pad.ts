import { onesLike } from '../../core/create.js'
import { ShapeError } from '../../core/errors.js'
import { entryOf } from '../../core/messages.js'
import { alias, apply, checkTensors } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { pick } from './pick.js'
import { embedOp } from './slice.js'
import { where } from './where.js'

/** Values around x: its mirror image without or with the edge itself, its edge, or x again; NumPy's words. */
export type PadMode = 'reflect' | 'symmetric' | 'edge' | 'wrap'

/** Place p of an axis that goes on beyond its n elements, as one of them. */
const continued: Record<PadMode, (p: number, n: number) => number> = {
  reflect: (p, n) => (n === 1 ? 0 : n - 1 - Math.abs(n - 1 - modulo(p, 2 * n - 2))),
  symmetric: (p, n) => Math.min(modulo(p, 2 * n), 2 * n - 1 - modulo(p, 2 * n)),
  edge: (p, n) => Math.min(Math.max(p, 0), n - 1),
  wrap: modulo,
}

function modulo(p: number, n: number): number {
  return ((p % n) + n) % n
}

/** x with `widths[i] = [before, after]` elements added along axis i: of one number, or of x continued. */
export function pad(x: Tensor, widths: readonly (readonly [number, number])[], value: number | PadMode = 0): Tensor {
  checkTensors('pad', [x])
  if (widths.length !== x.rank || widths.flat().some(w => !Number.isSafeInteger(w) || w < 0)) {
    throw new ShapeError({ name: 'pad', signature: '[...] -> [...], [before, after] >= 0 for every axis' }, [x])
  }
  if (typeof value === 'string') {
    const place = entryOf(continued, value, 'pad: the mode is a number or')
    const y = widths.reduce((t, [before, after], axis) => {
      const n = x.shape[axis]!
      if (before + after === 0) return t
      if (n === 0)
        throw new ShapeError({ name: 'pad', signature: '[...] -> [...]' }, [x], `axis ${axis} has no ${value}`)
      return pick(t, Array.from({ length: before + n + after }, (_, i) => place(i - before, n)), axis) // biome-ignore format: short
    }, x)
    return y === x ? alias('pad', x) : y
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
