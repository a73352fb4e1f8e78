import type { Backend, DType } from '@unravel/kernels'
import { vjp } from '../../autodiff/reverse.js'
import { onesLike } from '../../core/create.js'
import { shown } from '../../core/messages.js'
import { type Dense, fromData, type Op, type Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { less } from '../arithmetic/compare.js'
import { mul } from '../arithmetic/mul.js'
import { meanSquare } from '../arithmetic/sumSquares.js'
import { rsqrt } from '../functions/rsqrt.js'
import { reshape } from '../structure/reshape.js'
import { narrow } from '../structure/slice.js'
import { where } from '../structure/where.js'

/** Numbers and 1/√(mean(·²) + eps) of theirs: what is normalised is their product. */
interface Normalised {
  readonly d: Tensor
  readonly scale: Tensor
}

/**
 * d = centre(x) and 1/√(mean(centre(run)²) + eps) over `axes`, kept at length 1; `run` has the shape of x, and is x where the
 * scale is not frozen. Where squares overflow or lose digits, x and run are multiplied by powers of two first: what is normalised
 * does not depend on them, nor do its derivatives.
 */
export function normalised(
  x: Tensor,
  run: Tensor,
  axes: readonly number[],
  eps: number,
  centre: (x: Tensor) => Tensor,
): Normalised {
  const at = (x: Tensor, run: Tensor, eps: (variance: Tensor) => Tensor) => {
    const d = centre(x)
    const variance = eps(meanSquare(run === x ? d : centre(run), axes, true))
    return { d, variance }
  }
  const plain = at(x, run, v => add(v, eps))
  if (!isRead(run.backend)) {
    const far = meanSquare(mul(run === x ? plain.d : centre(run), SHRINK), axes, true)
    return { d: plain.d, scale: either(plain.variance, far) }
  }
  const by = powers(plain.variance, run, axes, eps)
  if (by === null) return { d: plain.d, scale: rsqrt(plain.variance) }
  const scaled = mul(x, by)
  const root = mul(by, Math.sqrt(eps))
  const { d, variance } = at(scaled, run === x ? scaled : mul(run, by), v => add(v, mul(root, root)))
  return { d, scale: rsqrt(variance) }
}

/** Whether numbers can be looked at: devices are not to be waited for. */
const isRead = ({ name }: Backend): boolean => name === 'js' || name === 'wasm'

/** Squares of f32 numbers times this fit. */
const SHRINK = 2 ** -88

/** 1/√variance, from the variance of the numbers times SHRINK where their own leaves the range. */
function either(variance: Tensor, shrunk: Tensor): Tensor {
  const own = reshape(narrow(reshape(variance.dense()[0]!, [-1]), 0, 0, variance.size), variance.shape)
  const fits = less(own, 1e38)
  // Where the other one is taken this one is 1, so that its derivatives are numbers.
  return where(fits, rsqrt(variance), mul(rsqrt(add(shrunk, where(fits, onesLike(own), 0))), SHRINK))
}

/** The attributes of a norm. Throws RangeError unless eps is a finite number of at least 0. */
export function checkedEps(op: string, eps: number): { eps: number } {
  if (!(Number.isFinite(eps) && eps >= 0))
    throw new RangeError(`${op}: eps must be a number of at least 0, got ${shown(eps)}`)
  return { eps }
}

/** Whether a fused backward kernel of a norm applies: numbers only, and no leading axes on the cotangent. */
export const plain = (inputs: readonly [Tensor, ...Tensor[]], c: Tensor): boolean =>
  c.level === 0 && c.rank === inputs[0].rank && inputs.every(t => t.level === 0)

/** The cotangents of the inputs by the ops that the body of a norm is written in. */
export const composed = <A, I extends readonly Tensor[]>(op: Op<A, I>, inputs: I, attrs: A, c: Tensor) =>
  vjp<I>(xs => op.body!(xs, attrs), inputs).pullback(c)

/** The numbers of the run itself, which come first: order 0 of series, values of paths. */
const numbers = (t: Tensor) => (t.dense()[0] as Dense).dataSync().subarray(0, t.size)

/** Whether a variance has lost digits, or its powers may: derivatives take it to that of 3/2, and higher ones beyond. */
function outsideOf(dtype: DType): (variance: number) => boolean {
  const most = dtype === 'f32' ? 1e20 : 1e200
  return v => !(v >= 1 / most && v <= most)
}

/** Whether all variances, with eps, are of a size that what is normalised by them has all its digits. */
export function inRange(variance: Dense, eps: number): boolean {
  const outside = outsideOf(variance.dtype)
  return !numbers(variance).some(v => outside(v + eps))
}

/** The power of two that brings the largest number of every group near 1, where the variance is out of range; null where none
 *  is. */
function powers(variance: Tensor, run: Tensor, axes: readonly number[], eps: number): Dense | null {
  const { backend, dtype } = run
  const limit = dtype === 'f32' ? 126 : 1022
  const outside = outsideOf(dtype)
  const found = numbers(variance)
  if (!found.some(outside)) return null
  const largest = new Float64Array(found.length).fill(Math.sqrt(eps))
  const reduced = run.shape.map((_, d) => axes.includes(d) || axes.includes(d - run.rank))
  numbers(run).forEach((v, i) => {
    // The group of element i: its index along the axes that are kept.
    let [group, stride, rest] = [0, 1, i]
    for (let d = run.rank - 1; d >= 0; d--) {
      const n = run.shape[d]!
      if (!reduced[d]) {
        group += (rest % n) * stride
        stride *= n
      }
      rest = Math.floor(rest / n)
    }
    largest[group] = Math.max(largest[group]!, Math.abs(v))
  })
  const by = largest.map((size, i) => {
    if (!outside(found[i]!) || !(size > 0 && size < Infinity)) return 1
    return 2 ** Math.min(limit, Math.max(-limit, -Math.floor(Math.log2(size))))
  })
  return fromData(dtype === 'f32' ? Float32Array.from(by) : by, variance.shape, backend, 'normalised')
}
