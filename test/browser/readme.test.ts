/// <reference types="vite/client" />
import { gpu } from '@unravel/kernels/gpu'
import { expect, it, vi } from 'vitest'
import readme from '../../kernels/README.md?raw'

it('the example of the GPU in the README of the kernels runs as printed, on the GPU', async () => {
  const examples = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(m => m[1]!)
  const source = examples.find(text => text.includes('@unravel/kernels/gpu'))!
  const body = source.replace("import { gpu } from '@unravel/kernels/gpu'\n", '')
  expect(body).not.toContain('import')
  const [log, warn] = [vi.spyOn(console, 'log').mockReturnValue(), vi.spyOn(console, 'warn').mockReturnValue()]
  try {
    await new Function('gpu', `return (async () => {${body}})()`)(gpu)
    const [name, values, fallbacks] = log.mock.calls[0] as [string, Float32Array, object]
    expect(name).toBe('gpu')
    for (const [i, y] of values.entries()) expect(Math.abs(y - Math.tanh(i))).toBeLessThan(4 * 2 ** -24)
    expect(fallbacks).toEqual({})
    expect(warn).not.toHaveBeenCalled()
  } finally {
    log.mockRestore()
    warn.mockRestore()
  }
})
