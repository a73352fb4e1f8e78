import type { Backend } from '@unravel/kernels'
import { GpuContextLostError, GpuUnavailableError, gpu } from '@unravel/kernels/gpu'
import { add, mul, tensor } from '@unravel/tensor'
import { describe, expect, it, vi } from 'vitest'
import { js, modes, wasm } from './devices.js'

// Around the kernels: choosing a device, doing without one, losing it.

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
    expect(backend.memory()).toMatchObject({ bytes: 0, buffers: 0 })
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

  it('a lost context is one clear error, and tensors on the processor are unharmed', async () => {
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
    await losing(backend, () => {
      for (const context of contexts) context.getExtension('WEBGL_lose_context')!.loseContext()
    })
    // A new one can be had.
    const again = await gpu({ mode: 'webgl2', otherwise: 'throw' })
    const x = tensor(Float32Array.of(1, 2), { backend: again })
    expect([...(await add(x, 1).data())]).toEqual([2, 3])
  })

  it('so is a lost WebGPU device', async () => {
    if (!modes.includes('webgpu')) return
    const { GPUAdapter } = globalThis as unknown as { GPUAdapter: { prototype: Adapter } }
    const devices: Lost[] = []
    const { requestDevice } = GPUAdapter.prototype
    GPUAdapter.prototype.requestDevice = async function (...args) {
      const device = await requestDevice.apply(this, args)
      devices.push(device)
      return device
    }
    const backend = await gpu({ mode: 'webgpu', otherwise: 'throw' })
    GPUAdapter.prototype.requestDevice = requestDevice
    expect(devices).toHaveLength(1)
    await losing(backend, async () => {
      for (const device of devices) {
        device.destroy()
        await device.lost
      }
    })
  })
})

interface Lost {
  destroy(): void
  readonly lost: Promise<unknown>
}
interface Adapter {
  requestDevice(...args: unknown[]): Promise<Lost>
}

/** The state after `lose` has taken the device away. */
async function losing(backend: Backend, lose: () => unknown): Promise<void> {
  const numbers = Float32Array.of(1, 2, 3)
  const others = [js(), wasm()].map(on => tensor(numbers, { backend: on }))
  const x = tensor(numbers, { backend })
  const y = add(x, 1)
  expect([...(await y.data())]).toEqual([2, 3, 4])
  await lose()
  expect(() => add(x, y)).toThrow(GpuContextLostError)
  await expect(y.data()).rejects.toThrow(GpuContextLostError)
  await expect(y.data()).rejects.toThrow(/^The graphics context was lost .*tensors on js and wasm are unharmed\.$/)
  // Letting go of what is lost is no error.
  for (const t of [x, y]) for (const d of t.dense()) d.dispose()
  for (const t of others) expect([...(await mul(t, 2).data())]).toEqual([2, 4, 6])
}
