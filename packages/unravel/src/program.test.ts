import { expect, test, vi } from 'vitest'

// A charting library comes with it.
vi.mock('@unravel/report', () => {
  throw new Error('the package of pages was loaded')
})

test('no command loads the pages of reports before it writes one', async () => {
  const { program } = await import('./program.js')
  const io = { cwd: '/', out() {}, err() {}, interruption: () => new AbortController().signal }
  expect(program(io).commands.map(command => command.name())).toContain('report')
  await expect(import('@unravel/report')).rejects.toThrow()
})
