import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { run as forward, initialise, type Model, residualMlp, resnet, towerOf } from '@unravel/resnet'
import { writeModel } from '@unravel/resnet/node'
import { arrayData, formatNpy, Random } from '@unravel/tensor'
import { afterAll, expect, test } from 'vitest'
import { runUnravel } from '../../../test/support/cli.js'

const fixtures = ['../../../test/fixtures/oracle', '../../resnet/fixtures'].map(f => resolve(import.meta.dirname, f))
const model = (name: string) => fixtures.map(f => join(f, name)).find(f => existsSync(f))!
const input = (name: string) => join(model(name), 'input.npy')
const folder = mkdtempSync(join(tmpdir(), 'unravel-lenses-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (...argv: string[]) => runUnravel(argv, folder)

async function json(command: string, name: string, ...options: string[]) {
  const { status, stdout, stderr } = await run(command, model(name), '--input', input(name), '--json', ...options)
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout.endsWith('\n')).toBe(true)
  return JSON.parse(stdout)
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

test('subsets: all orders sum to the output, fewer leave a tail', async () => {
  const all = await json('expand', 'mlp-tanh', '--expansion', 'subsets', '--orders', 'all', '--values')
  expect(all).toMatchObject({ expansion: 'subsets', blocks: 8, orders: 8, radius: null, resummed: null })
  expect(all.remainder.at(-1)).toBeLessThan(1e-12)
  expect(all.standard_error).toBeUndefined()
  const some = await json('expand', 'mlp-tanh', '--expansion', 'subsets', '--orders', '2')
  expect(some.norms).toEqual(all.norms.slice(0, 3))
  expect(some.tail_norm).toBeCloseTo(some.remainder[2] * some.output_norm, 12)
})

test('a series about a run at part of λ adds up to the network too', async () => {
  const found = await json('expand', 'mlp-tanh', '--about', '0.5', '--orders', '10')
  expect(found.remainder.at(-1)).toBeLessThan(1e-9)
  const { stdout } = await run('expand', model('mlp-tanh'), '--input', input('mlp-tanh'), '--about', '0.5')
  expect(stdout).toMatch(/^8 blocks, λ = 0\.125, series about 0\.5·λ, 2 inputs/m)
  expect(stdout).toMatch(/^radius +from 0\.5·λ on, \|λ\| = /m)
  expect(stdout).not.toContain('piecewise')
})

test('paths: the figure of Veit, sampled and exact', async () => {
  const d = await json('paths', 'mlp-tanh', '--samples', '64')
  expect(d.paths).toEqual(['1', '8', '28', '56', '70', '56', '28', '8', '1'])
  expect(d.exact).toBe(true)
  expect(d.effective.paths).toEqual({ from: 2, to: 7 })
  d.sampled_norm.forEach((mean: number, k: number) => {
    // A mean of norms is at most their root mean square; with their spread it is within a factor.
    expect(mean / d.single_norm[k]).toBeGreaterThan(0.3)
    expect(mean).toBeLessThan(d.single_norm[k] + 6 * d.sampled_error[k] + 1e-12)
  })
  const { stdout } = await run('paths', model('mlp-relu'), '--input', input('mlp-relu'))
  expect(stdout).toMatch(/length +paths +one path/)
  expect(stdout).not.toMatch(/NaN|undefined/)
})

test('complexity: exact, and estimated by probes', async () => {
  const exact = await json('complexity', 'mlp-tanh', '--orders', 'all')
  expect(sum(exact.gram.flat())).toBeCloseTo(exact.complexity, 10)
  const { output_norm, norms } = await json('expand', 'mlp-tanh', '--expansion', 'gated', '--orders', 'all')
  expect(sum(exact.output_gram.flat())).toBeCloseTo(output_norm ** 2, 10)
  norms.forEach((size: number, k: number) => void expect(exact.output_gram[k][k]).toBeCloseTo(size ** 2, 10))
  const probed = await json('complexity', 'mlp-tanh', '--orders', 'all', '--probes', '200')
  expect(Math.abs(probed.complexity - exact.complexity)).toBeLessThan(5 * probed.standard_error.complexity)
})

test('lesion: with and without labels', async () => {
  const labels = join(folder, 'labels.npy')
  writeFileSync(labels, formatNpy({ data: Int32Array.of(0, 1), shape: [2], dtype: 'i32' }))
  const d = await json('lesion', 'mlp-tanh', '--labels', labels, '--draws', '2')
  expect(d.without).toHaveLength(8)
  expect(d.removed.at(-1)).toMatchObject({ count: 8 })
  expect(d.whole).toMatchObject({ change: 0, accuracy: expect.any(Number), loss: expect.any(Number) })
  const { stdout } = await run('lesion', model('mlp-tanh'), '--input', input('mlp-tanh'), '--draws', '2')
  expect(stdout).not.toMatch(/accuracy|NaN|undefined/)
})

test.each<[string, number[][]]>([
  ['resnet-preactivation', [[0, 1]]],
  ['resnet-basic', []],
  ['mlp-tanh', [[0, 1, 2, 3, 4, 5, 6, 7]]],
])('lesion: %s swaps only blocks of equal shapes, and says which', async (name, groups) => {
  const d = await json('lesion', name, '--draws', '2')
  expect(d.exchangeable).toEqual(groups)
  expect(d.swapped).toHaveLength(groups.length === 0 ? 0 : d.removed.length)
  for (const { count, pairs } of d.swapped) {
    expect(pairs.map((draw: number[][]) => draw.length)).toEqual([count, count])
    for (const [i, j] of pairs.flat()) expect(groups.some(g => g.includes(i) && g.includes(j) && i !== j)).toBe(true)
  }
  const { stdout } = await run('lesion', model(name), '--input', input(name), '--draws', '1')
  expect(stdout).toMatch(
    groups.length === 0
      ? /No pairs were swapped: no two blocks/
      : /Pairs are swapped among .*: (blocks\.0, blocks\.1|layer1\.0, layer1\.1)/,
  )
})

test('lesion: a post-activation ResNet swaps its two blocks of equal shapes, as in the network with their weights exchanged', async () => {
  const config = resnet.schema.parse({
    ...{ architecture: 'resnet', block: 'basic', layers: [3], widths: [4], stem: 'cifar', classes: 5, in_channels: 3 },
    ...{ norm: 'batch', norm_eps: 1e-5, preactivation: false, scale: { rule: 'constant', value: 0.5 } },
  })
  const made = initialise(resnet, config, { random: new Random(3), dtype: 'f64' }) as Model
  // The first block takes what is rectified already, and so has another skip: only 1 and 2 can be exchanged.
  const other: Record<string, string> = { '1': '2', '2': '1' }
  const swapped = Object.fromEntries(
    Object.keys(made.tensors).map(name => [
      name,
      made.tensors[name.replace(/^layer1\.([12])\./, (_, b) => `layer1.${other[b]}.`)]!,
    ]),
  )
  const x = new Random(4).normal([2, 3, 6, 6], 0, 1, { dtype: 'f64' })
  const [y, z] = [made, { ...made, tensors: swapped }].map(m => forward(towerOf(m), x).dataSync() as Float64Array)
  const norm = (v: Float64Array) => Math.hypot(...v)
  const expected = norm(y!.map((v, i) => v - z![i]!)) / norm(y!)
  expect(expected).toBeGreaterThan(1e-3)

  writeModel(join(folder, 'post'), made)
  writeFileSync(join(folder, 'post.npy'), formatNpy(arrayData(x)))
  const argv = ['lesion', 'post', '--input', 'post.npy', '--draws', '2']
  const d = JSON.parse((await run(...argv, '--json')).stdout)
  expect([d.names, d.exchangeable]).toEqual([['layer1.0', 'layer1.1', 'layer1.2'], [[1, 2]]])
  const { change, range } = d.swapped.find((s: { count: number }) => s.count === 1)
  for (const value of [change, ...range.change]) expect(Math.abs(value - expected)).toBeLessThan(1e-12)
  const { stdout } = await run(...argv)
  expect(stdout).toContain('equal shapes: layer1.1, layer1.2')
})

test('lesion: the range holds the least and the largest of the draws, around the mean', async () => {
  const d = await json('lesion', 'mlp-tanh', '--draws', '5')
  for (const { count, change, range } of d.removed) {
    const [least, most] = range.change
    expect(least <= change * (1 + 1e-15) && change <= most * (1 + 1e-15)).toBe(true)
    // Every draw of one block is one of those that were removed alone.
    if (count === 1) {
      const single = d.without.map((m: { change: number }) => m.change)
      expect([least, most].every(v => single.includes(v))).toBe(true)
      expect(most).toBeGreaterThan(least)
    }
  }
})

test('sweep: from the smallest multiple to the largest, however far apart', async () => {
  const { points } = await json('sweep', 'mlp-tanh', '--from', '1e-200', '--to', '1e200', '--steps', '3')
  expect(points[0].factor).toBe(1e-200)
  expect(points[1].factor).toBeCloseTo(1, 12)
  expect(points[2].factor).toBe(1e200)
})

test('sweep: the series gets better as λ gets smaller', async () => {
  const { points } = await json('sweep', 'mlp-tanh', '--from', '0.1', '--to', '2', '--steps', '4', '--orders', '4')
  const remainders = points.map((p: { remainder: number }) => p.remainder)
  expect([...remainders].sort((a, b) => a - b)).toEqual(remainders)
})

const families = ['mlp-tanh', 'mlp-relu', 'mlp-gelu-layernorm', 'gpt2-tiny', 'gpt2', 'vit']
const convolutional = ['resnet-basic', 'resnet-bottleneck', 'resnet-preactivation', 'resnet-preactivation-bottleneck']

test.each([...families, ...convolutional])('verify: %s holds', async name => {
  const { rungs, passed } = await json('verify', name)
  expect(passed).toBe(true)
  expect(rungs.filter((r: { passed: boolean | null }) => r.passed).length).toBeGreaterThan(6)
})

test.each(['gpt2-tiny', 'vit', 'resnet-basic'])('every command has something to say of %s', async name => {
  const paths = await json('paths', name, '--samples', '4', '--probes', '8')
  expect(paths.sum_norm).toHaveLength(paths.blocks + 1)
  const { gram, complexity } = await json('complexity', name, '--orders', 'all', '--probes', '4')
  expect(sum(gram.flat())).toBeCloseTo(complexity, 8)
  const lesions = await json('lesion', name, '--draws', '1')
  expect(lesions.without).toHaveLength(paths.blocks)
  expect((await json('sweep', name, '--steps', '2', '--orders', '2')).points).toHaveLength(2)
  const page = ['report', model(name), '--input', input(name), '--out', `${name}.html`]
  expect(await run(...page)).toMatchObject({ status: 0, stdout: `report: ${name}.html\n` })
  expect(readFileSync(join(folder, `${name}.html`), 'utf8')).not.toMatch(/NaN|undefined/)
})

test('the gradient of a network of ids is that of the last position in the embeddings', async () => {
  const found = await json(
    'expand',
    'gpt2-tiny',
    '--expansion',
    'gradient',
    '--target',
    '3',
    '--orders',
    'all',
    '--values',
  )
  // [orders + 1, batch, sequence, n_embd]
  for (const k of [0, 4])
    expect(found.values[k].map((s: number[][]) => s.map(h => h.length))).toEqual(Array(2).fill(Array(4).fill(12)))
  expect(found.remainder.at(-1)).toBeLessThan(1e-12)
})

test('report: one page that needs nothing else', async () => {
  const page = join(folder, 'page.html')
  const models = [model('mlp-tanh'), model('mlp-relu')]
  const { status, stdout } = await run('report', ...models, '--input', input('mlp-tanh'), '--out', 'page.html')
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'report: page.html\n' })
  const html = readFileSync(page, 'utf8')
  expect(html.match(/<svg /g)!.length).toBeGreaterThan(11)
  expect(html).not.toMatch(/NaN|undefined|<script [^>]*src|src="http|href="http/)
  // Paths of folders would not fit legends and tables.
  expect(html).toContain('<td>mlp-relu</td>')
  expect(html).not.toContain(model('mlp-relu'))
  expect(html.match(/<figcaption>/g)!.length).toBe(html.match(/<figure/g)!.length)
})

