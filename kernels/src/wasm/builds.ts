import { inflateSync } from 'fflate'
import { deflated, lengths, size } from './module.generated.js'

/** Which build of the same sources runs: `relaxed` has fused multiply-add, `plain` runs everywhere. */
export type Build = 'relaxed' | 'plain'

type Bytes = Uint8Array<ArrayBuffer>
type Decoder = { from(text: string, encoding: 'base64'): Uint8Array }
type Zlib = { inflateRawSync(bytes: Uint8Array): Uint8Array }
type Runtime = { Buffer?: Decoder; process?: { getBuiltinModule?(name: 'zlib'): Zlib | undefined } }

/** Both builds, unpacked by the runtime's own decoders where it has them: a loop that runs once runs slowly. */
function unpacked(): Uint8Array {
  const { Buffer, process } = globalThis as Runtime
  const bytes = Buffer ? Buffer.from(deflated, 'base64') : Uint8Array.from(atob(deflated), c => c.charCodeAt(0))
  const zlib = process?.getBuiltinModule?.('zlib')
  return zlib ? zlib.inflateRawSync(bytes) : inflateSync(bytes, { out: new Uint8Array(size) })
}

/** The module of one build: common parts and its own, in turn. See scripts/build-wasm.mjs. */
export function bytesOf(build: Build): Bytes {
  const all = unpacked()
  const module = new Uint8Array(all.length)
  let end = 0
  let at = 0
  const owners = [true, build === 'plain', build === 'relaxed']
  lengths.forEach((length, i) => {
    if (owners[i % 3]) {
      module.set(all.subarray(at, at + length), end)
      end += length
    }
    at += length
  })
  return module.slice(0, end)
}
