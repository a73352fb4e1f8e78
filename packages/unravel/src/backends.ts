import { type Backend, js, setThreads, wasm } from '@unravel/tensor'
import { UsageError } from './errors.js'
import type { Io } from './io.js'

export const backendNames = ['js', 'wasm', 'gpu'] as const
export type BackendName = (typeof backendNames)[number]

/** Beyond this many threads memory is the limit, not arithmetic. */
const MOST_THREADS = 8

/** @throws UsageError for a backend that this version does not have. */
export function backendNamed(name: BackendName): Backend {
  if (name === 'gpu')
    throw new UsageError(
      '--backend gpu: the GPU backend runs in browsers (@unravel/kernels/gpu); on the command line use wasm or js',
    )
  return name === 'js' ? js() : wasm()
}

/**
 * Runs `body` with the threads that there are, and says which kernels ran on another backend's code meanwhile, and how
 * often, so that no figure passes for a backend that did not run.
 */
export async function reportingFallbacks<T>(io: Io, backend: Backend, body: () => T | Promise<T>): Promise<T> {
  if (backend.name === 'wasm' && io.threads !== undefined) await setThreads(Math.min(io.threads, MOST_THREADS))
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
