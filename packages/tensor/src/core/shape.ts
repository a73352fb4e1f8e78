import type { Shape, Strides } from '@unravel/kernels'
import { shown } from './messages.js'

/** `shape` itself; throws RangeError unless it is a list of integers of at least 0 with a product below 2^53. */
export function checkedShape(what: string, shape: Shape): Shape {
  if (!Array.isArray(shape) || shape.some(n => !Number.isSafeInteger(n) || n < 0)) {
    throw new RangeError(`${what}: a shape is a list of integers of at least 0, got ${shown(shape)}`)
  }
  if (!Number.isSafeInteger(sizeOf(shape))) throw new RangeError(`${what}: [${shape.join(',')}] has too many elements`)
  return shape
}

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let n = 1
  for (let i = 0; i < shape.length; i++) n *= shape[i]!
  return n
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step
    step *= shape[i]!
  }
  return strides
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Whether the last axes of `shape` are `end`. */
export function endsWith(shape: Shape, end: Shape): boolean {
  const lead = shape.length - end.length
  if (lead < 0) return false
  for (let i = 0; i < end.length; i++) if (end[i] !== shape[lead + i]) return false
  return true
}

/** NumPy's broadcast of two shapes, or null where they do not fit. */
export function broadcastShapes(a: Shape, b: Shape): Shape | null {
  if (sameShape(a, b)) return a
  const rank = Math.max(a.length, b.length)
  const out = new Array<number>(rank)
  for (let i = 1; i <= rank; i++) {
    const p = i <= a.length ? a[a.length - i]! : 1
    const q = i <= b.length ? b[b.length - i]! : 1
    if (p !== q && p !== 1 && q !== 1) return null
    out[rank - i] = p === 1 ? q : p
  }
  return out
}

/** Strides that read a tensor of shape `from` as if it had shape `to` (0 where it broadcasts). */
export function broadcastStrides(from: Shape, to: Shape): Strides {
  const strides = new Array<number>(to.length).fill(0)
  let step = 1
  for (let i = 1; i <= from.length; i++) {
    const n = from[from.length - i]!
    strides[to.length - i] = n === 1 ? 0 : step
    step *= n
  }
  return strides
}

/** For every element of shape `to`, in order, the element of `from` that broadcasts to it. */
export function broadcastIndices(from: Shape, to: Shape): number[] {
  let indices = [0]
  const strides = broadcastStrides(from, to)
  for (let d = 0; d < to.length; d++) {
    indices = indices.flatMap(i => Array.from({ length: to[d]! }, (_, j) => i + j * strides[d]!))
  }
  return indices
}

/** An axis counted from the end (−1 is the last), so that it means the same under extra leading axes.
 *  Throws RangeError outside −rank..rank−1. */
export function fromEnd(axis: number, rank: number, op: string): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new RangeError(`${op}: axis ${axis} is outside -${rank}..${rank - 1} of a tensor of rank ${rank}`)
  }
  return axis < 0 ? axis : axis - rank
}

/** Several axes from the end, ascending, without repeats; all axes when `axes` is undefined. */
export function axesFromEnd(axes: number | readonly number[] | undefined, rank: number, op: string): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i - rank)
  const list = Array.isArray(axes) ? (axes as readonly number[]) : [axes as number]
  const out = list.map(a => fromEnd(a, rank, op)).sort((a, b) => a - b)
  out.forEach((a, i) => {
    if (a === out[i - 1]) throw new RangeError(`${op}: axis ${a} is named twice`)
  })
  return out
}
