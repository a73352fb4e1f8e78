import type { ByteSource } from '@unravel/tensor'
import { shown } from '@unravel/tensor/internals'
import type { Constant, ElementType, HostArray } from '../graph.js'
import { bytesOf, decoded, elementsOf } from '../host.js'
import { fail, field, isRecord, type Json, list, number, record, shapeIn, text } from './json.js'

// https://github.com/tensorflow/tfjs: tfjs-core/src/io/types.ts. A group of weights is one run of bytes, cut anywhere into
// shards; every weight lies behind the one that is listed before it.

const types: Readonly<Record<string, ElementType>> = { float32: 'f32', int32: 'i32', bool: 'bool', uint8: 'u8' }
const stored: Readonly<Record<string, ElementType>> = { uint8: 'u8', uint16: 'u16', float16: 'f16' }

/** The weights of a manifest, by name. Numbers are read from the shards when they are asked for. */
export function readWeights(manifest: unknown, shard: (path: string) => ByteSource): Map<string, Constant> {
  const weights = new Map<string, Constant>()
  if (manifest === undefined) return weights
  list(manifest, 'weightsManifest').forEach((value, i) => {
    const what = `group ${i} of the weights`
    const group = record(value, what)
    const paths = list(field(group, 'paths'), `"paths" of ${what}`).map(p => text(p, `a path of ${what}`))
    const bytes = joined(paths.map(path => shard(inside(path))))
    let end = 0
    for (const entry of list(field(group, 'weights'), `"weights" of ${what}`)) {
      const { name, ...weight } = readWeight(record(entry, `a weight of ${what}`), bytes, end)
      if (weights.has(name)) fail(`the weight ${shown(name)} is there twice`)
      weights.set(name, weight.constant)
      end = weight.end
      if (end > bytes.size) {
        const shards = paths.map(shown).join(', ')
        fail(`the weight ${shown(name)} ends at byte ${end} of ${what}; its shards (${shards}) have ${bytes.size}`)
      }
    }
  })
  return weights
}

/** A path that does not leave the folder of the model. */
function inside(path: string): string {
  const leaves = path === '' || /^([\\/]|[A-Za-z]:)/.test(path) || path.split(/[\\/]/).includes('..')
  return leaves ? fail(`a shard is called ${shown(path)}; expected a path inside of the model's folder`) : path
}

/** Sources one after the other. */
function joined(sources: readonly ByteSource[]): ByteSource {
  const starts: number[] = []
  let size = 0
  for (const source of sources) {
    starts.push(size)
    size += source.size
  }
  return {
    size,
    read(begin, end) {
      const parts = sources.flatMap((source, i) => {
        const [from, to] = [Math.max(0, begin - starts[i]!), Math.min(source.size, end - starts[i]!)]
        return from < to ? [source.read(from, to)] : []
      })
      if (parts.length === 1) return parts[0]!
      const bytes = new Uint8Array(end - begin)
      let at = 0
      for (const part of parts) {
        bytes.set(part, at)
        at += part.length
      }
      return bytes
    },
  }
}

function readWeight(entry: Json, source: ByteSource, begin: number) {
  const name = text(field(entry, 'name'), 'the name of a weight')
  const what = `the weight ${shown(name)}`
  const shape = shapeIn(field(entry, 'shape'), `the shape of ${what}`)
  const dtype = text(field(entry, 'dtype'), `the dtype of ${what}`)
  const type = Object.hasOwn(types, dtype) ? types[dtype]! : fail(`${what} is of ${dtype}, which is not supported`)
  const count = elementsOf(shape)
  if (!Number.isSafeInteger(count)) fail(`${what} has shape [${shape}], more than 2^53 elements`)
  const quantization = field(entry, 'quantization')
  const form = quantization === undefined ? undefined : record(quantization, `the quantization of ${what}`)
  const packed = form && text(field(form, 'dtype'), `the quantized dtype of ${what}`)
  const kept = packed === undefined ? type : Object.hasOwn(stored, packed) ? stored[packed]! : undefined
  if (kept === undefined) return fail(`${what} is quantized as ${packed}; expected ${Object.keys(stored).join(', ')}`)
  const restore = form && restoring(form, type, kept, what)
  const end = begin + bytesOf(kept, count)
  const read = (): HostArray => {
    const array = decoded(kept, shape, source.read(begin, end))
    return restore === undefined ? array : restore(array)
  }
  return { name, end, constant: { type, shape, read } satisfies Constant }
}

/** value = q·scale + min; halves are numbers as they are. */
function restoring(form: Json, type: ElementType, kept: ElementType, what: string): (q: HostArray) => HostArray {
  if (type !== 'f32' && type !== 'i32') fail(`${what} is quantized; expected float32 or int32`)
  if (kept === 'f16') {
    return type === 'f32' ? q => ({ ...q, type }) : fail(`${what} is of int32 and quantized as float16`)
  }
  if (!isRecord(form) || field(form, 'scale') === undefined || field(form, 'min') === undefined) {
    fail(`the quantization of ${what} lacks "scale" or "min"`)
  }
  const scale = number(field(form, 'scale'), `the scale of ${what}`)
  const min = number(field(form, 'min'), `the min of ${what}`)
  return ({ shape, data }) => {
    const from = data as Uint8Array
    const value = type === 'f32' ? (q: number) => q * scale + min : (q: number) => Math.round(q * scale + min)
    const to = type === 'f32' ? new Float32Array(from.length) : new Int32Array(from.length)
    for (let i = 0; i < to.length; i++) to[i] = value(from[i]!)
    return { type, shape, data: to }
  }
}
