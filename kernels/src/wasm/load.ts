import { newMemory } from './memory.js'
import * as generated from './module.generated.js'

/** Which build of the same sources runs: `relaxed` has fused multiply-add, `plain` runs everywhere. */
export type Build = 'relaxed' | 'plain'

type Address = number

/** What assembly/index.ts exports. */
export interface Exports {
  scratchBase(): Address
  scratchBytes(): number
  copy_4: Copy
  copy_8: Copy
  fill_f32: Fill
  fill_f64: Fill
  map_f32: MapCode
  map_f64: MapCode
  affine_f32: Affine
  affine_f64: Affine
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
  sum_f32: Sum
  sum_f64: Sum
  matmul_f32: Matmul
  matmul_f64: Matmul
  cauchy_f32: Product
  cauchy_f64: Product
  correlate_f32: Product
  correlate_f64: Product
  series_f32: Series
  series_f64: Series
  seriesDiv_f32: Divide
  seriesDiv_f64: Divide
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
type Sum = Code<[square: boolean, outer: number, n: number, inner: number, x: Address, out: Address]>
type Product3 = [m: number, k: number, n: number, a: Address, b: Address]
type Epilogue = [bias: Address, scale: number, add: Address]
type Matmul = Code<[transA: boolean, transB: boolean, ...Product3, ...Epilogue, out: Address, scratch: Address]>
type Stacks = [orders: number, p: number, q: number, n: number, a: Address, b: Address, out: Address]
type Product = Code<Stacks>
type Divide = Code<[...Stacks, scratch: Address]>
type Series = Code<
  [op: number, r: number, orders: number, stored: number, n: number, x: Address, out: Address, scratch: Address]
>

export interface Module {
  readonly build: Build
  readonly memory: WebAssembly.Memory
  readonly exports: Exports
}

/** Static data and scratch of the module, in pages; buffers come after them. */
const initialPages = 64

function decode(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64)
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

type GetBuiltinModule = (name: string) => { setFlagsFromString(flags: string): void } | undefined

/** Node 20 has relaxed SIMD behind a flag; later versions have it without, and no longer know the flag. */
function enableRelaxedSimd(): void {
  const { process } = globalThis as { process?: { getBuiltinModule?: GetBuiltinModule } }
  process?.getBuiltinModule?.('v8')?.setFlagsFromString('--experimental-wasm-relaxed-simd')
}

/** The bytes of the best build this engine accepts, or of the one asked for. */
function choose(wanted: Build | undefined): { build: Build; bytes: Uint8Array<ArrayBuffer> } {
  if (wanted !== 'plain') {
    const bytes = decode(generated.relaxed)
    let accepted = WebAssembly.validate(bytes)
    if (!accepted) {
      enableRelaxedSimd()
      accepted = WebAssembly.validate(bytes)
    }
    if (accepted) return { build: 'relaxed', bytes }
    if (wanted === 'relaxed') throw new Error('This engine has no relaxed SIMD: use the plain build.')
  }
  return { build: 'plain', bytes: decode(generated.plain) }
}

/** Compiles and instantiates the module on a new memory. */
export function load(wanted?: Build): Module {
  const { build, bytes } = choose(wanted)
  const memory = newMemory(initialPages)
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })
  return { build, memory, exports: instance.exports as unknown as Exports }
}
