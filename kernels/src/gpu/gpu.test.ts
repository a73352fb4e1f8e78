import { afterEach, expect, it, vi } from 'vitest'
import { GpuUnavailableError, gpu } from './index.js'

// What can be said without a graphics processor; the kernels are tested in a browser, in test/browser.

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

it('a kernel of another class than was asked for is refused', async () => {
  // What gpu.js does on its own where a kernel cannot be had: it answers from the processor.
  class Pretending {
    readonly Kernel = class WebGL2Kernel {}
    addFunction() {}
    createKernel() {
      const run = (x: Float32Array) => ({ toArray: () => x, delete() {} })
      return Object.assign(run, { kernel: new (class CPUKernel {})(), destroy() {} })
    }
  }
  await expect(gpu({ GPU: Pretending, mode: 'webgl2', otherwise: 'throw' })).rejects.toThrow('ran CPUKernel')
})
