import { countingFallbacks } from '@unravel/report/data'
import { type Backend, js, setThreads, wasm } from '@unravel/tensor'
import { oneLine, UsageError } from './errors.js'
import type { Io } from './io.js'

export const backendNames = ['js', 'wasm', 'gpu'] as const
export type BackendName = (typeof backendNames)[number]

/** Beyond this many threads memory is the limit, not arithmetic. */
const MOST_THREADS = 8

/**
 * The backend of that name; wasm and one warning where `gpu` finds no graphics processor.
 *
 * @throws UsageError when gpu.js is not installed
 */
export async function backendNamed(name: BackendName, io: Io): Promise<Backend> {
  if (name !== 'gpu') return name === 'js' ? js() : wasm()
  const { GpuUnavailableError, gpu } = await import('@unravel/kernels/gpu')
  try {
    return await gpu({ otherwise: 'throw' })
  } catch (error) {
    const message = oneLine((error as Error).message)
    if (!(error instanceof GpuUnavailableError)) throw new UsageError(`--backend gpu: ${message}`)
    io.err(`warning: --backend gpu: ${message}: the wasm backend runs instead\n`)
    return wasm()
  }
}

/**
 * Runs `body` with the threads of the process, and reports which kernels ran on another backend's code meanwhile, and how
 * often, so that no figure passes for a backend that did not run.
 */
export async function reportingFallbacks<T>(io: Io, backend: Backend, body: () => T | Promise<T>): Promise<T> {
  if (backend.name === 'wasm' && io.threads !== undefined) await setThreads(Math.min(io.threads, MOST_THREADS))
  const { result, left } = await countingFallbacks(backend, body)
  if (left.length > 0) io.err(`note: kernels that the ${backend.name} backend left to js: ${left.join(', ')}\n`)
  return result
}
