import { GpuContextLostError, GpuUnavailableError, gpu } from '@unravel/kernels/gpu'
import { describe, expect, it, vi } from 'vitest'
import { js } from './devices.js'

// What surrounds the kernels: choosing a device, doing without one, losing it.

describe('gpu()', () => {
  it('takes WebGL2 where it is asked for nothing', async () => {
    const backend = await gpu({ otherwise: 'throw' })
    expect(backend.info()).toMatchObject({ mode: 'webgl2', kernelClass: 'WebGL2Kernel' })
  })

  it('without a device warns once and gives wasm, or throws', async () => {
    class Refusing {
      constructor() {
        throw new Error('no such context')
      }
    }
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const backend = await gpu({ GPU: Refusing })
    expect(backend.name).toBe('wasm')
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn.mock.calls[0]![0]).toMatch(/wasm backend runs instead/)
    warn.mockRestore()
    await expect(gpu({ GPU: Refusing, otherwise: 'throw' })).rejects.toThrow(GpuUnavailableError)
    await expect(gpu({ mode: 'headlessgl', otherwise: 'throw' })).rejects.toThrow(GpuUnavailableError)
    await expect(gpu({ mode: 'gpu' as 'webgl' })).rejects.toThrow(RangeError)
  })

  it('keeps no more kernels than it is told', async () => {
    const backend = await gpu({ mode: 'webgl2', otherwise: 'throw', kernels: 4 })
    for (let n = 1; n <= 20; n++) {
      const x = backend.alloc('f32', n)
      backend.kernels.fill(n, x)
      expect((await backend.read(x))[n - 1]).toBe(n)
      backend.release(x)
    }
    expect(backend.info().cached).toBe(4)
    const { bytes, buffers, reserved } = backend.memory()
    expect([bytes, buffers]).toEqual([0, 0])
    // One free texture for every kernel that is kept.
    expect(reserved).toBeLessThanOrEqual(4 * 4 * 20)
    // Results outlive the bound.
    const alive = Array.from({ length: 10 }, (_, i) => {
      const x = backend.alloc('f32', 30 + i)
      backend.kernels.fill(i, x)
      return x
    })
    for (const [i, x] of alive.entries()) {
      expect((await backend.read(x))[29 + i]).toBe(i)
      backend.release(x)
    }
  })

  it('a lost context is one clear error, and other backends are unharmed', async () => {
    const contexts: WebGL2RenderingContext[] = []
    const { getContext } = HTMLCanvasElement.prototype
    const spy = vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockImplementation(function (
      this: HTMLCanvasElement,
      ...args: unknown[]
    ) {
      const context = (getContext as (...a: unknown[]) => unknown).apply(this, args)
      contexts.push(context as WebGL2RenderingContext)
      return context as null
    })
    const backend = await gpu({ mode: 'webgl2', otherwise: 'throw' })
    spy.mockRestore()
    const x = backend.alloc('f32', 3)
    backend.kernels.fill(2, x)
    for (const context of contexts) context.getExtension('WEBGL_lose_context')!.loseContext()
    expect(() => backend.kernels.fill(1, x)).toThrow(GpuContextLostError)
    await expect(backend.read(x)).rejects.toThrow(GpuContextLostError)
    const y = js().alloc('f32', 3)
    js().kernels.fill(1, y)
    expect([...(await js().read(y))]).toEqual([1, 1, 1])
  })
})
