import type { Kernels } from '../contract.js'
import type { Device } from './device.js'
import type { TexelHeap, Texels } from './memory.js'

/** The device, the buffers, and the js version of every kernel, which every file of kernels needs. */
export interface Context {
  readonly device: Device
  readonly heap: TexelHeap
  readonly js: Kernels<Texels>
  /** The backend's own kernels, for kernels that call each other. */
  readonly native: Kernels<Texels>
}
