import { ThreadError } from '@unravel/kernels'
import { wasm } from '@unravel/tensor'
import { expect, it, vi } from 'vitest'
import { reportingFallbacks } from './backends.js'
import type { Io } from './io.js'

vi.mock('@unravel/tensor', async original => ({
  ...(await original<object>()),
  setThreads: async () => {
    throw new ThreadError('a thread could not be started')
  },
}))

it('a command goes on with one thread, with a warning, where no other can be started', async () => {
  const errors: string[] = []
  const io = { err: (text: string) => void errors.push(text), threads: 2 } as unknown as Io
  expect(await reportingFallbacks(io, wasm(), () => 7)).toBe(7)
  expect(errors).toEqual([expect.stringMatching(/^warning: no other thread could be started.*one thread runs/)])
})
