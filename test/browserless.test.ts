import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

it('without a Chromium one line says that the browser tests did not run, and the rest does', async () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const { stdout } = await promisify(execFile)('npx', ['vitest', 'list', '--filesOnly'], {
    cwd: root,
    env: { ...process.env, CHROMIUM_PATH: '/nowhere/chromium' },
  })
  const lines = stdout.trim().split('\n')
  expect(lines.filter(line => line.includes('rowser tests'))).toEqual([
    'Browser tests did not run: no Chromium here. Install one (apt-get install chromium) or set CHROMIUM_PATH.',
  ])
  expect(lines.some(line => line.includes('test/bench.test.ts'))).toBe(true)
  expect(lines.filter(line => /test\/(browser|isolated|page)\//.test(line))).toEqual([])
})
