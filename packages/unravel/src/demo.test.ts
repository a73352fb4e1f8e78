import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expansionDocument, significant } from '@unravel/report/data'
import { afterAll, expect, test } from 'vitest'
import { runUnravel } from '../../../test/support/cli.js'
import { writeImages } from '../../../test/support/images.js'
import { writeCifarBinary } from '../../../test/support/pictures.js'

const folder = mkdtempSync(join(tmpdir(), 'unravel-demo-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (...argv: string[]) => runUnravel(argv, folder)

test('a short demonstration trains, tabulates, reports, and prints lines that work', async () => {
  const { status, stdout } = await run('demo', '--depth', '3', '--steps', '2', '--lr', '0.01,0.02')
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
  expect(stdout).toMatch(
    /^After 2 steps of SGD \(batches of 64, each at the best of the rates 0\.01 and 0\.02 on 2000 held-out images\)/m,
  )
  expect(stdout.match(/^λ = \S+: /gm)).toHaveLength(3)

  const lines = [...stdout.matchAll(/^ {2}(?:npx .* )?unravel (.*)$/gm)].map(([, line]) => line!.split(' '))
  expect(lines).toHaveLength(4)
  const { whole } = JSON.parse((await run(...lines.pop()!, '--json')).stdout)
  expect((whole.accuracy * 16) % 1).toBe(0)
  // Columns are pairs, initial and trained.
  const cells = (row: string) => new RegExp(`^${row} {2,}(.*)$`, 'm').exec(stdout)![1]!.split(/ {2,}/)
  for (const [i, line] of lines.entries()) {
    const document = expansionDocument.parse(JSON.parse((await run(...line, '--json')).stdout))
    expect(document.scale).toBeCloseTo([1, 1 / Math.sqrt(3), 1 / 3][i]!, 15)
    expect(significant(document.output_norm, 3)).toBe(cells('output norm')[2 * i + 1])
    expect(significant(Math.min(...document.remainder.map(r => r!)), 3)).toBe(cells('its remainder')[2 * i + 1])
  }
})

test('images of another size than those of MNIST are taken as they are', async () => {
  writeImages(join(folder, 'small'))
  const argv = ['demo', '--data-dir', 'small', '--depth', '2', '--steps', '1', '--lr', '0.01', '--out', 'tiny']
  expect((await run(...argv)).status).toBe(0)
  expect(JSON.parse(readFileSync(join(folder, 'tiny/lambda-1/config.json'), 'utf8')).input).toBe(16)
})

test('--deep trains ResNet-20s on CIFAR-10 and takes them apart', async () => {
  writeCifarBinary(join(folder, 'cifar'), 40)
  const { status, stdout } = await run('demo', '--deep', '--data-dir', 'cifar', '--steps', '1', '--out', 'deep')
  expect(status).toBe(0)
  expect(readdirSync(join(folder, 'deep')).sort()).toEqual(
    ['lambda-1', 'lambda-1-over-n', 'lambda-1-over-sqrt-n', 'report.html'].sort(),
  )
  expect(stdout).toMatch(/^After 1 steps? of SGD \(batches of 32, .* 0\.02/m)
  expect(readFileSync(join(folder, 'deep/report.html'), 'utf8')).toContain(
    '9 blocks (ResNet-20, pre-activation, silu) that differ only in the scale λ of their branches, trained alike on images of CIFAR-10',
  )
  const config = JSON.parse(readFileSync(join(folder, 'deep/lambda-1/config.json'), 'utf8'))
  expect(config).toMatchObject({ architecture: 'resnet', layers: [3, 3, 3], norm: 'none', preactivation: true })
  expect(await run('demo', '--deep', '--depth', '3')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/--depth: the networks of --deep have 9 blocks/),
  })
}, 240_000)

test('the demonstration gives the same numbers every time', async () => {
  const once = async (out: string) =>
    (await run('demo', '--depth', '2', '--steps', '2', '--lr', '0.01', '--out', out)).stdout.replaceAll(out, 'out')
  expect(await once('first')).toBe(await once('second'))
}, 180_000)

test('at the depth of the demonstration λ = 1 explodes and breaks training, and a scale mends it', async () => {
  const { stdout } = await run('demo', '--steps', '3', '--lr', '0.01', '--out', 'deep')
  const norms =
    /^At initialisation the output of 50 blocks has the norm (\S+) at λ = 1, (\S+) at λ = 1\/√n and (\S+) at/m.exec(
      stdout,
    )!
  const [plain, root, whole] = norms.slice(1).map(Number) as [number, number, number]
  expect(plain).toBeGreaterThan(1e4)
  expect(Math.max(root, whole)).toBeLessThan(10)
  expect(stdout).toContain('training diverges at every rate that was tried; with a scale it does not')
  expect(stdout).toMatch(/^learning rate +diverged +0\.01 +0\.01$/m)
}, 180_000)
