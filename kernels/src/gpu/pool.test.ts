import { expect, it } from 'vitest'
import { type GpuBuffer, type Output, Pool, type Raw, type Result } from './pool.js'

const texture = () => ({ _refs: 1 }) as Raw
const shape = '2x3 33326'

/** A kernel of gpu.js as far as the pool sees it: it makes a new texture unless it was lent one. */
function webgl() {
  const made: Raw[] = []
  const kernel: Output & { texture: { texture: Raw; size: Int32Array; internalFormat: number } } = {
    texture: { texture: texture(), size: Int32Array.of(2, 3), internalFormat: 33326 },
    textureCache: [],
  }
  made.push(kernel.texture.texture)
  kernel.textureCache!.push(kernel.texture.texture)
  const run = (): Result => {
    if (kernel.texture.texture._refs > 1) {
      kernel.texture.texture._refs--
      kernel.texture.texture = texture()
      made.push(kernel.texture.texture)
    }
    kernel.texture.texture._refs++
    return { ...kernel.texture, toArray: () => new Float32Array(6), delete() {} }
  }
  return { kernel, run, made }
}

it('a texture that holds nothing is written by the next launch of its shape, and by none while it is in use', () => {
  const pool = new Pool(1000, () => expect.fail('nothing is deleted below the limit'))
  const { kernel, run, made } = webgl()
  const one = pool.adopt(kernel, run())
  expect(one).toEqual({ raw: made[0], shape })
  // A destroyed kernel deletes what is in its cache.
  expect(kernel.textureCache).toEqual([])
  const two = pool.adopt(kernel, run())
  expect(two.raw).toBe(made[1])
  expect(two.raw).not.toBe(one.raw)
  pool.put(one.raw, shape, 24)
  expect(pool.bytes).toBe(24)
  pool.lend(kernel, '3x2 33326')
  expect(pool.bytes).toBe(24)
  pool.lend(kernel, shape)
  expect(kernel._textureSwitched).toBe(true)
  expect(pool.bytes).toBe(0)
  one.raw._refs = 1
  expect(pool.adopt(kernel, run()).raw).toBe(one.raw)
  expect(made).toHaveLength(2)
})

it('buffers of WebGPU are lent and taken back likewise', () => {
  const pool = new Pool(1000, () => expect.fail('nothing is deleted below the limit'))
  const buffer: GpuBuffer = { _refs: 1, size: 24, destroy() {} }
  const kernel: Output = { outputBuffer: buffer }
  const result: Result = { buffer, toArray: () => new Float32Array(6), delete() {} }
  expect(pool.adopt(kernel, result)).toEqual({ raw: buffer, shape: '24' })
  expect(kernel.outputBuffer).toBe(null)
  pool.put(buffer, '24', 24)
  pool.lend(kernel, '24')
  expect(kernel).toEqual({ outputBuffer: buffer, bindGroupDirty: true })
})

it('above its limit it deletes what was idle for longest', () => {
  const deleted: Raw[] = []
  const pool = new Pool(100, raw => deleted.push(raw))
  const raws = Array.from({ length: 5 }, texture)
  for (const [i, raw] of raws.slice(0, 4).entries()) pool.put(raw, `${i % 2}`, 30)
  expect(deleted).toEqual([raws[0]])
  expect(pool.bytes).toBe(90)
  pool.put(raws[4]!, 'large', 101)
  expect(deleted).toEqual(raws)
  expect(pool.bytes).toBe(0)
  const { kernel } = webgl()
  pool.lend(kernel, '0')
  expect(kernel._textureSwitched).toBeUndefined()
})
