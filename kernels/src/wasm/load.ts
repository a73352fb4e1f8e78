import { type Build, bytesOf } from './builds.js'
import { newMemory } from './memory.js'

export type { Build } from './builds.js'

// What declarations mention and TypeScript has in its DOM library only. Where that is there, these add nothing to it.
declare global {
  namespace WebAssembly {
    interface Memory {}
    interface Module {}
  }
}

type Address = number

/** What assembly/index.ts exports. */
export interface Exports {
  scratchBase(): Address
  scratchBytes(): number
  copy_4: Copy
  copy_8: Copy
  fill_f32: Fill
  fill_f64: Fill
  fill_i32: Fill
  map_f32: MapCode
  map_f64: MapCode
  affine_f32: Affine
  affine_f64: Affine
  affine_i32: Affine
  axpy_f32: Axpy
  axpy_f64: Axpy
  mapGrad_f32: MapGrad
  mapGrad_f64: MapGrad
  sgd_f32: Sgd
  sgd_f64: Sgd
  adamw_f32: Adamw
  adamw_f64: Adamw
  zip_f32: Zip
  zip_f64: Zip
  zip_i32: Zip
  where_f32: Where
  where_f64: Where
  where_i32: Where
  reduce_f32: Reduce
  reduce_f64: Reduce
  reduce_i32: Reduce
  argmax_f32: Argmax
  argmax_f64: Argmax
  argmax_i32: Argmax
  argsort_f32: Argsort
  argsort_f64: Argsort
  argsort_i32: Argsort
  cast_f32_f64: Cast
  cast_f32_i32: Cast
  cast_f64_f32: Cast
  cast_f64_i32: Cast
  cast_i32_f32: Cast
  cast_i32_f64: Cast
  gather_4: Gather
  gather_8: Gather
  scatterAdd_f32: Gather
  scatterAdd_f64: Gather
  scatterAdd_i32: Gather
  scatterAddWide: GatherWide
  softmax_f32: Rows
  softmax_f64: Rows
  logSoftmax_f32: Rows
  logSoftmax_f64: Rows
  softmaxGrad_f32: RowsGrad
  softmaxGrad_f64: RowsGrad
  logSoftmaxGrad_f32: RowsGrad
  logSoftmaxGrad_f64: RowsGrad
  crossEntropy_f32: CrossEntropy
  crossEntropy_f64: CrossEntropy
  crossEntropyGrad_f32: CrossEntropyGrad
  crossEntropyGrad_f64: CrossEntropyGrad
  layerNorm_f32: LayerNorm
  layerNorm_f64: LayerNorm
  layerNormGrad_f32: LayerNormGrad
  layerNormGrad_f64: LayerNormGrad
  rmsNorm_f32: RmsNorm
  rmsNorm_f64: RmsNorm
  rmsNormGrad_f32: RmsNormGrad
  rmsNormGrad_f64: RmsNormGrad
  maxPool2d_f32: Pool
  maxPool2d_f64: Pool
  avgPool2d_f32: Pool
  avgPool2d_f64: Pool
  avgPool2dGrad_f32: Pool
  avgPool2dGrad_f64: Pool
  power_f32: Power
  power_f64: Power
  random: Random
  spread_4: Spread
  spread_8: Spread
  packWeights_4: PackWeights
  packWeights_8: PackWeights
  convolve_f32: Convolve
  convolve_f64: Convolve
  weightGrad_f32: WeightGrad
  weightGrad_f64: WeightGrad
  matmul_f32: Matmul
  matmul_f64: Matmul
  cauchy_f32: OfTwo
  cauchy_f64: OfTwo
  correlate_f32: OfTwo
  correlate_f64: OfTwo
  finite_f32: (n: number, x: number) => boolean
  finite_f64: (n: number, x: number) => boolean
  series_f32: Series
  series_f64: Series
  seriesSinCos_f32: SinCos
  seriesSinCos_f64: SinCos
  seriesSoftmax_f32: SeriesSoftmax
  seriesSoftmax_f64: SeriesSoftmax
  seriesDiv_f32: OfTwo
  seriesDiv_f64: OfTwo
}

type Code<Arguments extends unknown[]> = (...args: Arguments) => void
type Operand = [from: Address, rowBytes: number, step: boolean]
type Side = [from: Address, rowBytes: number, stepBytes: number]

