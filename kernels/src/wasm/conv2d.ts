import { MapCode } from '../../assembly/codes.js'
import type { Conv2dGeometry, Kernels } from '../contract.js'
import * as reference from '../js/conv2d.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { product } from './matmul.js'
import { addressOf, type Region } from './region.js'
import { atOnce, type Call } from './threads.js'

// A convolution is a matrix product whose second factor, the pixels under each tap of each window, is read where it lies: see
// assembly/conv2d.ts. Its input gradient is one such product for every remainder of the pixel by the stride, for those pixels
// meet the same taps. All strides and offsets here are bytes, but for `n` and `lines`.

/** Planes of pixels with room around them, or those of the caller when no room is needed. */
interface Planes {
  readonly direct: boolean
  readonly line: number
  /** From the columns of one remainder by the stride to those of the next. */
  readonly part: number
  readonly plane: number
}

function planesOf(direct: boolean, height: number, width: number, step: number, size: number): Planes {
  const part = Math.ceil(width / step) * size
  return { direct, part, line: part * step, plane: part * step * height }
}

/** The planes of x that windows read, and where every tap of the first window lies, channel by channel of a group. */
function inputPlanes(g: Conv2dGeometry, size: number) {
  const height = Math.max((g.outH - 1) * g.strideH + (g.kernelH - 1) * g.dilationH + 1, g.padH + g.height)
  const width = Math.max((g.outW - 1) * g.strideW + (g.kernelW - 1) * g.dilationW + 1, g.padW + g.width)
  const room = g.padH > 0 || g.padW > 0 || height > g.height || width > g.width
  const planes = planesOf(!room && g.strideW === 1, height, width, g.strideW, size)
  const window: number[] = []
  for (let p = 0; p < g.kernelH; p++) {
    for (let q = 0; q < g.kernelW; q++) {
      const column = q * g.dilationW
      const remainder = column % g.strideW
      const across = remainder * planes.part + ((column - remainder) / g.strideW) * size
      window.push(p * g.dilationH * planes.line + across)
    }
  }
  const taps: number[] = []
  for (let c = 0; c < g.inChannels / g.groups; c++) for (const at of window) taps.push(c * planes.plane + at)
  return { planes, taps }
}

/** Pixels (row + i·strideH, column + j·strideW) of x, i < lines, j < n: all of them meet the same taps. */
interface Phase {
  readonly row: number
  readonly column: number
  readonly lines: number
  readonly n: number
  /** Tap (p, q) meets them at window (i + u, j + v). */
  readonly taps: readonly { readonly p: number; readonly q: number; readonly u: number; readonly v: number }[]
}

function phasesOf(g: Conv2dGeometry): Phase[] {
  const along = (n: number, first: number, stride: number, pad: number, dilation: number, kernel: number) => {
    const taps: { tap: number; shift: number }[] = []
    for (let tap = 0; tap < kernel; tap++) {
      const shift = (first + pad - tap * dilation) / stride
      if (Number.isInteger(shift)) taps.push({ tap, shift })
    }
    return { count: Math.ceil((n - first) / stride), taps }
  }
  const phases: Phase[] = []
  for (let row = 0; row < Math.min(g.strideH, g.height); row++) {
    const down = along(g.height, row, g.strideH, g.padH, g.dilationH, g.kernelH)
    for (let column = 0; column < Math.min(g.strideW, g.width); column++) {
      const across = along(g.width, column, g.strideW, g.padW, g.dilationW, g.kernelW)
      const taps = down.taps.flatMap(a => across.taps.map(b => ({ p: a.tap, q: b.tap, u: a.shift, v: b.shift })))
      phases.push({ row, column, lines: down.count, n: across.count, taps })
    }
  }
  return phases
}

/** Whether every window is a column of the image as it lies in memory: one tap, or the whole image. */
const isProduct = (g: Conv2dGeometry): boolean =>
  g.padH === 0 &&
  g.padW === 0 &&
  (g.kernelH * g.kernelW === 1
    ? g.strideH * g.strideW === 1 && g.outH === g.height && g.outW === g.width
    : g.outH * g.outW === 1 && g.kernelH === g.height && g.kernelW === g.width)

/** Planes of groups that are held in the second cache while their rows are computed. */
const heldBytes = 1 << 17
/** Rows of ȳ that are held in the first cache while the taps go by. */
const cachedBytes = 4096

/** Multiplications below which one thread is as fast as several. */
const SMALL = 1 << 18