test('report: the complexity of its summary is that of all paths, also where the figure shows fewer', async () => {
  const sizes = { input: 3, width: 4, hidden: 4, output: 2, depth: 40 }
  const config = { architecture: 'residual-mlp', ...sizes, activation: 'tanh', norm: 'none', norm_eps: 1e-5 } as const
  const deep = initialise(residualMlp, config, { random: new Random(3), dtype: 'f64' })
  writeModel(join(folder, 'deep'), deep as Model)
  const data = Float64Array.of(1, -1, 0.5, 0, 2, 1)
  writeFileSync(join(folder, 'deep.npy'), formatNpy({ shape: [2, 3], dtype: 'f64', data }))
  const argv = ['deep', '--input', 'deep.npy']
  const { stdout } = await run('complexity', ...argv, '--orders', 'all')
  const [, whole] = /^geometric complexity of deep: (\S+)/.exec(stdout)!
  const few = /^geometric complexity of deep of paths up to length 12: (\S+)/.exec(
    (await run('complexity', ...argv, '--orders', '12')).stdout,
  )![1]
  expect(few).not.toBe(whole)
  await run('report', ...argv, '--out', 'deep.html')
  const html = readFileSync(join(folder, 'deep.html'), 'utf8')
  expect(html).toContain(`<td>${whole}</td></tr>`)
  expect(html).toContain(`complexity of the paths shown, ${few}`)
})

