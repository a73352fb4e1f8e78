import { Random } from '@unravel/tensor'
import { shown } from '@unravel/tensor/internals'

/** Numbers as they are stored; ids of models that take ids are Int32Array. */
export type Stored = Uint8Array | Float32Array | Float64Array | Int32Array

/** How images are changed at random before a step sees them. */
export interface Augmentation {
  /** Mirror images, left and right, of half of them. */
  readonly flip?: boolean
  /** Zeros around an image, in pixels, of which a window of the image's size is cut. */
  readonly crop?: number
}

/** Rewrites the raw numbers of the i-th example of a batch; the result holds until the next call. */
export type Change = (raw: Stored, i: number) => Stored

/** Offset of the numbers that change images in the stream of the seed, beyond all that order examples. */
const AUGMENTING = 2 ** 52

/**
 * Random mirrors and windows of the images of a step, drawn by its number alone.
 *
 * @throws RangeError for what is no image [height, width] or [channels, height, width], and a crop that is no integer of at least 0
 */
export function augmentation(
  { inputs, shape }: { readonly inputs: Stored; readonly shape: readonly number[] },
  { flip = false, crop = 0 }: Augmentation,
  { batchSize, seed }: { readonly batchSize: number; readonly seed: number },
): (step: number) => Change {
  if (inputs instanceof Int32Array || (shape.length !== 2 && shape.length !== 3)) {
    throw new RangeError(
      `augmentation is of images [height, width] or [channels, height, width]; the examples are [${shape}]`,
    )
  }
  if (!(Number.isSafeInteger(crop) && crop >= 0)) {
    throw new RangeError(`augmentation: crop must be an integer of at least 0, got ${shown(crop)}`)
  }
  const [height, width] = shape.slice(-2) as [number, number]
  const channels = shape.length === 3 ? shape[0]! : 1
  const out = new Float64Array(channels * height * width)
  return step => {
    const drawn = new Random(seed, AUGMENTING + step * 3 * batchSize).uniform([3 * batchSize], 0, 1, { dtype: 'f64' })
    const u = Float64Array.from(drawn.dataSync())
    drawn.dispose()
    return (raw, i) => {
      const mirrored = flip && u[3 * i]! < 0.5
      const [down, across] = [1, 2].map(j => Math.floor(u[3 * i + j]! * (2 * crop + 1)) - crop) as [number, number]
      for (let c = 0, at = 0; c < channels; c++) {
        for (let y = 0; y < height; y++) {
          const row = y + down
          for (let x = 0; x < width; x++, at++) {
            const column = (mirrored ? width - 1 - x : x) + across
            const inside = row >= 0 && row < height && column >= 0 && column < width
            out[at] = inside ? raw[(c * height + row) * width + column]! : 0
          }
        }
      }
      return out
    }
  }
}
