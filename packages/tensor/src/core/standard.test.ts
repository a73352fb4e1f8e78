import { expect, it, vi } from 'vitest'
import { standardBackend as inBrowsers } from './standard.js'
import { standardBackend as inNode } from './standard.node.js'

it('the default backend is wasm in Node, and in browsers js, which says how to get the fast one', () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue()
  try {
    expect(inNode(true).name).toBe('wasm')
    expect(warn).not.toHaveBeenCalled()
    expect(inBrowsers(false).name).toBe('js')
    expect(warn).not.toHaveBeenCalled()
    expect(inBrowsers(true).name).toBe('js')
    expect(warn.mock.calls).toEqual([[expect.stringContaining('useBackend(wasm())')]])
  } finally {
    warn.mockRestore()
  }
})
