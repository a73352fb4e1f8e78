import { ThreadError } from '@unravel/kernels'
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

/** Threads change no bit of a result, so a machine too busy to start them has one. */
async function startThreads(count: number, io: Io): Promise<void> {
  try {
    await setThreads(Math.min(count, MOST_THREADS))
  } catch (error) {
    if (!(error instanceof ThreadError)) throw error
    io.err('warning: no other thread could be started in time: one thread runs, with the same results\n')
  }
}

/**
 * Runs `body` with the threads of the process, and reports which kernels ran on another backend's code meanwhile, and how
 * often, so that no figure passes for a backend that did not run.
 */
export async function reportingFallbacks<T>(io: Io, backend: Backend, body: () => T | Promise<T>): Promise<T> {
  if (backend.name === 'wasm' && io.threads !== undefined) await startThreads(io.threads, io)
  const { result, left } = await countingFallbacks(backend, body)
  if (left.length > 0) io.err(`note: kernels that the ${backend.name} backend left to js: ${left.join(', ')}\n`)
  return result
}
