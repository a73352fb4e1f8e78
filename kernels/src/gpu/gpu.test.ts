import { afterEach, expect, it, vi } from 'vitest'
import { GpuUnavailableError, gpu } from './index.js'

// Behaviour without a graphics processor; the kernels are tested in a browser, in test/browser.

afterEach(() => {
  vi.doUnmock('gpu.js')
  vi.restoreAllMocks()
})

it('without gpu.js the error names the package to add', async () => {
  vi.doMock('gpu.js', () => {
    throw new Error("Cannot find package 'gpu.js'")
  })
  await expect(gpu()).rejects.toThrow('npm install gpu.js@2.24.1')
})

it('where there is no WebGL, wasm runs with one warning, or GpuUnavailableError is thrown', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  expect((await gpu({ mode: 'webgl2' })).name).toBe('wasm')
  expect(warn).toHaveBeenCalledTimes(1)
  await expect(gpu({ mode: 'webgl2', otherwise: 'throw' })).rejects.toThrow(GpuUnavailableError)
  await expect(gpu({ mode: 'webgpu', otherwise: 'throw' })).rejects.toThrow(GpuUnavailableError)
})

// gpu.js on its own answers from the processor where a kernel cannot be had.
class WebGL2Kernel {
  readonly context = { RENDERER: 0, getExtension: () => null, getParameter: () => 'a renderer' }
}
class CPUKernel {}

/** A gpu.js whose kernels after the first `right` ones are the processor's. */
const pretending = (right: number) => {
  let made = 0
  return class {
    readonly Kernel = WebGL2Kernel
    addFunction() {}
    createKernel() {
      const run = (x: Float32Array) => ({ buffer: { _refs: 1, size: x.byteLength }, toArray: () => x, delete() {} })
      return Object.assign(run, { kernel: made++ < right ? new WebGL2Kernel() : new CPUKernel(), destroy() {} })
    }
  }
}

it('a kernel of another class than was asked for is refused, be it the first or a later one', async () => {
  const options = { mode: 'webgl2', otherwise: 'throw' } as const
  await expect(gpu({ GPU: pretending(0), ...options })).rejects.toThrow('ran CPUKernel')
  const backend = await gpu({ GPU: pretending(1), ...options })
  expect(backend.info()).toMatchObject({ kernelClass: 'WebGL2Kernel', renderer: 'a renderer' })
  const x = backend.alloc('f32', 3)
  expect(() => backend.kernels.fill(1, x)).toThrow('ran CPUKernel')
})

it('bounds that are none are refused by name', async () => {
  await expect(gpu({ kernels: 0 })).rejects.toThrow('kernels must be a positive integer, got 0')
  await expect(gpu({ pool: -1 })).rejects.toThrow('pool must be a number of bytes, 0 or more, got -1')
})
