import { expect, it } from 'vitest'
import { js } from './js/index.js'
import { createBackend } from './wasm/backend.js'
import { load } from './wasm/load.js'

it.each(['plain', 'relaxed'] as const)('random numbers of the %s build are those of js, to the bit', build => {
  const wasm = createBackend(load(build))
  const seeds = [0, 1, 12345, 2 ** 32 - 1, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER]
  const offsets = [0, 1, 2, 3, 5, 7, 15, 16, 1000, 2 ** 32 - 3, 2 ** 33 + 1, 2 ** 34 - 5]
  const lengths = [0, 1, 2, 3, 4, 7, 15, 16, 17, 33, 100]
  for (const kind of ['uniform', 'normal', 'bits'] as const) {
    for (const dtype of kind === 'bits' ? (['i32'] as const) : (['f32', 'f64'] as const)) {
      const compare = (seed: number, offset: number, length: number) => {
        const [expected, buffer] = [js().alloc(dtype, length), wasm.alloc(dtype, length)]
        js().kernels.random(kind, seed, offset, expected)
        wasm.kernels.random(kind, seed, offset, buffer)
        const words = (x: { buffer: ArrayBufferLike }) => Buffer.from(x.buffer)
        const same = words(wasm.readSync!(buffer)).equals(words(expected))
        expect(same, `${kind} ${dtype} seed ${seed} offset ${offset} length ${length}`).toBe(true)
        wasm.release(buffer)
      }
      for (const seed of seeds)
        for (const offset of offsets) for (const length of lengths) compare(seed, offset, length)
      compare(77, 9, 30_000)
    }
  }
  expect([...wasm.fallbacks()]).toEqual([])
})
