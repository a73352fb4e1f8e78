import { afterEach, expect, it, vi } from 'vitest'
import { contract, type KernelName } from '../contract.js'
import { UnsupportedError } from '../shared/errors.js'
import { Fallbacks, jsKernelsOn } from '../shared/fallback.js'
import { createBackend } from './backend.js'
import { bytesOf } from './builds.js'
import { load } from './load.js'
import { Heap, newMemory } from './memory.js'
import type { Region } from './region.js'

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

it('the policy of a backend can be changed', () => {
  const wasm = createBackend(load())
  expect(wasm.policy).toBe('fallback')
  wasm.policy = 'throw'
  expect(wasm.policy).toBe('throw')
})

it('every kernel of the table is native in each of its dtypes', () => {
  const wasm = createBackend(load())
  for (const [kernel, { dtypes }] of Object.entries(contract)) {
    for (const dtype of dtypes) expect(wasm.supports(kernel as KernelName, dtype), kernel).toBe(true)
  }
  expect(wasm.supports('matmul', 'i32')).toMatch('matmul has a WebAssembly kernel for f32 and f64 only')
})

it('the module has a function for every dtype of a kernel, and for no other', () => {
  const { exports } = load()
  const typed = Object.entries(contract).filter(([kernel]) => kernel in exports)
  expect(typed.length).toBeGreaterThan(30)
  for (const [kernel, { dtypes }] of typed) {
    const functions = exports[kernel as 'cast']
    expect(Object.keys(functions), kernel).toEqual(dtypes)
    if (kernel === 'cast') for (const from of dtypes) expect(Object.keys(functions[from])).toEqual(dtypes)
  }
})

it('each build of the module is below 150 KB', () => {
  for (const build of ['plain', 'relaxed'] as const) expect(bytesOf(build).length).toBeLessThan(150 * 1024)
})

afterEach(() => vi.unstubAllGlobals())

it('both builds are unpacked alike by Node and by code of our own, and run', () => {
  for (const build of ['plain', 'relaxed'] as const) {
    const bytes = bytesOf(build)
    vi.stubGlobal('process', {})
    vi.stubGlobal('Buffer', undefined)
    const elsewhere = bytesOf(build)
    vi.unstubAllGlobals()
    expect(elsewhere).toEqual(bytes)
    expect(load(build).build).toBe(build)
  }
  expect(bytesOf('plain')).not.toEqual(bytesOf('relaxed'))
})
