import { type Backend, js, wasm } from '@unravel/tensor'
import { UsageError } from './errors.js'
import type { Io } from './io.js'

export const backendNames = ['js', 'wasm', 'gpu'] as const
export type BackendName = (typeof backendNames)[number]

/** @throws UsageError for a backend that this version does not have. */
export function backendNamed(name: BackendName): Backend {
  if (name === 'gpu') throw new UsageError('--backend gpu: this version has no GPU backend yet; use wasm or js')
  return name === 'js' ? js() : wasm()
}

/**
 * Says which kernels ran on another backend's code while `body` ran, and how often, so that no figure passes for a
 * backend that did not run.
 */
export async function reportingFallbacks<T>(io: Io, backend: Backend, body: () => T | Promise<T>): Promise<T> {
  const before = new Map(backend.fallbacks())
  const result = await body()
  const ran: string[] = []
  for (const [kernel, times] of backend.fallbacks()) {
    const here = times - (before.get(kernel) ?? 0)
    if (here > 0) ran.push(`${kernel} ×${here}`)
  }
  if (ran.length > 0) io.err(`note: kernels that the ${backend.name} backend left to js: ${ran.join(', ')}\n`)
  return result
}