export function conv2dKernels(
  context: Context,
): Pick<Kernels<Region>, 'conv2d' | 'conv2dInputGrad' | 'conv2dWeightGrad'> {
  const { exports, heap, threads } = context
  const { fill, spread, packFilters, packWeights, convolve, convolveRows, weightGrad } = exports
  const multiply = product(context)
  const codeFor = ({ dtype }: Region) => ({
    fill: fill[dtype],
    spread: spread[dtype],
    packFilters: packFilters[dtype],
    packWeights: packWeights[dtype],
    convolve: convolve[dtype],
    convolveRows: convolveRows[dtype],
    weightGrad: weightGrad[dtype],
    size: bytesPerElement[dtype],
  })

  /** Runs `body` with memory of its own: zeros for the planes of every thread, room for packed weights, and the table of offsets. */
  function withMemory(
    dtype: Region['dtype'],
    planeBytes: number,
    weightBytes: number,
    table: readonly number[],
    body: (planes: number, weights: number, table: number) => void,
  ): void {
    const size = bytesPerElement[dtype]
    heap.scratch(alloc => {
      const room = alloc(dtype, (threads.count * planeBytes) / size)
      const [planes, weights] = [addressOf(room), addressOf(alloc(dtype, weightBytes / size))]
      const offsets = addressOf(alloc('i32', table.length))
      codeFor(room).fill(room.length, 0, planes)
      heap.i32.set(table, offsets >>> 2)
      body(planes, weights, offsets)
    })
  }

  /** Shares out the images of a batch, of so many groups; `thread` is the place of the range that an image is in. */
  function images(
    g: Conv2dGeometry,
    groups: number,
    work: (call: Call, b: number, thread: number, scratch: number) => void,
  ): void {
    let thread = 0
    const range = (call: Call, from: number, to: number, scratch: number) => {
      for (let b = from; b < to; b++) work(call, b, thread, scratch)
      thread++
    }
    threads.share(g.batch, 1, range, worthwhile(g, groups))
  }

  /** Shares out images, or panels of four of the `m` rows of each image where there are fewer images than threads. `planes` lays an
   *  image out, `rows` convolves some rows of it. */
  function imagesOrRows(
    g: Conv2dGeometry,
    m: number,
    planes: (call: Call, b: number, thread: number) => void,
    rows: (call: Call, b: number, thread: number, from: number, to: number, scratch: number) => void,
  ): void {
    if (g.batch >= threads.count) {
      images(g, 1, (call, b, thread, scratch) => {
        planes(call, b, thread)
        rows(call, b, thread, 0, m, scratch)
      })
      return
    }
    for (let b = 0; b < g.batch; b++) {
      planes(atOnce, b, 0)
      const work = (call: Call, from: number, to: number, scratch: number) => rows(call, b, 0, from, to, scratch)
      threads.share(m, 4, work, worthwhile({ ...g, batch: 1 }))
    }
  }

  /** Whether so many groups of all images are work for several threads. */
  const worthwhile = (g: Conv2dGeometry, groups = 1) =>
    (groups * g.batch * g.outChannels * g.outH * g.outW * g.inChannels * g.kernelH * g.kernelW) / g.groups ** 2 >= SMALL

  /** Whether zeros of the padding may have met a factor that makes NaN of them: the reference, which has no such products, then
   *  makes the result again. The shorter of the two is looked through, and the other where that has NaN or ±Inf. */
  const metPadding = (factor: Region, out: Region): boolean =>
    (factor.length < out.length ? [factor, out] : [out, factor]).every(
      x => !exports.finite[x.dtype](x.length, addressOf(x)),
    )

  const packedRows = (m: number) => Math.ceil(m / 4) * 4

  return {
    conv2d(g, x, w, out) {
      const { fill, spread, packFilters, convolve, convolveRows, size } = codeFor(out)
      const matmul = exports.matmul[out.dtype]
      const channels = g.inChannels / g.groups
      const m = g.outChannels / g.groups
      const k = channels * g.kernelH * g.kernelW
      if (k === 0) return fill(out.length, 0, addressOf(out))
      const [image, result] = [g.height * g.width * size, g.outH * g.outW * size]
      const [filters, pixels, results] = [addressOf(w), addressOf(x), addressOf(out)]
      if (isProduct(g)) {
        const windows = g.outH * g.outW
        const end = [0, MapCode.none, 1, 0] as const
        for (let group = 0; group < g.groups; group++) {
          const weights = filters + group * m * k * size
          const places = (b: number) =>
            [
              pixels + (b * g.inChannels + group * channels) * image,
              results + (b * g.outChannels + group * m) * result,
            ] as const
          if (g.batch === 1) {
            const [from, to] = places(0)
            multiply(out.dtype, m, k, windows, false, false, weights, from, ...end, to)
            continue
          }
          images(g, 1, (call, b, _, scratch) => {
            const [from, to] = places(b)
            call(matmul, false, false, m, k, windows, weights, from, ...end, to, 0, windows, scratch)
          })
        }
        return
      }
      const { planes, taps } = inputPlanes(g, size)
      // Panels of four rows, and one or two that are left over row by row.
      const even = m % 4 === 3 ? m : m - (m % 4)
      const held = Math.max(1, Math.min(g.groups, Math.floor(heldBytes / (channels * planes.plane))))
      const groupsAtOnce = even === 0 ? held : 1
      const whole = planes.direct && g.strideH === 1 && g.outW * size === planes.line
      const [lines, n] = whole ? [1, g.outH * g.outW] : [g.outH, g.outW]
      const planeBytes = planes.direct ? 0 : groupsAtOnce * channels * planes.plane
      withMemory(out.dtype, planeBytes, packedRows(even) * k * size, taps, (rooms, packed, table) => {
        for (let group = 0; group < g.groups; group += groupsAtOnce) {
          const count = Math.min(groupsAtOnce, g.groups - group)
          const weights = filters + group * m * k * size
          if (even > 0) packFilters(even, k, weights, packed)
          const source = (b: number) => pixels + (b * g.inChannels + group * channels) * image
          const spreading = (call: Call, b: number, thread: number) => {
            if (planes.direct) return
            const corner = rooms + thread * planeBytes + g.padH * planes.line
            const target = [corner, planes.plane, planes.line, planes.part] as const
            call(spread, count * channels, g.height, g.width, source(b), image, g.padW, g.strideW, ...target)
          }
          const target = (b: number) => results + (b * g.outChannels + group * m) * result
          const base = (b: number, thread: number) => (planes.direct ? source(b) : rooms + thread * planeBytes)
          const down = g.strideH * planes.line
          const panels = (call: Call, b: number, thread: number, from: number, to: number, scratch: number) => {
            const lined = [table, base(b, thread), down, lines, n] as const
            const strides = [result, g.outW * size, size] as const
            call(
              convolve,
              to - from,
              k,
              packed + from * k * size,
              ...lined,
              target(b) + from * result,
              ...strides,
              scratch,
            )
          }
          if (even === m) {
            imagesOrRows(g, m, spreading, panels)
            continue
          }
          images(g, count, (call, b, thread, scratch) => {
            spreading(call, b, thread)
            if (even > 0) panels(call, b, thread, 0, even, scratch)
            const rest = [count * m - even, m, k, weights + even * k * size, table] as const
            const to = target(b) + even * result
            call(convolveRows, ...rest, base(b, thread), channels * planes.plane, down, lines, n, to, result)
          })
        }
      })
      if (!planes.direct && metPadding(w, out)) reference.conv2d(g, heap.array(x), heap.array(w), heap.array(out))
    },

    conv2dInputGrad(g, gy, w, gx) {
      const { fill, spread, packWeights, convolve, size } = codeFor(gx)
      const m = g.inChannels / g.groups
      const outputs = g.outChannels / g.groups
      const phases = phasesOf(g)
      if (phases.some(phase => outputs * phase.taps.length === 0)) fill(gx.length, 0, addressOf(gx))
      let [top, left, height, width] = [0, 0, g.outH, g.outW]
      for (const { lines, n, taps } of phases) {
        for (const { u, v } of taps) {
          top = Math.max(top, -u)
          left = Math.max(left, -v)
          height = Math.max(height, lines + u)
          width = Math.max(width, n + v)
        }
      }
      const direct = top === 0 && left === 0 && height === g.outH && width === g.outW
      const planes = planesOf(direct, top + height, left + width, 1, size)
      // For every phase: where its taps lie in ȳ, and where in w.
      const table: number[] = []
      const placed = phases
        .filter(phase => outputs * phase.taps.length > 0)
        .map(phase => {
          const at = table.length
          const each = (f: (o: number, tap: Phase['taps'][number]) => number) => {
            for (let o = 0; o < outputs; o++) for (const tap of phase.taps) table.push(f(o, tap))
          }
          each((o, { u, v }) => o * planes.plane + (top + u) * planes.line + (left + v) * size)
          each((o, { p, q }) => ((o * m * g.kernelH + p) * g.kernelW + q) * size)
          return { ...phase, at, k: outputs * phase.taps.length }
        })
      const [image, result] = [g.height * g.width * size, g.outH * g.outW * size]
      const kernel = g.kernelH * g.kernelW * size
      const whole = direct && g.strideH === 1 && g.strideW === 1 && g.width * size === planes.line
      const packedBytes = packedRows(m) * outputs * kernel
      const planeBytes = direct ? 0 : outputs * planes.plane
      withMemory(gx.dtype, planeBytes, packedBytes, table, (rooms, packed, offsets) => {
        for (let group = 0; group < g.groups; group++) {
          let end = packed
          const ready = placed.map(phase => {
            const [taps, weights] = [offsets + phase.at * 4, offsets + (phase.at + phase.k) * 4]
            const panels = end
            packWeights(m, phase.k, addressOf(w) + group * outputs * m * kernel, kernel, weights, panels)
            end += packedRows(m) * phase.k * size
            return { ...phase, taps, panels }
          })
          const source = (b: number) => addressOf(gy) + (b * g.outChannels + group * outputs) * result
          const spreading = (call: Call, b: number, thread: number) => {
            if (direct) return
            const corner = rooms + thread * planeBytes + top * planes.line
            const target = [corner, planes.plane, planes.line, planes.part] as const
            call(spread, outputs, g.outH, g.outW, source(b), result, left, 1, ...target)
          }
          imagesOrRows(g, m, spreading, (call, b, thread, first, last, scratch) => {
            const to = addressOf(gx) + (b * g.inChannels + group * m + first) * image
            const from = [direct ? source(b) : rooms + thread * planeBytes, planes.line] as const
            const strides = [image, g.strideH * g.width * size, g.strideW * size] as const
            for (const { row, column, lines, n, k, taps, panels } of ready) {
              const target = to + (row * g.width + column) * size
              const area = whole ? ([1, lines * n] as const) : ([lines, n] as const)
              call(
                convolve,
                last - first,
                k,
                panels + first * k * size,
                taps,
                ...from,
                ...area,
                target,
                ...strides,
                scratch,
              )
            }
          })
        }
      })
      if (!direct && metPadding(w, gx)) reference.conv2dInputGrad(g, heap.array(gy), heap.array(w), heap.array(gx))
    },

    conv2dWeightGrad(g, x, gy, gw) {
      const { fill, spread, weightGrad, size } = codeFor(gw)
      const channels = g.inChannels / g.groups
      const m = g.outChannels / g.groups
      const k = channels * g.kernelH * g.kernelW
      const { planes, taps } = inputPlanes(g, size)
      const [image, result, line] = [g.height * g.width * size, g.outH * g.outW * size, g.outW * size]
      // Several small images at a time, or some lines of a large one.
      const images = Math.max(1, Math.min(g.batch, Math.floor(cachedBytes / result)))
      const columns = Math.min(g.outW, cachedBytes / size)
      const step = result <= cachedBytes ? g.outH : Math.max(1, Math.floor(cachedBytes / line))
      const whole = planes.direct && g.strideH === 1 && line === planes.line
      fill(gw.length, 0, addressOf(gw))
      const planeBytes = planes.direct ? 0 : images * channels * planes.plane
      const window = g.kernelH * g.kernelW
      withMemory(gw.dtype, planeBytes, 0, taps, (room, _, table) => {
        for (let group = 0; group < g.groups; group++) {
          // A thread does all images, for some channels of x.
          const work = (call: Call, begin: number, end: number, scratch: number) => {
            const target = addressOf(gw) + (group * m * k + begin * window) * size
            for (let b = 0; b < g.batch; b += images) {
              const count = Math.min(images, g.batch - b)
              const from = addressOf(x) + (b * g.inChannels + group * channels) * image
              const cotangent = addressOf(gy) + (b * g.outChannels + group * m) * result
              if (!planes.direct) {
                for (let i = 0; i < count; i++) {
                  const corner = room + (i * channels + begin) * planes.plane + g.padH * planes.line
                  const place = [corner, planes.plane, planes.line, planes.part] as const
                  const source = from + (i * g.inChannels + begin) * image
                  call(spread, end - begin, g.height, g.width, source, image, g.padW, g.strideW, ...place)
                }
              }
              const [base, next] = planes.direct ? [from, g.inChannels * image] : [room, channels * planes.plane]
              const down = g.strideH * planes.line
              const own = [table + begin * window * 4, target, k * size] as const
              for (let u = 0; u < g.outH; u += step) {
                const lines = Math.min(step, g.outH - u)
                for (let v = 0; v < g.outW; v += columns) {
                  const n = Math.min(columns, g.outW - v)
                  const area = whole && n === g.outW ? ([1, lines * n] as const) : ([lines, n] as const)
                  const left = [cotangent + u * line + v * size, g.outChannels * result, result, line] as const
                  const right = [base + u * down + v * size, next, down] as const
                  call(weightGrad, m, (end - begin) * window, count, ...area, ...left, ...right, ...own, scratch)
                }
              }
            }
          }
          threads.share(channels, 1, work, worthwhile(g))
        }
      })
      if (!planes.direct && metPadding(gy, gw)) {
        reference.conv2dWeightGrad(g, heap.array(x), heap.array(gy), heap.array(gw))
      }
    },
  }
}
