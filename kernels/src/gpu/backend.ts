import type { Backend, DType, FallbackPolicy, KernelName, Kernels } from '../contract.js'
import { CountedBackend } from '../shared/backend.js'
import { Fallbacks } from '../shared/policy.js'
import type { Context } from './context.js'
import { conv2dKernels } from './conv2d.js'
import { copyKernels } from './copy.js'
import { type Device, type GpuMode, kernelClasses } from './device.js'
import { elementwiseKernels } from './elementwise.js'
import { jsOnDevice, ownOrJs } from './fallback.js'
import { gatherKernels } from './gather.js'
import { matmulKernels } from './matmul.js'
import { TexelHeap, type Texels } from './memory.js'
import { optimiseKernels } from './optimise.js'
import { reduceKernels } from './reduce.js'
import { rowKernels } from './rows.js'
import { seriesKernels } from './series.js'

export interface GpuInfo {
  readonly mode: GpuMode
  /** The class of gpu.js kernel that ran. */
  readonly kernelClass: string
  /** The graphics processor as its driver names it; a name with SwiftShader or llvmpipe in it is a processor in disguise. */
  readonly renderer: string
  /** Kernels that were compiled so far, those that are kept, and how often any of them ran. */
  readonly compiled: number
  readonly cached: number
  readonly launches: number
}

export interface GpuBackend extends Backend<Texels> {
  readonly name: 'gpu'
  readonly renderer: string
  info(): GpuInfo
}

/** Kernels that stay on the processor, and why. */
const batchNorms = 'batch norm is made of other kernels on the device'
const elsewhere: Partial<Record<KernelName, string>> = {
  random: 'random numbers come from the js kernel, so that every backend makes the same bits',
  batchMoments: batchNorms,
  batchNorm: batchNorms,
  batchNormGrad: batchNorms,
  argsort: 'sorting takes steps that depend on the numbers',
  cast: 'conversions between dtypes are made where f64 and i32 live, outside the device',
}

function supports(kernel: KernelName, dtype: DType): true | string {
  if (elsewhere[kernel] !== undefined) return elsewhere[kernel]
  if (dtype === 'f32') return true
  const reason = dtype === 'f64' ? 'graphics processors have no f64 here' : 'i32 buffers stay outside the device'
  return `${reason}; the js kernel runs ${kernel} on ${dtype}`
}

class OnDevice extends CountedBackend<Texels> implements GpuBackend {
  readonly name = 'gpu'
  readonly renderer: string
  readonly #device: Device

  constructor(device: Device, policy: FallbackPolicy) {
    const heap = new TexelHeap(device)
    const fallbacks = new Fallbacks('gpu', supports)
    fallbacks.policy = policy
    const js = jsOnDevice(heap, fallbacks)
    const native = {} as Kernels<Texels>
    const context: Context = { device, heap, js, native }
    const own = {
      ...copyKernels(context),
      ...elementwiseKernels(context),
      ...reduceKernels(context),
      ...matmulKernels(context),
      ...optimiseKernels(context),
      ...conv2dKernels(context),
      ...rowKernels(context),
      ...gatherKernels(context),
      ...seriesKernels(context),
    }
    super(Object.assign(native, ownOrJs(own, js, fallbacks)), heap, fallbacks)
    this.#device = device
    this.renderer = device.renderer()
  }

  info(): GpuInfo {
    const { mode, compiled, cached, launches } = this.#device
    return { mode, kernelClass: kernelClasses[mode], renderer: this.renderer, compiled, cached, launches }
  }
}

/** The backend on one device. */
export const createGpuBackend = (device: Device, policy: FallbackPolicy): GpuBackend => new OnDevice(device, policy)
