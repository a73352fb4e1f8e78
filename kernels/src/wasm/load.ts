import { newMemory } from './memory.js'
import * as generated from './module.generated.js'

/** Which build of the same sources runs: `relaxed` has fused multiply-add, `plain` runs everywhere. */
export type Build = 'relaxed' | 'plain'

type Address = number

/** What assembly/index.ts exports. */
export interface Exports {
  scratchBase(): Address
  scratchBytes(): number
  matmul_f32: Matmul
  matmul_f64: Matmul
}

type Matmul = (
  transA: boolean,
  transB: boolean,
  m: number,
  k: number,
  n: number,
  a: Address,
  b: Address,
  out: Address,
  scratch: Address,
) => void

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
