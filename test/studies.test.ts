import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('the tables of docs/residual-depth.md and docs/radius.md are what the results of the studies give', () => {
  const script = fileURLToPath(new URL('../studies/tables.mjs', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [script, 'check'], { encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
})
