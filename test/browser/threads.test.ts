import { setThreads } from '@unravel/kernels'
import { expect, it, vi } from 'vitest'

it('a page that is not cross-origin isolated runs one thread, and says why', async () => {
  expect(globalThis.crossOriginIsolated).toBe(false)
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  try {
    expect(await setThreads(2)).toBe(1)
    expect(warn.mock.calls).toEqual([[expect.stringContaining('one thread runs')]])
  } finally {
    warn.mockRestore()
  }
})
