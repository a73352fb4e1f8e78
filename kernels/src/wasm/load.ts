import { type Build, bytesOf } from './builds.js'
import { newMemory } from './memory.js'
import type { Exports } from './module.generated.js'

export type { Build } from './builds.js'

// Types that declarations mention and TypeScript has in its DOM library only. Beside that library these add nothing.
declare global {
  namespace WebAssembly {
    interface Memory {}
    interface Module {}
  }
}

export interface Module {
  readonly build: Build
  readonly memory: WebAssembly.Memory
  readonly exports: Exports
  /** The same functions by the names that the module exports them by. */
  readonly functions: Readonly<Record<string, unknown>>
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

/** The functions of the module by kernel and dtype: `map_f32` as `map.f32`. */
function byDType(flat: object): Exports {
  type Tree = { [name: string]: Tree }
  const tree: Tree = {}
  for (const [name, run] of Object.entries(flat)) {
    const path = name.split('_')
    const last = path.pop()!
    path.reduce((at, step) => (at[step] ??= {}), tree)[last] = run
  }
  return tree as unknown as Exports
}

/** Compiles and instantiates the module on a new memory, shared where that can be. */
export function load(wanted?: Build, shared = canShare()): Module {
  const { build, bytes } = choose(wanted)
  const memory = newMemory(initialPages, shared)
  const code = new WebAssembly.Module(shared ? shareable(bytes) : bytes)
  const instance = new WebAssembly.Instance(code, { env: { memory } })
  return { build, memory, code, functions: instance.exports, exports: byDType(instance.exports) }
}
