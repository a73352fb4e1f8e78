import { expect, it, vi } from 'vitest'
import { UnsupportedError } from '../shared/errors.js'
import { Fallbacks } from '../shared/policy.js'
import { Heap, newMemory } from '../wasm/memory.js'
import type { Region } from '../wasm/region.js'
import { jsKernelsOn } from './fallback.js'

const jsOnHeap = (heap: Heap, fallbacks: Fallbacks) =>
  jsKernelsOn<Region>(fallbacks, (_kernel, _dtype, buffers) => buffers.map(buffer => heap.array(buffer)))

it('kernels that are not native run as js kernels, are announced once, and counted', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const heap = new Heap(newMemory(1), 0)
  const fallbacks = new Fallbacks('wasm', kernel => `${kernel} has no code`)
  const js = jsOnHeap(heap, fallbacks)
  const x = heap.alloc('f64', 3)
  js.fill(2, x)
  js.map('square', x, x)
  js.map('square', x, x)
  expect([...heap.array(x)]).toEqual([16, 16, 16])
  expect([...fallbacks.counts]).toEqual([
    ['fill f64', 1],
    ['map f64', 2],
  ])
  expect(warn).toHaveBeenCalledOnce()
  expect(warn.mock.calls[0]![0]).toMatch(/fill on f64 as a js kernel: fill has no code/)
  warn.mockRestore()
})

it('kernels that are not native throw by policy', () => {
  const heap = new Heap(newMemory(1), 0)
  const fallbacks = new Fallbacks('wasm', kernel => `${kernel} has no code`)
  fallbacks.policy = 'throw'
  const js = jsOnHeap(heap, fallbacks)
  const [index, x] = [heap.alloc('i32', 3), heap.alloc('f32', 3)]
  expect(() => js.gather(1, 3, 1, index, x, x)).toThrow(UnsupportedError)
  expect(() => js.gather(1, 3, 1, index, x, x)).toThrow(
    /gather on f32 is not native on the wasm backend: gather has no/,
  )
  expect(fallbacks.counts.size).toBe(0)
})
