import type { Backend, Buffer, Kernels, TypedArray } from '@unravel/kernels'

/**
 * A kernel of a backend. The reference backend holds only what nearly every op needs until `js()` asks for all of it; an op
 * brings its other kernels, so that a bundle has those of its ops and no more.
 */
export function kernelOf<K extends keyof Kernels<Buffer>>(
  backend: Backend,
  name: K,
  reference: Kernels<TypedArray>[K],
): Kernels<Buffer>[K] {
  const kernels = backend.kernels as Partial<Kernels<Buffer>>
  return (kernels[name] ??= reference as unknown as Kernels<Buffer>[K])!
}
