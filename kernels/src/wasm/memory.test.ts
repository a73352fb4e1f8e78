import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { DisposedError } from '../shared/counted.js'
import { createBackend } from './backend.js'
import { load } from './load.js'
import { Heap, newMemory } from './memory.js'

const backend = () => createBackend(load())

describe('buffers of the wasm backend', () => {
  it('buffers are freed by their last owner, and throw when used after', () => {
    const wasm = backend()
    const x = wasm.alloc('f64', 10)
    const view = wasm.view(x, 2, 3)
    wasm.retain(x)
    wasm.release(x)
    expect(wasm.memory()).toMatchObject({ bytes: 80, buffers: 1 })
    wasm.kernels.fill(2, x)
    expect(wasm.readSync!(view)).toEqual(Float64Array.of(2, 2, 2))
    wasm.release(x)
    expect(wasm.memory()).toMatchObject({ bytes: 0, buffers: 0 })
    for (const use of [
      () => wasm.kernels.fill(1, x),
      () => wasm.readSync!(view),
      () => wasm.write(x, new Float64Array(10)),
      () => wasm.retain(x),
      () => wasm.release(x),
      () => wasm.view(x, 0, 1),
    ]) {
      expect(use).toThrow(DisposedError)
      expect(use).toThrow(/f64\[\d+\]\) was released/)
    }
  })

  it('keep their numbers when the memory grows', () => {
    const wasm = backend()
    const x = wasm.alloc('f32', 1000)
    const data = Float32Array.from({ length: 1000 }, (_, i) => i)
    wasm.write(x, data)
    const before = wasm.memory().reserved
    const big = wasm.alloc('f64', before / 4)
    expect(wasm.memory().reserved).toBeGreaterThan(before)
    expect(wasm.readSync!(x)).toEqual(data)
    wasm.release(big)
    wasm.release(x)
  })

  it('refuse data of another length', () => {
    const wasm = backend()
    const x = wasm.alloc('f32', 3)
    expect(() => wasm.write(x, new Float32Array(4))).toThrow('the buffer has 3 elements, the data 4')
  })

  it('buffers without a valid dtype and length are refused', () => {
    const wasm = backend()
    for (const length of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => wasm.alloc('f32', length)).toThrow(`an integer of at least 0, got f32 and ${length}`)
    }
    expect(() => wasm.alloc('f16' as 'f32', 1)).toThrow('got f16 and 1')
    expect(wasm.memory()).toMatchObject({ bytes: 0, buffers: 0 })
  })

  it('say what is held when the memory is exhausted, and go on', () => {
    const memory = newMemory(1)
    const heap = new Heap(memory, 0, 4 * 65_536)
    const x = heap.alloc('f32', 1000)
    expect(() => heap.alloc('f64', 10 ** 6)).toThrow(
      /Out of WebAssembly memory: f64\[1000000\] needs 7\.6 MiB, 1 live buffers hold 0\.0 MiB.*at most 0\.3 MiB/,
    )
    expect(() => heap.alloc('f64', 2 ** 40)).toThrow(RangeError)
    const y = heap.alloc('f32', 1000)
    heap.release(x)
    heap.release(y)
    expect(heap.report()).toMatchObject({ bytes: 0, buffers: 0 })
  })

  it('steady work reserves nothing new', () => {
    const wasm = backend()
    const step = () => {
      const [a, b, c] = [wasm.alloc('f32', 5000), wasm.alloc('f64', 333), wasm.alloc('i32', 7)]
      wasm.release(b)
      const d = wasm.alloc('f64', 900)
      for (const x of [a, c, d]) wasm.release(x)
    }
    step()
    const { reserved } = wasm.memory()
    for (let i = 0; i < 10_000; i++) step()
    expect(wasm.memory()).toEqual({ bytes: 0, buffers: 0, reserved })
  })

  /** Runs a module that has `backend`, in a process of its own; returns its output. */
  async function alone(body: string, ...flags: string[]): Promise<unknown> {
    const index = JSON.stringify(new URL('./index.ts', import.meta.url).href)
    const source = `const backend = (await import(${index})).wasm()\n${body}`
    const cwd = fileURLToPath(new URL('../../..', import.meta.url))
    const args = [...flags, '--import', 'tsx', '--input-type=module', '--eval', source]
    return JSON.parse((await promisify(execFile)(process.execPath, args, { cwd })).stdout)
  }

  it('come back through the garbage collector when they are watched and forgotten', async () => {
    const body = `
      const kept = backend.alloc('f64', 1000)
      backend.watch(kept)
      for (let i = 0; i < 50; i++) backend.watch(backend.alloc('f64', 1000))
      const unwatched = backend.alloc('f64', 200)
      backend.watch(unwatched)
      backend.unwatch(unwatched)
      for (let i = 0; i < 200 && backend.memory().buffers > 2; i++) {
        globalThis.gc()
        await new Promise(resolve => setTimeout(resolve, 5))
      }
      console.log(JSON.stringify([backend.memory().bytes, kept.length]))`
    expect(await alone(body, '--expose-gc')).toEqual([9600, 1000])
  })

  it('that are small come back with the slab they lie in, never while one of it lives', async () => {
    const body = `
      const kept = []
      for (let i = 0; i < 10_000; i++) {
        const x = backend.alloc('f32', 16)
        backend.kernels.fill(i, x)
        if (i % 1000 === 0) kept.push(x)
      }
      for (let i = 0; i < 200 && backend.memory().buffers > 9 * 256; i++) {
        globalThis.gc()
        await new Promise(resolve => setTimeout(resolve, 5))
      }
      console.log(JSON.stringify([backend.memory().buffers, kept.map(x => backend.readSync(x)[15])]))`
    const [buffers, values] = (await alone(body, '--expose-gc')) as [number, number[]]
    // Ten slabs of 256, and the one that is filled now.
    expect(buffers).toBeLessThan(11 * 256)
    expect(values).toEqual(Array.from({ length: 10 }, (_, i) => 1000 * i))
  })

  it('make the garbage collector look: a million forgotten results stay within few megabytes', async () => {
    const forget = (length: number, count: number) => `
      for (let i = 0; i < ${count}; i++) {
        backend.watch(backend.alloc('f32', ${length}))
        if (i % 1000 === 0) await new Promise(resolve => setImmediate(resolve))
      }`
    const report = 'console.log(backend.memory().reserved / 2 ** 20)'
    expect(await alone(forget(16, 1e6) + report)).toBeLessThan(32)
    expect(await alone(forget(1000, 2e5) + report)).toBeLessThan(300)
  }, 60_000)

  it('that are small are poison too, and leave their slab to others', () => {
    const wasm = backend()
    const many = Array.from({ length: 1000 }, (_, i) => wasm.alloc('f32', i % 257))
    many.forEach((x, i) => {
      wasm.kernels.fill(i, x)
    })
    many.forEach((x, i) => {
      expect(wasm.readSync!(x)).toEqual(new Float32Array(i % 257).fill(i))
    })
    const { reserved } = wasm.memory()
    expect(wasm.memory()).toMatchObject({ bytes: many.reduce((s, x) => s + 4 * x.length, 0), buffers: 1000 })
    for (const x of many) wasm.release(x)
    expect(wasm.memory()).toEqual({ bytes: 0, buffers: 0, reserved })
    expect(() => wasm.release(many[3]!)).toThrow(DisposedError)
  })
})
