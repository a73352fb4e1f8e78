import { ShapeError } from '../../core/errors.js'
import { shown } from '../../core/messages.js'
import { alias, apply, checkTensors } from '../../core/op.js'
import { axesFromEnd, fromEnd } from '../../core/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { concat } from './concat.js'
import { pick } from './pick.js'
import { reshape, squeeze } from './reshape.js'
import { narrow, sliceOp } from './slice.js'
import { broadcastTo } from './sum.js'
import { transpose } from './transpose.js'

/** x cut along an axis: into so many equal parts (as NumPy's split), or into parts of the lengths given, which fill it. */
export function split(x: Tensor, parts: number | readonly number[], axis = 0): Tensor[] {
  checkTensors('split', [x])
  const at = fromEnd(axis, x.rank, 'split')
  const n = x.shape[x.rank + at]!
  const equal = typeof parts === 'number' ? n / parts : 0
  if (typeof parts === 'number' && (!Number.isSafeInteger(parts) || parts < 1 || !Number.isInteger(equal))) {
    throw new ShapeError({ name: 'split', signature: '[...] -> [...], ...' }, [x], `${n} are not ${parts} equal parts`)
  }
  const lengths = typeof parts === 'number' ? new Array<number>(parts).fill(equal) : parts
  const whole = lengths.every(l => Number.isSafeInteger(l) && l >= 0) && lengths.reduce((a, b) => a + b, 0) === n
  if (!whole) {
    throw new ShapeError(
      { name: 'split', signature: '[...] -> [...], ...' },
      [x],
      `lengths [${parts}] do not fill ${n}`,
    )
  }
  let begin = 0
  return lengths.map(length => narrow(x, at, (begin += length) - length, length))
}

/** x cut along an axis into `count` parts of one length, or fewer, of which the last may be shorter; as PyTorch's chunk. */
export function chunk(x: Tensor, count: number, axis = 0): Tensor[] {
  checkTensors('chunk', [x])
  if (!Number.isSafeInteger(count) || count < 1)
    throw new RangeError(`chunk: wants at least 1 part, got ${shown(count)}`)
  const n = x.shape[x.rank + fromEnd(axis, x.rank, 'chunk')]!
  const length = Math.max(1, Math.ceil(n / count))
  const parts = Math.max(1, Math.ceil(n / length))
  return split(x, Array.from({ length: parts }, (_, i) => Math.min(length, n - i * length)), axis) // biome-ignore format: short
}

/** The slices of x along an axis, without it: the inverse of `stack`. */
export function unstack(x: Tensor, axis = 0): Tensor[] {
  checkTensors('unstack', [x])
  const at = fromEnd(axis, x.rank, 'unstack')
  return Array.from({ length: x.shape[x.rank + at]! }, (_, i) => squeeze(narrow(x, at, i, 1), at))
}

/** x with the order of its elements turned around along `axis` (one, several, or by default all). */
export function flip(x: Tensor, axis?: number | readonly number[]): Tensor {
  checkTensors('flip', [x])
  const turned = axesFromEnd(axis, x.rank, 'flip')
  const back = x.shape.map((n, i) => turned.includes(i - x.rank) && n > 0)
  return apply(sliceOp, [x], {
    begin: x.shape.map((n, i) => (back[i] ? n - 1 : 0)),
    size: x.shape,
    step: back.map(b => (b ? -1 : 1)),
    from: x.shape,
  })
}

/** x with its elements moved by `shift` places along `axis`, those that leave at one end entering at the other; without an
 *  axis through all elements in order. */
export function roll(x: Tensor, shift: number, axis?: number): Tensor {
  checkTensors('roll', [x])
  if (!Number.isSafeInteger(shift)) throw new RangeError(`roll: shift is an integer, got ${shown(shift)}`)
  if (axis === undefined) return reshape(roll(reshape(x, [x.size]), shift, 0), x.shape)
  const at = fromEnd(axis, x.rank, 'roll')
  const n = x.shape[x.rank + at]!
  const first = n === 0 ? 0 : ((-shift % n) + n) % n
  return first === 0 ? alias('roll', x) : concat([narrow(x, at, first, n - first), narrow(x, at, 0, first)], at)
}

function checkCounts(name: string, counts: readonly number[]): void {
  const wrong = counts.find(n => !Number.isSafeInteger(n) || n < 0)
  if (wrong !== undefined) throw new RangeError(`${name}: counts are integers of at least 0, got ${shown(wrong)}`)
}

/** x repeated as a whole, `counts[i]` times along axis i; fewer counts than axes are those of the last axes, and more give new
 *  axes in front, as in NumPy. */
export function tile(x: Tensor, counts: number | readonly number[]): Tensor {
  checkTensors('tile', [x])
  const given = typeof counts === 'number' ? [counts] : counts
  checkCounts('tile', given)
  const rank = Math.max(x.rank, given.length)
  const shape = [...new Array<number>(rank - x.rank).fill(1), ...x.shape]
  const times = [...new Array<number>(rank - given.length).fill(1), ...given]
  const wide = broadcastTo(
    reshape(x, shape.flatMap(n => [1, n])), // biome-ignore format: short
    shape.flatMap((n, i) => [times[i]!, n]),
  )
  return reshape(wide, shape.map((n, i) => n * times[i]!)) // biome-ignore format: short
}

/** Each element of x so often along `axis`, or each as often as its entry of a list says; without an axis those of the flat
 *  x. As NumPy's repeat and PyTorch's repeat_interleave. */
export function repeat(x: Tensor, counts: number | readonly number[], axis?: number): Tensor {
  checkTensors('repeat', [x])
  if (axis === undefined) return repeat(reshape(x, [x.size]), counts, 0)
  const at = fromEnd(axis, x.rank, 'repeat')
  const n = x.shape[x.rank + at]!
  const times = typeof counts === 'number' ? new Array<number>(n).fill(counts) : counts
  checkCounts('repeat', typeof counts === 'number' ? [counts] : counts)
  if (times.length !== n) throw new RangeError(`repeat: ${times.length} counts for ${n} elements of axis ${axis}`)
  return pick(x, times.flatMap((count, i) => new Array<number>(count).fill(i)), at) // biome-ignore format: short
}

/** x with axis `from` moved to place `to` of the result; the others keep their order. */
export function moveAxis(x: Tensor, from: number, to: number): Tensor {
  checkTensors('moveAxis', [x])
  const [i, j] = [fromEnd(from, x.rank, 'moveAxis') + x.rank, fromEnd(to, x.rank, 'moveAxis') + x.rank]
  const rest = x.shape.map((_, d) => d).filter(d => d !== i)
  return transpose(x, rest.toSpliced(j, 0, i))
}

/** x with its axes from `first` to `last` as one, row-major; by default all of them. */
export function flatten(x: Tensor, first = 0, last = -1): Tensor {
  checkTensors('flatten', [x])
  if (x.rank === 0) return reshape(x, [1])
  const [i, j] = [fromEnd(first, x.rank, 'flatten') + x.rank, fromEnd(last, x.rank, 'flatten') + x.rank]
  if (i > j) throw new RangeError(`flatten: axis ${first} comes after ${last}`)
  const length = x.shape.slice(i, j + 1).reduce((a, b) => a * b, 1)
  return reshape(x, [...x.shape.slice(0, i), length, ...x.shape.slice(j + 1)])
}
