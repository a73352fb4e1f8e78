import type { Backend, FallbackPolicy } from '../contract.js'
import { createGpuBackend, type GpuBackend } from './backend.js'
import { Device, type GpuClass, type GpuMode, kernelClasses } from './device.js'

export { DisposedError } from '../shared/counted.js'
export type { GpuBackend, GpuInfo } from './backend.js'
export { type GpuClass, GpuContextLostError, type GpuMode } from './device.js'
export { type Storage, Texels } from './memory.js'

export interface GpuOptions {
  /** The class `GPU` of gpu.js; without it the package gpu.js is imported. */
  readonly GPU?: GpuClass
  /** Exactly this mode of gpu.js. Default: the first of webgl2, webgl, headlessgl that works. */
  readonly mode?: GpuMode
  /** Kernels without a device version run on the processor and are counted (`fallback`, the default), or throw. */
  readonly policy?: FallbackPolicy
  /** On a machine without such a device, `wasm` (the default) gives the WebAssembly backend and one warning,
   *  `throw` throws. */
  readonly otherwise?: 'wasm' | 'throw'
  /** How many compiled kernels are kept. Default 512. */
  readonly kernels?: number
  /** Bytes of textures (on WebGPU, buffers) that are kept for the next results when nothing stands in them. Default 256 MiB. */
  readonly pool?: number
}

/** The machine has no device for this mode. */
export class GpuUnavailableError extends Error {
  override readonly name = 'GpuUnavailableError'
}

async function importGpu(): Promise<GpuClass> {
  let module: { readonly GPU?: GpuClass; readonly default?: unknown }
  try {
    module = (await import('gpu.js')) as unknown as typeof module
  } catch (cause) {
    throw new Error(
      'The gpu backend needs the package gpu.js, which is not installed: add it with `npm install gpu.js@2.24.1`, ' +
        'or pass its class as `gpu({ GPU })`.',
      { cause },
    )
  }
  const inner = module.default as { readonly GPU?: GpuClass } | GpuClass | undefined
  return module.GPU ?? (inner as { readonly GPU?: GpuClass })?.GPU ?? (inner as GpuClass)
}

/** The backend in one mode, after a kernel has run there and given the right numbers. */
async function open(
  GPU: GpuClass,
  mode: GpuMode,
  kernels: number,
  pool: number,
  policy: FallbackPolicy,
): Promise<GpuBackend> {
  const device = new Device(GPU, mode, kernels, pool)
  const probe = device.upload(Float32Array.of(1.5, -2, 0.25))
  const back = await device.read(probe)
  device.free(probe)
  if (back.length !== 3 || back[0] !== 1.5 || back[1] !== -2 || back[2] !== 0.25) {
    throw new Error(`${kernelClasses[mode]} gave back ${[...back].join(', ')} for 1.5, -2, 0.25`)
  }
  return createGpuBackend(device, policy)
}

/**
 * The backend on the graphics processor, through gpu.js, in f32; kernels in f64 or i32 run as js kernels and are
 * counted in `fallbacks()`. Only modes that run on a graphics processor are asked for, and the class of kernel that ran is
 * checked: see `info()`. WebGPU is opt-in (`mode: 'webgpu'`) and has no `dataSync()`.
 *
 * Throws when gpu.js is not installed; without a device it warns and gives `wasm()`, or throws `GpuUnavailableError`.
 */
export async function gpu(options: GpuOptions & { readonly otherwise: 'throw' }): Promise<GpuBackend>
export async function gpu(options?: GpuOptions): Promise<Backend>
export async function gpu(options: GpuOptions = {}): Promise<Backend> {
  const { kernels = 512, pool = 2 ** 28, policy = 'fallback' } = options
  if (!(Number.isInteger(kernels) && kernels > 0))
    throw new RangeError(`kernels must be a positive integer, got ${kernels}`)
  if (!(pool >= 0)) throw new RangeError(`pool must be a number of bytes, 0 or more, got ${pool}`)
  const GPU = options.GPU ?? (await importGpu())
  const modes: readonly GpuMode[] = options.mode === undefined ? ['webgl2', 'webgl', 'headlessgl'] : [options.mode]
  const reasons: string[] = []
  for (const mode of modes) {
    if (kernelClasses[mode] === undefined) {
      throw new RangeError(`mode must be one of ${Object.keys(kernelClasses).join(', ')}, got ${String(mode)}`)
    }
    try {
      return await open(GPU, mode, kernels, pool, policy)
    } catch (error) {
      reasons.push(`${mode}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const message = `There is no graphics processor that gpu.js can use here (${reasons.join('; ')})`
  if (options.otherwise === 'throw') throw new GpuUnavailableError(message)
  console.warn(`${message}: the wasm backend runs instead.`)
  const { wasm } = await import('../wasm/index.js')
  return wasm()
}
