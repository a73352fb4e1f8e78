import type { Backend, Buffer, Region } from '@unravel/kernels'
import type { Contender } from './types.js'

type Call = () => void
type Kernel = (...args: unknown[]) => void

/** Kernels that are matrix products. */
const products: ReadonlySet<string> = new Set(['matmul', 'linear'])

/** A backend that notes every call of some kernels, and keeps the buffers of the calls alive. */
function noting(backend: Backend, calls: Call[], held: Set<Buffer>, noted: (name: string) => boolean): Backend {
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
      noted(name)
        ? (...args: unknown[]) => {
            args.forEach(hold)
            calls.push(() => (kernel as Kernel)(...args))
            ;(kernel as Kernel)(...args)
          }
        : kernel,
    ]),
  )
  // Methods of a backend reach its private fields, which only the backend itself has.
  return new Proxy(backend, {
    get(of, name) {
      if (name === 'kernels') return kernels
      const value: unknown = Reflect.get(of, name, of)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
}

/**
 * The kernels that some work calls, in their order and on their buffers, and nothing else: what remains of the work's own time is
 * dispatch, allocation and tape. `prepare` makes the work on the backend it is given; results come from there.
 */
export const kernelsOf = (backend: Backend, prepare: (backend: Backend) => Contender): Contender =>
  replayed('its kernels', backend, prepare, () => true)

/** The same of its matrix products alone. */
export const productsOf = (backend: Backend, prepare: (backend: Backend) => Contender): Contender =>
  replayed('its products', backend, prepare, name => products.has(name))

function replayed(
  name: string,
  backend: Backend,
  prepare: (backend: Backend) => Contender,
  noted: (name: string) => boolean,
): Contender {
  const calls: Call[] = []
  const held = new Set<Buffer>()
  const work = prepare(noting(backend, calls, held, noted))
  return {
    ...work,
    name,
    // A result may take more than the work itself.
    result: async () => {
      const values = await work.result()
      calls.length = 0
      work.run!()
      return values
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