test.each([
  [
    'a target that is not there',
    ['paths', model('mlp-tanh'), '--input', input('mlp-tanh'), '--target', '99'],
    /--target 99/,
  ],
  [
    'a range that is none',
    ['sweep', model('mlp-tanh'), '--input', input('mlp-tanh'), '--from', '2', '--to', '1'],
    /must be below/,
  ],
  [
    'multiples beyond the numbers',
    ['sweep', model('mlp-tanh'), '--input', input('mlp-tanh'), '--to', '1e308', '--scale', '1000'],
    /--to 1e\+308: .*overflows/,
  ],
  [
    'labels of another batch',
    ['lesion', model('mlp-tanh'), '--input', input('mlp-tanh'), '--labels', input('mlp-tanh')],
    /labels are integers/,
  ],
  [
    'labels that are no array, by the name of their file',
    ['lesion', model('mlp-tanh'), '--input', input('mlp-tanh'), '--labels', join(model('mlp-tanh'), 'config.json')],
    /config\.json: npy: the file does not begin/,
  ],
  ['no model', ['report', '--input', 'x.npy'], /missing required argument/],
])('%s: one line, exit 2', async (_, argv, saying) => {
  const { status, stdout, stderr } = await run(...(argv as string[]))
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toMatch(saying as RegExp)
  expect(stderr).toMatch(/^unravel: [^\n]+\n$/)
})
