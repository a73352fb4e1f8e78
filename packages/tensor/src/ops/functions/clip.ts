import { shown } from '../../core/messages.js'
import { alias, apply, checkTensors, commonDType } from '../../core/op.js'
import type { Op, Tensor, Unary } from '../../core/tensor.js'
import { affine } from '../arithmetic/affine.js'
import { greater, greaterEqual, less, lessEqual } from '../arithmetic/compare.js'
import { div } from '../arithmetic/div.js'
import { maximum } from '../arithmetic/maximum.js'
import { sub } from '../arithmetic/sub.js'
import { where } from '../structure/where.js'
import type { Operand } from '../structure/zipped.js'
import { abs } from './abs.js'
import { composite, gatedUnit } from './composite.js'
import { quotient } from './elementwise.js'

interface Bounds {
  readonly min: number
  readonly max: number
  /** Whether the derivative at the bounds themselves is 1, as of `clip`, or 0, as of `hardTanh` and `relu6`. */
  readonly closed: boolean
}

const bounded = (x: number, { min, max }: Bounds) => Math.min(Math.max(x, min), max)

const clipped = composite<Bounds>({
  name: 'clip',
  body(x, { min, max, closed }) {
    const [below, above] = closed ? [less, greater] : [lessEqual, greaterEqual]
    const low = min === -Infinity ? x : where(below(x, min), min, x)
    return max === Infinity ? low : where(above(x, max), max, low)
  },
  secant(x, bounds) {
    const { min, max, closed } = bounds
    const slope = (closed ? min <= 0 && 0 <= max : min < 0 && 0 < max) ? 1 : 0
    return quotient(sub(apply(clipOp, [x], bounds), bounded(0, bounds)), x, slope)
  },
  atZero: bounds => bounded(0, bounds),
})

export const clipOp: Op<Bounds, Unary> = {
  ...clipped,
  infer: inputs => ({ shape: inputs[0].shape, dtype: commonDType(clipOp, inputs, ['f32', 'f64', 'i32']) }),
}

/**
 * x, but `min` where it is below and `max` where it is above; null stands for no bound. Bounds are numbers, or tensors that
 * broadcast with x. Where min > max the result is max, as in NumPy. The derivative at the bounds themselves is 1.
 */
export function clip(x: Tensor, min: Operand | null, max: Operand | null): Tensor {
  if (typeof min === 'object' && min !== null) return clip(where(less(x, min), min, x), null, max)
  if (typeof max === 'object' && max !== null) {
    const low = clip(x, min, null)
    return where(greater(low, max), max, low)
  }
  const [low, high] = [min ?? -Infinity, max ?? Infinity]
  if (![low, high].every(bound => typeof bound === 'number' && bound === bound)) {
    throw new RangeError(`clip: bounds are numbers, tensors or null, got ${shown(min)}, ${shown(max)}`)
  }
  if (low === -Infinity && high === Infinity) return alias('clip', x)
  return apply(clipOp, [x], { min: Math.min(low, high), max: high, closed: true })
}

/** x between `min` and `max`, else the nearer of them; derivative 0 at both. Throws RangeError unless min < max. */
export function hardTanh(x: Tensor, min = -1, max = 1): Tensor {
  checkTensors('hardTanh', [x])
  if (!(min < max)) throw new RangeError(`hardTanh: min is below max, got ${shown(min)} and ${shown(max)}`)
  return apply(clipOp, [x], { min, max, closed: false })
}

/** min(max(x, 0), 6) */
export const relu6 = (x: Tensor): Tensor => hardTanh(x, 0, 6)

export const hardSigmoidOp = composite({
  name: 'hardSigmoid',
  body: x => div(relu6(affine(x, 1, 3)), 6),
  // 1/6 where |x| < 3, else ½/|x|
  secant: x => div(0.5, maximum(abs(x), 3)),
  atZero: () => 0.5,
})

/** relu6(x + 3)/6 */
export function hardSigmoid(x: Tensor): Tensor {
  return apply(hardSigmoidOp, [x], undefined)
}

export const hardSwishOp = composite({
  name: 'hardSwish',
  body: x => gatedUnit(x, hardSigmoid, 3),
  secant: x => hardSigmoid(x),
})

/** x · relu6(x + 3)/6 */
export function hardSwish(x: Tensor): Tensor {
  return apply(hardSwishOp, [x], undefined)
}
