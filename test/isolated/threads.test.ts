import { setThreads, wasm } from '@unravel/kernels'
import { expect, it } from 'vitest'

// Served with COOP and COEP: memory can be shared with workers.
it('threads work in a page that is cross-origin isolated, and give the bits of one', async () => {
  expect(globalThis.crossOriginIsolated).toBe(true)
  const backend = wasm()
  const n = 192
  const data = Float32Array.from({ length: n * n }, (_, i) => Math.sin(i))
  const [a, b, out] = [0, 1, 2].map(() => backend.alloc('f32', n * n)) as [never, never, never]
  backend.write(a, data)
  backend.write(
    b,
    data.map(x => x / 2),
  )
  const run = () => {
    backend.kernels.matmul([], n, n, n, a, [], false, b, [], true, out)
    return backend.readSync!(out)
  }
  const alone = run()
  expect(await setThreads(2)).toBe(2)
  for (let i = 0; i < 20; i++) expect(run()).toEqual(alone)
  expect(await setThreads(1)).toBe(1)
})
