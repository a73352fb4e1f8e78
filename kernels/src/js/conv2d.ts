import type { Conv2dGeometry, TypedArray } from '../contract.js'
import { matmul } from './matmul.js'

// A convolution of one image and group is one product W · columns, with the pixels that meet in one window side by side:
// columns [c/g · p · q, h′ · w′]. Its gradients are the two other products of the same three matrices.

interface Sizes {
  /** Output channels, pixels of a window, windows; of one group. */
  readonly out: number
  readonly inside: number
  readonly windows: number
  /** Elements of one image and group. */
  readonly image: number
  readonly result: number
}

function sizesOf(g: Conv2dGeometry): Sizes {
  const channels = g.inChannels / g.groups
  const out = g.outChannels / g.groups
  const windows = g.outH * g.outW
  return {
    out,
    inside: channels * g.kernelH * g.kernelW,
    windows,
    image: channels * g.height * g.width,
    result: out * windows,
  }
}

/** Calls `run` for every row of every window's pixels: `n` columns from `column` on meet the image from `pixel` on, a
 *  column every strideW pixels. What falls into the padding is left out. */
function eachRun(g: Conv2dGeometry, run: (column: number, pixel: number, n: number) => void): void {
  const channels = g.inChannels / g.groups
  let row = 0
  for (let c = 0; c < channels; c++) {
    for (let p = 0; p < g.kernelH; p++) {
      for (let q = 0; q < g.kernelW; q++, row++) {
        const shift = q * g.dilationW - g.padW
        // Windows v with 0 ≤ v·strideW + shift < width.
        const first = Math.max(0, Math.ceil(-shift / g.strideW))
        const last = Math.min(g.outW - 1, Math.floor((g.width - 1 - shift) / g.strideW))
        if (last < first) continue
        for (let u = 0; u < g.outH; u++) {
          const y = u * g.strideH - g.padH + p * g.dilationH
          if (y < 0 || y >= g.height) continue
          const column = (row * g.outH + u) * g.outW + first
          run(column, (c * g.height + y) * g.width + first * g.strideW + shift, last - first + 1)
        }
      }
    }
  }
}

function fillColumns(g: Conv2dGeometry, x: TypedArray, columns: Float64Array): void {
  columns.fill(0)
  const step = g.strideW
  eachRun(g, (column, pixel, n) => {
    for (let i = 0; i < n; i++) columns[column + i] = x[pixel + i * step]!
  })
}

/** Whether zeros of the padding would be NaN beside a factor. A convolution has no such products: its taps are then summed run by run,
 *  without columns. */
const makesNaN = (factor: TypedArray): boolean => !factor.every(v => Math.abs(v) < Infinity)

/** Calls `tap` for every run of every row: weight `row` of each output meets `n` pixels, in windows from `window` on. */
function eachTap(g: Conv2dGeometry, tap: (row: number, window: number, pixel: number, n: number) => void): void {
  const windows = g.outH * g.outW
  eachRun(g, (column, pixel, n) => tap(Math.floor(column / windows), column % windows, pixel, n))
}

const part = (x: TypedArray, i: number, size: number): TypedArray => x.subarray(i * size, (i + 1) * size) as TypedArray

export function conv2d(g: Conv2dGeometry, x: TypedArray, w: TypedArray, out: TypedArray): void {
  const { out: m, inside, windows, image, result } = sizesOf(g)
  if (makesNaN(w)) return conv2dTaps(g, x, w, out)
  const columns = new Float64Array(inside * windows)
  for (let i = 0; i < g.batch * g.groups; i++) {
    fillColumns(g, part(x, i, image), columns)
    matmul(
      [],
      m,
      inside,
      windows,
      part(w, i % g.groups, m * inside),
      [],
      false,
      columns,
      [],
      false,
      part(out, i, result),
    )
  }
}

export function conv2dInputGrad(g: Conv2dGeometry, gy: TypedArray, w: TypedArray, gx: TypedArray): void {
  const { out: m, inside, windows, image, result } = sizesOf(g)
  const columns = new Float64Array(inside * windows)
  const pixels = new Float64Array(image)
  const step = g.strideW
  for (let i = 0; i < g.batch * g.groups; i++) {
    matmul([], inside, m, windows, part(w, i % g.groups, m * inside), [], true, part(gy, i, result), [], false, columns)
    pixels.fill(0)
    eachRun(g, (column, pixel, n) => {
      for (let j = 0; j < n; j++) pixels[pixel + j * step]! += columns[column + j]!
    })
    gx.set(pixels, i * image)
  }
}

export function conv2dWeightGrad(g: Conv2dGeometry, x: TypedArray, gy: TypedArray, gw: TypedArray): void {
  if (makesNaN(gy)) return weightGradTaps(g, x, gy, gw)
  const { out: m, inside, windows, image, result } = sizesOf(g)
  const columns = new Float64Array(inside * windows)
  const product = new Float64Array(m * inside)
  const totals = new Float64Array(g.groups * m * inside)
  for (let i = 0; i < g.batch * g.groups; i++) {
    fillColumns(g, part(x, i, image), columns)
    matmul([], m, windows, inside, part(gy, i, result), [], false, columns, [], true, product)
    const to = (i % g.groups) * m * inside
    for (let j = 0; j < product.length; j++) totals[to + j]! += product[j]!
  }
  gw.set(totals)
}

function conv2dTaps(g: Conv2dGeometry, x: TypedArray, w: TypedArray, out: TypedArray): void {
  const { out: m, inside, windows, image, result } = sizesOf(g)
  const sums = new Float64Array(result)
  for (let i = 0; i < g.batch * g.groups; i++) {
    sums.fill(0)
    const [pixels, weights] = [part(x, i, image), part(w, i % g.groups, m * inside)]
    eachTap(g, (row, window, pixel, n) => {
      for (let o = 0; o < m; o++) {
        const [weight, at] = [weights[o * inside + row]!, o * windows + window]
        for (let j = 0; j < n; j++) sums[at + j]! += weight * pixels[pixel + j * g.strideW]!
      }
    })
    out.set(sums, i * result)
  }
}

function weightGradTaps(g: Conv2dGeometry, x: TypedArray, gy: TypedArray, gw: TypedArray): void {
  const { out: m, inside, windows, image, result } = sizesOf(g)
  const totals = new Float64Array(g.groups * m * inside)
  for (let i = 0; i < g.batch * g.groups; i++) {
    const [pixels, cotangents, to] = [part(x, i, image), part(gy, i, result), (i % g.groups) * m * inside]
    eachTap(g, (row, window, pixel, n) => {
      for (let o = 0; o < m; o++) {
        let sum = 0
        for (let j = 0; j < n; j++) sum += cotangents[o * windows + window + j]! * pixels[pixel + j * g.strideW]!
        totals[to + o * inside + row]! += sum
      }
    })
  }
  gw.set(totals)
}