type Copy = Code<[rows: number, n: number, ...x: Side, ...out: Side]>
type Fill = Code<[n: number, value: number, out: Address]>
type MapCode = Code<[op: number, n: number, x: Address, out: Address]>
type Affine = Code<[n: number, x: Address, scale: number, shift: number, out: Address]>
type Axpy = Code<[n: number, x: Address, scale: number, y: Address, out: Address]>
type MapGrad = Code<[op: number, lead: number, n: number, y: Address, gy: Address, gx: Address]>
type SgdNumbers = [rate: number, momentum: number, nesterov: boolean, weightDecay: number]
type Sgd = Code<[n: number, ...SgdNumbers, p: Address, g: Address, v: Address, pOut: Address, vOut: Address]>
type AdamwNumbers = [beta1: number, beta2: number, eps: number, rate: number, correction: number, shrink: number]
type AdamwInputs = [p: Address, g: Address, m: Address, v: Address]
type Adamw = Code<[n: number, ...AdamwNumbers, ...AdamwInputs, pOut: Address, mOut: Address, vOut: Address]>
type Zip = Code<[op: number, rows: number, n: number, ...a: Operand, ...b: Operand, out: Address]>
type Choice = [from: Address, step: boolean]
type Where = Code<[n: number, ...c: Choice, ...a: Choice, ...b: Choice, out: Address]>
type Reduce = Code<[op: number, outer: number, n: number, inner: number, x: Address, out: Address]>
type Argmax = Code<[outer: number, n: number, inner: number, x: Address, out: Address]>
type Argsort = Code<
  [outer: number, n: number, inner: number, descending: number, x: Address, out: Address, scratch: Address]
>
type Cast = Code<[n: number, x: Address, out: Address]>
type Gather = Code<
  [outer: number, axis: number, inner: number, count: number, index: Address, x: Address, out: Address]
>
type GatherWide = Code<[...Parameters<Gather>, scratch: Address]>
type Rows = Code<[rows: number, n: number, x: Address, out: Address]>
type RowsGrad = Code<[lead: number, rows: number, n: number, y: Address, gy: Address, gx: Address]>
type Labelled = [rows: number, n: number, x: Address, labels: Address]
type CrossEntropy = Code<[...Labelled, out: Address]>
type CrossEntropyGrad = Code<[lead: number, ...Labelled, gy: Address, gx: Address]>
type NormRows = [rows: number, n: number, eps: number]
type LayerNorm = Code<[...NormRows, x: Address, w: Address, b: Address, out: Address, scratch: Address]>
type RmsNorm = Code<[...NormRows, x: Address, w: Address, out: Address, scratch: Address]>
type NormGrad = [...NormRows, x: Address, w: Address, gy: Address, gx: Address, gw: Address]
type RmsNormGrad = Code<[...NormGrad, scratch: Address]>
type LayerNormGrad = Code<[...NormGrad, gb: Address, scratch: Address]>
type Plane = [planes: number, height: number, width: number]
type Window = [kernelH: number, kernelW: number, strideH: number, strideW: number, padH: number, padW: number]
type Pool = Code<[...Plane, ...Window, outH: number, outW: number, from: Address, to: Address]>
type Random = Code<[kind: number, seed: number, offset: number, n: number, out: Address, scratch: Address]>
type Power = Code<[n: number, x: Address, r: number, out: Address]>
type SpreadFrom = [planes: number, lines: number, n: number, x: Address, xPlane: number]
type SpreadTo = [left: number, step: number, out: Address, outPlane: number, outLine: number, outPart: number]
type Spread = Code<[...SpreadFrom, ...SpreadTo]>
type PackWeights = Code<[m: number, k: number, w: Address, wRow: number, offsets: Address, out: Address]>
type ConvolveFrom = [m: number, k: number, a: Address, offsets: Address, b: Address, bLine: number]
type ConvolveTo = [lines: number, n: number, c: Address, cRow: number, cLine: number, cStep: number]
type Convolve = Code<[...ConvolveFrom, ...ConvolveTo, scratch: Address]>
type WeightGradArea = [m: number, k: number, images: number, lines: number, n: number]
type WeightGradLeft = [gy: Address, gyImage: number, gyRow: number, gyLine: number]
type WeightGradRight = [b: Address, bImage: number, bLine: number, offsets: Address]
type WeightGrad = Code<[...WeightGradArea, ...WeightGradLeft, ...WeightGradRight, gw: Address]>
type Product3 = [m: number, k: number, n: number, a: Address, b: Address]
type Epilogue = [bias: Address, phi: number, scale: number, add: Address]
type Columns = [out: Address, from: number, to: number, scratch: Address]
type Matmul = Code<[transA: boolean, transB: boolean, ...Product3, ...Epilogue, ...Columns]>
type Stacks = [orders: number, p: number, q: number, n: number, a: Address, b: Address, out: Address]
type OfTwo = Code<[...Stacks, scratch: Address]>
type Series = Code<[op: number, r: number, orders: number, stored: number, n: number, count: number, ...SeriesPlaces]>
type SeriesPlaces = [x: Address, out: Address, scratch: Address]

