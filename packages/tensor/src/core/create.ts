import type { Backend, DType, Shape } from '@unravel/kernels'
import { arrayOf, checkedDType, checkScalar, dtypeOf, isOf, kindOf } from './dtype.js'
import { shown } from './messages.js'
import { like } from './op.js'
import { checkedShape, sizeOf } from './shape.js'
import { allocate, checkBackend, type Dense, defaultBackend, fromData, Tensor } from './tensor.js'

export interface Where {
  /** Default: `f32`, or for a typed array the dtype that holds its numbers: f64, f32 (also of Float16Array), or i32 for
   *  integers. */
  readonly dtype?: DType
  /** Default: the backend set by `useBackend`. */
  readonly backend?: Backend
}

type Nested = number | readonly Nested[]
/** A typed array of numbers of any kind. */
export type NumberArray = ArrayBufferView & ArrayLike<number>

/**
 * A tensor of numbers, nested arrays of equal lengths, or a typed array with a `shape`. With dtype i32, fractions are cut
 * off, as in NumPy. Throws when lengths differ or do not fit the shape, for what i32 cannot hold, and for typed arrays of
 * big integers.
 *
 * `tensor([[1, 2], [3, 4]])`, `tensor(new Float64Array(6), { shape: [2, 3] })`
 */
export function tensor(data: Nested | NumberArray, options: Where & { readonly shape?: Shape } = {}): Dense {
  const flat: number[] = []
  const typed = kindOf(data) === undefined ? undefined : (data as NumberArray)
  const natural = typed === undefined ? 'f32' : dtypeOf(typed)
  const found = typed ? [typed.length] : flatten(data as Nested, flat)
  const shape = checkedShape('tensor', options.shape ?? found)
  const dtype = checkedDType('tensor', options.dtype ?? natural)
  const numbers = typed ?? flat
  const values = isOf(dtype, numbers) ? numbers : arrayOf(dtype, numbers, 'tensor')
  if (values.length !== sizeOf(shape)) {
    throw new RangeError(`tensor: ${values.length} numbers do not fill the shape [${shape.join(',')}]`)
  }
  return fromData(values, shape, options.backend ?? defaultBackend(), 'tensor')
}

function flatten(data: Nested, into: number[]): number[] {
  if (typeof data === 'number') {
    into.push(data)
    return []
  }
  if (!Array.isArray(data)) throw new TypeError(`tensor: expected numbers or nested arrays of them, got ${typeof data}`)
  // A list with gaps has nothing there, and map passes over it.
  const inner = Array.from(data as readonly Nested[], item => flatten(item, into))
  for (const s of inner) {
    if (s.length !== inner[0]!.length || s.some((n, i) => n !== inner[0]![i])) {
      throw new RangeError(`tensor: nested arrays differ in shape: [${inner[0]!.join(',')}] and [${s.join(',')}]`)
    }
  }
  return [data.length, ...(inner[0] ?? [])]
}

/** A tensor filled with one number. */
export function full(shape: Shape, value: number, { dtype = 'f32', backend = defaultBackend() }: Where = {}): Dense {
  checkedShape('full', shape)
  checkBackend('full', backend)
  const [one] = arrayOf(checkedDType('full', dtype), [value], 'full')
  const out = allocate(backend, shape, dtype, 'full')
  backend.kernels.fill(one!, out.buffer)
  return out
}

export const zeros = (shape: Shape, where?: Where): Dense => full(shape, 0, where)
export const ones = (shape: Shape, where?: Where): Dense => full(shape, 1, where)

export const zerosLike = (t: Tensor): Dense => full(t.shape, 0, like(t))
export const onesLike = (t: Tensor): Dense => full(t.shape, 1, like(t))
/** A tensor [] of one number, of the dtype and on the backend of `t`. Throws RangeError for a number that is no i32 beside
 *  a tensor that is: it would be rounded in silence. */
export function scalarLike(value: number, t: Tensor): Dense {
  if (!(t instanceof Tensor)) {
    const got = typeof t === 'number' ? 'numbers only' : 'none'
    throw new TypeError(`an op wants at least one tensor, got ${got}: use tensor(…)`)
  }
  checkScalar(value, t)
  return full([], value, like(t))
}

/** start, start + step, … below stop; `arange(n)` counts from 0. Default dtype i32 for integers, else f32. */
export function arange(start: number, stop?: number, step = 1, where: Where = {}): Dense {
  const [from, to] = stop === undefined ? [0, start] : [start, stop]
  if (!(step !== 0) || !Number.isFinite((to - from) / step)) {
    throw new RangeError(
      `arange: wants finite bounds and a step other than 0, got ${shown(from)}, ${shown(to)}, ${shown(step)}`,
    )
  }
  const n = Math.max(0, Math.ceil((to - from) / step))
  const values = Float64Array.from({ length: n }, (_, i) => from + i * step)
  const dtype = where.dtype ?? (Number.isInteger(from) && Number.isInteger(step) ? 'i32' : 'f32')
  return tensor(values, { ...where, dtype })
}

/** The identity matrix [n,n]. */
export function eye(n: number, where: Where = {}): Dense {
  const values = new Float64Array(n * n)
  for (let i = 0; i < n; i++) values[i * (n + 1)] = 1
  return tensor(values, { dtype: 'f32', ...where, shape: [n, n] })
}
