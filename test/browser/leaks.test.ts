import { gpu } from '@unravel/kernels/gpu'
import { memory } from '@unravel/tensor'
import { expect, it } from 'vitest'
import { device, modes } from './devices.js'
import { losses } from './tower.js'

// Objects that the browser has made and not deleted, by its own calls: textures on WebGL, buffers on WebGPU.

const live = new Set<unknown>()
let made = 0

type Prototype = Record<string, (...args: unknown[]) => unknown>

function watch(
  prototype: Prototype,
  create: string,
  gone: (self: unknown, argument: unknown) => unknown,
  owner: Prototype,
  end: string,
) {
  const [make, remove] = [prototype[create]!, owner[end]!]
  prototype[create] = function (...args) {
    const object = make.apply(this, args)
    live.add(object)
    made++
    return object
  }
  owner[end] = function (...args) {
    live.delete(gone(this, args[0]))
    return remove.apply(this, args)
  }
}

const gl = WebGL2RenderingContext.prototype as unknown as Prototype
watch(gl, 'createTexture', (_, texture) => texture, gl, 'deleteTexture')
if (modes.includes('webgpu')) {
  const { GPUDevice, GPUBuffer } = globalThis as unknown as Record<string, { prototype: Prototype }>
  watch(GPUDevice!.prototype, 'createBuffer', self => self, GPUBuffer!.prototype, 'destroy')
}

it.each(modes)('two hundred training steps on %s leave nothing on the device', async mode => {
  const backend = await device(mode)
  backend.policy = 'fallback'
  const state = () => {
    const { bytes, buffers, reserved } = memory(backend)
    // The pool is warm after the first steps: not one object is made any more.
    return { objects: live.size, made, bytes, buffers, reserved, compiled: backend.info().compiled }
  }
  let [early, late] = [state(), state()]
  const after = (step: number) => {
    if (step === 20) early = state()
    if (step === 200) late = state()
  }
  for (const how of ['sgd', 'adamw'] as const) {
    const before = { made, launches: backend.info().launches }
    const curve = await losses(backend, how, 200, 1, after)
    const launches = backend.info().launches - before.launches
    console.log(`${mode}, ${how}: ${JSON.stringify(late)}, ${made - before.made} made for ${launches} launches`)
    expect(late).toEqual(early)
    expect(memory(backend)).toMatchObject({ bytes: 0, buffers: 0 })
    expect(curve[199]).toBeLessThan(curve[0]! / 2)
  }
})

it.each(modes)('what is idle on %s never exceeds the pool, with kernels coming and going', async mode => {
  for (const pool of [0, 1000]) {
    const backend = await gpu({ mode, otherwise: 'throw', kernels: 4, pool })
    const round = async () => {
      for (let n = 1; n <= 30; n++) {
        const [x, y] = [backend.alloc('f32', n), backend.alloc('f32', n)]
        for (const value of [1, 2]) {
          backend.kernels.fill(value, x)
          backend.kernels.fill(n, y)
          backend.kernels.copy([n], x, 0, [1], y, 0, [1])
          expect([...(await backend.read(y))]).toEqual(Array(n).fill(value))
        }
        backend.release(x)
        backend.release(y)
      }
      expect(backend.memory()).toMatchObject({ bytes: 0, buffers: 0 })
      expect(backend.memory().reserved).toBeLessThanOrEqual(pool)
      return live.size
    }
    const once = await round()
    expect(await round()).toBe(once)
  }
})
