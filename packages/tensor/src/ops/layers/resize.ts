import { arrayOf } from '../../core/dtype.js'
import { ShapeError } from '../../core/errors.js'
import { entryOf, shown } from '../../core/messages.js'
import { alias, backendOf, checkTensors } from '../../core/op.js'
import { fromData, type Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mul } from '../arithmetic/mul.js'
import { pick } from '../structure/pick.js'
import { reshape } from '../structure/reshape.js'
import { transpose } from '../structure/transpose.js'

export interface ResizeOptions {
  /** Takes the nearest element (default), or interpolates linearly along every axis. */
  readonly mode?: 'nearest' | 'linear'
  /**
   * Where element i of N stands among n, s = N/n: `halfPixel` (default) at (i + ½)/s − ½, PyTorch's align_corners=False and
   * 'nearest-exact'; `alignCorners` at i·(n − 1)/(N − 1); `asymmetric` at i/s, PyTorch's 'nearest'.
   */
  readonly coordinates?: 'halfPixel' | 'alignCorners' | 'asymmetric'
  /** Which neighbour is the nearest; `preferFloor` and `preferCeil` differ in the middle between two. Default: `floor` for
   *  asymmetric coordinates, else `preferCeil`. */
  readonly rounding?: 'floor' | 'ceil' | 'preferFloor' | 'preferCeil'
}

const roundings = {
  floor: Math.floor,
  ceil: Math.ceil,
  preferFloor: (x: number) => Math.ceil(x - 0.5),
  preferCeil: (x: number) => Math.floor(x + 0.5),
}

/** Where the elements of an axis of `to` stand among those of an axis of `from`. */
function coordinatesOf(from: number, to: number, how: NonNullable<ResizeOptions['coordinates']>): number[] {
  const places = {
    // ((2i + 1)·n − N)/2N, exact before the division
    halfPixel: (i: number) => ((2 * i + 1) * from - to) / (2 * to),
    alignCorners: (i: number) => (to === 1 ? 0 : (i * (from - 1)) / (to - 1)),
    asymmetric: (i: number) => (i * from) / to,
  }
  if (!Object.hasOwn(places, how)) {
    throw new RangeError(`resize: coordinates are halfPixel, alignCorners or asymmetric, got ${shown(how)}`)
  }
  return Array.from({ length: to }, (_, i) => places[how](i))
}

/**
 * x [b,c,...] with its axes after the first two resampled to `size`: images [b,c,h,w] to [H,W], rows [b,c,l] to [L]. Linear in
 * x, and so its own gate.
 */
export function resize(x: Tensor, size: readonly number[], options: ResizeOptions = {}): Tensor {
  checkTensors('resize', [x])
  const { mode = 'nearest', coordinates = 'halfPixel' } = options
  const { rounding: how = coordinates === 'asymmetric' ? 'floor' : 'preferCeil' } = options
  const refuse = (detail: string) =>
    new ShapeError({ name: 'resize', signature: '[b,c,...] -> [b,c,...]' }, [x], detail)
  if (mode !== 'nearest' && mode !== 'linear')
    throw new RangeError(`resize: mode is nearest or linear, got ${shown(mode)}`)
  const rounding = entryOf(roundings, how, 'resize: rounding is')
  if (x.rank < 3 || size.length !== x.rank - 2 || size.some(n => !Number.isSafeInteger(n) || n < 1)) {
    throw refuse(`cannot become [b,c,${size}]`)
  }
  if (x.shape.slice(2).includes(0)) throw refuse('an axis of length 0 cannot be resampled')
  const y = size.reduce((t, to, d) => {
    const axis = d + 2
    const from = t.shape[axis]!
    if (from === to) return t
    const at = coordinatesOf(from, to, coordinates).map(p => Math.min(Math.max(p, 0), from - 1))
    if (mode === 'nearest') return pick(t, at.map(p => Math.min(rounding(p), from - 1)), axis) // biome-ignore format: short
    const low = at.map(Math.floor)
    const high = low.map(p => Math.min(p + 1, from - 1))
    const weights = (w: readonly number[]) => {
      const shape = [to, ...new Array<number>(t.rank - axis - 1).fill(1)]
      return fromData(arrayOf(x.dtype, w, 'resize'), shape, backendOf(x), 'resize')
    }
    const toHigh = at.map((p, i) => p - low[i]!)
    // biome-ignore format: the two neighbours
    return add(
      mul(pick(t, low, axis), weights(toHigh.map(w => 1 - w))),
      mul(pick(t, high, axis), weights(toHigh)),
    )
  }, x)
  return y === x ? alias('resize', x) : y
}

/** Which channels become the pixels of a block: depth–column–row (TensorFlow, ONNX's default) or column–row–depth
 *  (PyTorch's pixel_shuffle). */
export type DepthOrder = 'DCR' | 'CRD'

function checkBlock(name: string, x: Tensor, block: number, order: DepthOrder, fits: boolean): void {
  if (order !== 'DCR' && order !== 'CRD') throw new RangeError(`${name}: the order is DCR or CRD, got ${shown(order)}`)
  if (!Number.isSafeInteger(block) || block < 1 || x.rank !== 4 || !fits) {
    const signature = name === 'depthToSpace' ? '[b,c·s²,h,w] -> [b,c,h·s,w·s]' : '[b,c,h·s,w·s] -> [b,c·s²,h,w]'
    throw new ShapeError({ name, signature }, [x], `block ${block} does not fit`)
  }
}

/** Channels of x [b, c·block², h, w] laid out as blocks of pixels, [b, c, h·block, w·block]. */
export function depthToSpace(x: Tensor, block: number, order: DepthOrder = 'DCR'): Tensor {
  checkTensors('depthToSpace', [x])
  const [b, c, h, w] = x.shape as [number, number, number, number]
  checkBlock('depthToSpace', x, block, order, c % block ** 2 === 0)
  const depth = c / block ** 2
  const y =
    order === 'DCR'
      ? transpose(reshape(x, [b, block, block, depth, h, w]), [0, 3, 4, 1, 5, 2])
      : transpose(reshape(x, [b, depth, block, block, h, w]), [0, 1, 4, 2, 5, 3])
  return reshape(y, [b, depth, h * block, w * block])
}

/** The inverse of `depthToSpace`: blocks of pixels of x [b, c, h·block, w·block] as channels [b, c·block², h, w]. */
export function spaceToDepth(x: Tensor, block: number, order: DepthOrder = 'DCR'): Tensor {
  checkTensors('spaceToDepth', [x])
  const [b, c, h, w] = x.shape as [number, number, number, number]
  checkBlock('spaceToDepth', x, block, order, h % block === 0 && w % block === 0)
  const split = reshape(x, [b, c, h / block, block, w / block, block])
  const y = transpose(split, order === 'DCR' ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4])
  return reshape(y, [b, c * block ** 2, h / block, w / block])
}
