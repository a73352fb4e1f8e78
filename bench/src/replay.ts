import type { Backend, Buffer, Region } from '@unravel/kernels'
import type { Contender } from './types.js'

type Call = () => void
type Kernel = (...args: unknown[]) => void

/** A backend that notes every call of a kernel, and keeps the buffers of the calls alive. */
function noting(backend: Backend, calls: Call[], held: Set<Buffer>): Backend {
  const hold = (argument: unknown) => {
    // Views have no references of their own.
    const owner = (argument as Region | null)?.owner
    if (owner === undefined || held.has(owner)) return
    backend.retain(owner)
    held.add(owner)
  }
  const kernels = Object.fromEntries(
    Object.entries(backend.kernels).map(([name, kernel]) => [
      name,
      (...args: unknown[]) => {
        args.forEach(hold)
        calls.push(() => (kernel as Kernel)(...args))
        ;(kernel as Kernel)(...args)
      },
    ]),
  )
  return { ...backend, kernels: kernels as unknown as Backend['kernels'] }
}

/**
 * The kernels that some work calls, in their order and on their buffers, and nothing else: what remains of the work's own time is
 * dispatch, allocation and tape. `prepare` makes the work on the backend it is given; results come from there.
 */
export function kernelsOf(backend: Backend, prepare: (backend: Backend) => Contender): Contender {
  const calls: Call[] = []
  const held = new Set<Buffer>()
  const work = prepare(noting(backend, calls, held))
  return {
    ...work,
    name: 'its kernels',
    result: () => {
      calls.length = 0
      return work.result()
    },
    run: () => {
      for (let i = 0; i < (work.calls ?? 1); i++) for (const call of calls) call()
    },
    dispose: async () => {
      for (const buffer of held) backend.release(buffer)
      await work.dispose?.()
    },
  }
}
