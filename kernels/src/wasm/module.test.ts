import { afterEach, expect, it, vi } from 'vitest'
import { contract, type KernelName } from '../contract.js'
import { createBackend } from './backend.js'
import { bytesOf } from './builds.js'
import { load } from './load.js'

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