type SinCos = Code<
  [orders: number, stored: number, n: number, x: Address, sin: Address, cos: Address, scratch: Address]
>
type SeriesSoftmax = Code<
  [orders: number, stored: number, rows: number, n: number, x: Address, out: Address, scratch: Address]
>

export interface Module {
  readonly build: Build
  readonly memory: WebAssembly.Memory
  readonly exports: Exports
  /** For other threads, which instantiate it on the same memory. */
  readonly code: WebAssembly.Module
}

/** Static data and scratch of the module, in pages; buffers come after them. */
const initialPages = 64

type GetBuiltinModule = (name: string) => { setFlagsFromString(flags: string): void } | undefined

/** Node 20 has relaxed SIMD behind a flag; later versions have it without, and no longer know the flag. */
function enableRelaxedSimd(): void {
  const { process } = globalThis as { process?: { getBuiltinModule?: GetBuiltinModule } }
  process?.getBuiltinModule?.('v8')?.setFlagsFromString('--experimental-wasm-relaxed-simd')
}

/** The bytes of the best build this engine accepts, or of the one asked for. */
function choose(wanted: Build | undefined): { build: Build; bytes: Uint8Array<ArrayBuffer> } {
  if (wanted !== 'plain') {
    const bytes = bytesOf('relaxed')
    let accepted = WebAssembly.validate(bytes)
    if (!accepted) {
      enableRelaxedSimd()
      accepted = WebAssembly.validate(bytes)
    }
    if (accepted) return { build: 'relaxed', bytes }
    if (wanted === 'relaxed') throw new Error('This engine has no relaxed SIMD: use the plain build.')
  }
  return { build: 'plain', bytes: bytesOf('plain') }
}

/**
 * The same module importing a shared memory: the limits of its one memory import, flagged as having a maximum (1), flagged as
 * shared too (3). The code is the same.
 */
function shareable(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let at = 8
  const number = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }
  const IMPORTS = 2
  while (at < bytes.length) {
    const section = bytes[at++]!
    const size = number()
    const end = at + size
    if (section === IMPORTS) {
      // One import: its two names, its kind (2: a memory), its flags.
      number()
      for (let name = 0; name < 2; name++) {
        const length = number()
        at += length
      }
      if (bytes[at] === 2 && bytes[at + 1] === 1) {
        const shared = bytes.slice()
        shared[at + 1] = 3
        return shared
      }
    }
    at = end
  }
  throw new Error('the module does not import one memory with a maximum')
}

/** Whether memory can be shared with other threads: in Node, and in pages that are cross-origin isolated. */
export function canShare(): boolean {
  const { crossOriginIsolated, process } = globalThis as { crossOriginIsolated?: boolean; process?: object }
  return typeof SharedArrayBuffer === 'function' && (crossOriginIsolated ?? process !== undefined)
}

/** Compiles and instantiates the module on a new memory, shared where that can be. */
export function load(wanted?: Build, shared = canShare()): Module {
  const { build, bytes } = choose(wanted)
  const memory = newMemory(initialPages, shared)
  const code = new WebAssembly.Module(shared ? shareable(bytes) : bytes)
  const instance = new WebAssembly.Instance(code, { env: { memory } })
  return { build, memory, code, exports: instance.exports as unknown as Exports }
}
