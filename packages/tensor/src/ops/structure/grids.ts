import { tensor, type Where } from '../../core/create.js'
import { arrayOf } from '../../core/dtype.js'
import { ShapeError } from '../../core/errors.js'
import { shown } from '../../core/messages.js'
import { apply, backendOf, checkTensors } from '../../core/op.js'
import { type Dense, fromData, type Tensor } from '../../core/tensor.js'
import { reshape } from './reshape.js'
import { embedOp, slice } from './slice.js'
import { broadcastTo, sum } from './sum.js'
import { where } from './where.js'

/** `count` numbers at equal distances from start to stop, which is the last one, exactly; without `endpoint`, at the same
 *  distances before it. Default dtype f32; as i32 they are rounded down. */
export function linspace(
  start: number,
  stop: number,
  count = 50,
  { endpoint = true, ...where }: Where & { readonly endpoint?: boolean } = {},
): Dense {
  if (!Number.isSafeInteger(count) || count < 0 || !Number.isFinite(start) || !Number.isFinite(stop)) {
    throw new RangeError(
      `linspace: wants finite ends and a count of at least 0, got ${shown(start)}, ${shown(stop)}, ${shown(count)}`,
    )
  }
  const gaps = endpoint ? count - 1 : count
  const between = (i: number) =>
    Number.isFinite(stop - start) ? start + i * ((stop - start) / gaps) : start * (1 - i / gaps) + stop * (i / gaps)
  const at = (i: number) => (endpoint && i === gaps && i > 0 ? stop : between(i))
  const values = Float64Array.from({ length: count }, (_, i) => (i === 0 ? start : at(i)))
  return tensor(where.dtype === 'i32' ? values.map(Math.floor) : values, { dtype: 'f32', ...where })
}

/** Elements of the last two axes whose column minus row fits, others 0, NaN and infinities included. */
function triangle(name: string, x: Tensor, kept: (offset: number) => boolean): Tensor {
  checkTensors(name, [x])
  if (x.rank < 2) throw new ShapeError({ name, signature: '[...,m,n] -> [...,m,n]' }, [x])
  const [m, n] = x.shape.slice(-2) as [number, number]
  const mask = Float64Array.from({ length: m * n }, (_, i) => (kept((i % n) - Math.floor(i / n)) ? 1 : 0))
  return where(fromData(arrayOf(x.dtype, mask, name), [m, n], backendOf(x), name), x, 0)
}

/** The lower triangle of the matrices x [...,m,n], up to diagonal k: others are 0. */
export const tril = (x: Tensor, k = 0): Tensor => triangle('tril', x, offset => offset <= k)
/** The upper triangle of the matrices x [...,m,n], from diagonal k on: others are 0. */
export const triu = (x: Tensor, k = 0): Tensor => triangle('triu', x, offset => offset >= k)

/** Rows [...labels, classes] with 1 at the label (i32) and 0 elsewhere. Throws RangeError for a label that is no class. */
export function oneHot(labels: Tensor, classes: number, dtype: 'f32' | 'f64' | 'i32' = 'f32'): Dense {
  checkTensors('oneHot', [labels])
  if (labels.dtype !== 'i32') throw new ShapeError({ name: 'oneHot', signature: 'i32[...] -> [...,classes]' }, [labels])
  const values = labels.dense()[0]!.dataSync()
  const out = arrayOf(dtype, new Uint8Array(values.length * classes), 'oneHot')
  values.forEach((label, i) => {
    if (!(label >= 0 && label < classes)) {
      throw new RangeError(`oneHot: label ${label} at position ${i} is not in 0..${classes - 1}`)
    }
    out[i * classes + label] = 1
  })
  return fromData(out, [...labels.shape, classes], backendOf(labels), 'oneHot')
}

/** Where diagonal k of a matrix [m,n] lies in its flat numbers: the first place, and how many. */
function places(m: number, n: number, k: number): { first: number; count: number } {
  return { first: k >= 0 ? k : -k * n, count: Math.max(0, Math.min(m + Math.min(k, 0), n - Math.max(k, 0))) }
}

/** Diagonal k of a matrix [m,n] as a vector, or a square matrix with a vector on diagonal k and zeros elsewhere. */
export function diag(x: Tensor, k = 0): Tensor {
  checkTensors('diag', [x])
  if (!Number.isSafeInteger(k)) throw new RangeError(`diag: k is an integer, got ${shown(k)}`)
  if (x.rank === 1) {
    const n = x.size + Math.abs(k)
    const { first } = places(n, n, k)
    const box = { begin: [first], size: [x.size], step: [n + 1], from: [n * n] }
    return reshape(apply(embedOp, [x], box), [n, n])
  }
  if (x.rank !== 2) throw new ShapeError({ name: 'diag', signature: '[m,n] -> [d], [d] -> [n,n]' }, [x])
  const [m, n] = x.shape as [number, number]
  const { first, count } = places(m, n, k)
  const flat = reshape(x, [m * n])
  return count === 0 ? slice(flat, [0], [0]) : slice(flat, [first], [first + (count - 1) * (n + 1) + 1], [n + 1])
}

/** The sum of diagonal k of a matrix. */
export const trace = (x: Tensor, k = 0): Tensor => sum(diag(x, k))

/** The coordinates of a grid: from vectors, tensors of one shape that each vary along one axis. As NumPy's, `xy` (default)
 *  has the first vector along the second axis; `ij` keeps the order. */
export function meshgrid(vectors: readonly Tensor[], indexing: 'xy' | 'ij' = 'xy'): Tensor[] {
  checkTensors('meshgrid', vectors)
  if (indexing !== 'xy' && indexing !== 'ij')
    throw new RangeError(`meshgrid: indexing is xy or ij, got ${shown(indexing)}`)
  const wrong = vectors.find(v => v.rank > 1)
  if (wrong !== undefined)
    throw new ShapeError({ name: 'meshgrid', signature: '[n], [m], ... -> [m,n,...], ...' }, [wrong])
  const swapped = indexing === 'xy' && vectors.length > 1
  const axisOf = (i: number) => (swapped && i < 2 ? 1 - i : i)
  const shape = vectors.map(v => v.size)
  if (swapped) [shape[0], shape[1]] = [shape[1]!, shape[0]!]
  return vectors.map((v, i) => {
    const own = shape.map((_, d) => (d === axisOf(i) ? v.size : 1))
    return broadcastTo(reshape(v, own), shape)
  })
}
