import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expansionDocument } from '@unravel/report/data'
import { afterAll, expect, test } from 'vitest'
import { runUnravel } from '../../../test/support/cli.js'

const folder = mkdtempSync(join(tmpdir(), 'unravel-demo-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (...argv: string[]) => runUnravel(argv, folder)

test('a short demonstration trains, tabulates, reports, and prints lines that work', async () => {
  const { status, stdout } = await run('demo', '--depth', '3', '--steps', '2')
  expect(status).toBe(0)
  const place = join(folder, 'unravel-demo')
  expect(readdirSync(place).sort()).toEqual(['lambda-1', 'lambda-1-over-n', 'lambda-1-over-sqrt-n', 'report.html'])
  expect(readFileSync(join(place, 'report.html'), 'utf8').match(/<svg /g)).toHaveLength(6)

  // Shares of a column, beyond order 3 all zero, make one.
  const shares = [...stdout.matchAll(/^(?:share of order \d|beyond order 6)(.*)$/gm)].map(([, row]) =>
    [...row!.matchAll(/(<?)([\d.]+) %/g)].map(([, below, value]) => (below ? 0 : Number(value))),
  )
  expect(shares).toHaveLength(8)
  for (let column = 0; column < 6; column++) {
    const sum = shares.reduce((total, row) => total + row[column]!, 0)
    expect(Math.abs(sum - 100)).toBeLessThan(8 * 0.05 + 0.2)
  }
  expect(stdout).toMatch(/^After 2 steps of SGD \(rate 0\.01, batches of 64\)/m)
  expect(stdout.match(/^λ = \S+: /gm)).toHaveLength(3)

  const lines = [...stdout.matchAll(/^ {2}(?:npx .* )?unravel (.*)$/gm)].map(([, line]) => line!.split(' '))
  expect(lines).toHaveLength(4)
  const { whole } = JSON.parse((await run(...lines.pop()!, '--json')).stdout)
  expect((whole.accuracy * 16) % 1).toBe(0)
  for (const [i, line] of lines.entries()) {
    const document = expansionDocument.parse(JSON.parse((await run(...line, '--json')).stdout))
    expect(document.scale).toBeCloseTo([1, 1 / Math.sqrt(3), 1 / 3][i]!, 15)
  }
})
