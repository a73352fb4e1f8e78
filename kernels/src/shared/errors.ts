import type { DType, KernelName } from '../contract.js'

/** A kernel has no code of the backend's own for a dtype, and the backend's policy is to throw. */
export class UnsupportedError extends Error {
  override readonly name = 'UnsupportedError'
  readonly kernel: KernelName
  readonly dtype: DType

  constructor(backend: string, kernel: KernelName, dtype: DType, reason: string) {
    super(
      `${kernel} on ${dtype} is not native on the ${backend} backend: ${reason}. ` +
        "Set the backend's policy to 'fallback' to run it on the js kernel, or use the js backend.",
    )
    this.kernel = kernel
    this.dtype = dtype
  }
}
