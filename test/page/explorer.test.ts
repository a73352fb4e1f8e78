import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expansionDocument, reportOf } from '@unravel/report'
import { type ArrayData, formatNpy, formatSafetensors, parseNpy, parseSafetensors, tanh, tensor } from '@unravel/tensor'
import { type Browser, chromium, type Page } from 'playwright'
import { build, type PreviewServer, preview } from 'vite'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { modelOf } from '../../packages/graph/src/oracles/onnx.js'

// The explorer as it is served: built, opened in Chromium, asked.

const root = fileURLToPath(new URL('../../packages/explorer', import.meta.url))
const oracle = (name: string, file: string) =>
  fileURLToPath(new URL(`../fixtures/oracle/${name}/${file}`, import.meta.url))
const files = (name: string) => ['config.json', 'model.safetensors', 'input.npy'].map(file => oracle(name, file))
const scratch = mkdtempSync(join(tmpdir(), 'unravel-explorer-'))

let server: PreviewServer
let browser: Browser
let page: Page
let url: string
/** The requests of the page to other hosts, and its errors. */
const [elsewhere, complaints]: [string[], string[]] = [[], []]

beforeAll(async () => {
  const outDir = join(scratch, 'site')
  await build({ root, logLevel: 'error', build: { outDir, emptyOutDir: true } })
  server = await preview({ root, logLevel: 'error', build: { outDir }, preview: { port: 0 } })
  url = server.resolvedUrls!.local[0]!
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--use-angle=swiftshader', '--enable-unsafe-swiftshader']
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH!, args })
}, 120_000)

afterAll(async () => {
  await browser?.close()
  await server?.close()
  rmSync(scratch, { recursive: true })
})

beforeEach(async () => {
  await page?.close()
  page = await browser.newPage()
  page.on('request', request => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) elsewhere.push(request.url())
  })
  page.on('pageerror', error => complaints.push(error.message))
  page.on('console', message => {
    if (message.text().startsWith('unravel:')) complaints.push(message.text())
  })
  await page.goto(url)
  await page.waitForSelector('#plots svg')
})

const text = async (id: string) => (await page.textContent(`#${id}`))!

/** The page's text once its table begins as `wanted` does. */
async function table(wanted: RegExp): Promise<string> {
  await expect.poll(async () => `${await text('table')}${await text('error')}`, { timeout: 30_000 }).toMatch(wanted)
  return text('table')
}

/** Drops files and folders on the page. */
async function drop(...paths: string[]) {
  const root = await page.context().newCDPSession(page)
  const data = { items: [], files: paths, dragOperationsMask: 1 }
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await root.send('Input.dispatchDragEvent', { type, x: 50, y: 50, data })
  }
}

async function saved() {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')])
  return expansionDocument.parse(JSON.parse(readFileSync(await download.path(), 'utf8')))
}

it('opens on a tower that it takes apart at once: at λ = 1/n its orders sum to the output', async () => {
  expect(await table(/^taylor expansion/)).toContain('24 blocks, λ = 0.0416667, 4 inputs, f64 on wasm')
  expect(await text('status')).toMatch(/^\d+ ms on wasm, f64; one forward pass [\d.]+ ms$/)
  expect(await page.locator('#plots svg').count()).toBe(2)
  const { remainder, chains } = await saved()
  expect(remainder.at(-1)).toBeLessThan(1e-12)
  expect(chains[12]).toBe('2704156')
})

it('follows the form: scale, kind, orders, depth and seed', async () => {
  await page.locator('[name=factor]').fill('3')
  expect(await table(/λ = 0\.333333/)).toContain('Warning:')
  await page.locator('[name=expansion]').selectOption('gated')
  await page.locator('[name=depth]').fill('100')
  await page.locator('[name=orders]').fill('100')
  await table(/^gated expansion.*\n100 blocks, λ = 0\.08,/)
  const document = await saved()
  expect(document.norms).toHaveLength(101)
  expect(document.remainder.at(-1)).toBeLessThan(1e-13)
  await page.locator('[name=seed]').fill('7')
  await expect.poll(async () => (await saved()).output_norm).not.toBe(document.output_norm)
})

it('takes a network of one’s own, and finds what an independent program found', async () => {
  for (const name of ['mlp-tanh', 'gpt2-tiny']) {
    await page.setInputFiles('#files', files(name))
    await page.locator('[name=expansion]').selectOption('gated')
    await table(new RegExp(`^gated expansion of model.safetensors and input.npy\\n${blocks(name)} blocks`))
    const expected = JSON.parse(readFileSync(oracle(name, 'expected.json'), 'utf8')).gated.orders as number[][][]
    const { norms } = await saved()
    for (const [k, order] of expected.entries()) {
      const want = Math.sqrt(
        order.flat(Infinity).reduce((sum: number, v) => sum + (v as number) ** 2, 0) / order.length,
      )
      expect(Math.abs(norms[k]! - want) / want).toBeLessThan(1e-11)
    }
  }
})
const blocks = (name: string): number => JSON.parse(readFileSync(oracle(name, 'expected.json'), 'utf8')).blocks

it('opens a folder as it was written: dropped on the page, chosen, in shards', async () => {
  await page.locator('[name=expansion]').selectOption('gated')
  const folder = oracle('granite-tiny', '.')
  await drop(folder)
  const { blocks } = JSON.parse(readFileSync(oracle('granite-tiny', 'expected.json'), 'utf8'))
  await table(new RegExp(`^gated expansion of granite-tiny and input.npy\\n${blocks} blocks`))
  const dropped = (await saved()).norms

  // The same weights in two shards, dropped file by file, and then as a folder without inputs.
  const shards = join(scratch, 'shards')
  mkdirSync(shards)
  const { tensors } = parseSafetensors(readFileSync(oracle('granite-tiny', 'model.safetensors')))
  const map: Record<string, string> = {}
  const parts: Record<string, ArrayData>[] = [{}, {}]
  for (const [i, [name, stored]] of [...tensors].entries()) {
    parts[i % 2]![name] = stored.read('f64')
    map[name] = `model-${i % 2}.safetensors`
  }
  for (const [i, part] of parts.entries())
    writeFileSync(join(shards, `model-${i}.safetensors`), formatSafetensors(part))
  writeFileSync(join(shards, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
  copyFileSync(oracle('granite-tiny', 'config.json'), join(shards, 'config.json'))
  await drop(...readdirSync(shards).map(name => join(shards, name)), oracle('granite-tiny', 'input.npy'))
  await table(/^gated expansion of model-0.safetensors and input.npy/)
  expect((await saved()).norms).toEqual(dropped)
  await page.setInputFiles('#folder', shards)
  await table(/^gated expansion of shards and drawn inputs\n.* 1 input,/)
  rmSync(join(shards, 'model-1.safetensors'))
  await drop(shards)
  await expect.poll(() => text('error')).toMatch(/missing: model-1\.safetensors/)
})

const graphs = fileURLToPath(new URL('../../packages/graph/fixtures/torch', import.meta.url))
const exported = (file: string) => join(graphs, file)
const additions = () => page.locator('#stream circle').count()
const blocksDrawn = () => page.locator('#stream circle.block').count()

it('takes a dropped ONNX file: draws its stream, and counts its blocks or all of its additions', async () => {
  await page.locator('[name=expansion]').selectOption('gated')
  await drop(exported('esrgan-13.onnx'), exported('esrgan.input.npy'))
  await table(/^gated expansion of esrgan-13.onnx and esrgan.input.npy\n1 block, λ = 1,/)
  expect([await additions(), await blocksDrawn()]).toEqual([7, 1])
  expect(await text('stream')).toContain('λ 0.2')
  expect(await text('inspection')).toMatch(/residual addition +skip +λ +level/)
  const expected = parseNpy(readFileSync(exported('esrgan.output.npy')))
  const norm = Math.hypot(...expected.data) / Math.sqrt(expected.shape[0]!)
  expect(Math.abs((await saved()).output_norm! - norm) / norm).toBeLessThan(1e-5)

  await page.locator('[name=sites]').selectOption('all')
  await table(/^gated expansion of esrgan.*\n7 residual additions, λ = 0.200 to 1.00/)
  const all = await saved()
  expect([all.sites, all.norms.length]).toEqual(['all', 8])
  expect(all.remainder.at(-1)).toBeLessThan(1e-9)
  await page.locator('[name=factor]').fill('-1')
  await table(/\n7 residual additions, λ = 0.100 to 0.500/)
  expect(await page.isVisible('#structure')).toBe(true)
  await page.locator('[name=network]').selectOption('drawn')
  await table(/^gated expansion of a tower with drawn weights/)
  expect(await page.isVisible('#structure')).toBe(false)
})

it('draws inputs for an ONNX file without any', async () => {
  await page.setInputFiles('#files', exported('mobilenetv3-14.onnx'))
  await table(/^taylor expansion of mobilenetv3-14.onnx and drawn inputs\n2 blocks, .* 1 input,/)
  expect(await blocksDrawn()).toBe(2)
})

it('takes a dropped model.json of TensorFlow.js with its shards, and one of its outputs', async () => {
  // y = x + relu(xW + b) in two outputs: the sum, and a layer after it.
  const dense = (name: string, from: string, activation: string) => ({
    class_name: 'Dense',
    name,
    config: { name, units: 2, activation, use_bias: true },
    inbound_nodes: [[[from, 0, 0, {}]]],
  })
  const layers = [
    { class_name: 'InputLayer', name: 'x', config: { name: 'x', batch_input_shape: [null, 2] }, inbound_nodes: [] },
    dense('inner', 'x', 'relu'),
    { class_name: 'Add', name: 'sum', config: { name: 'sum' }, inbound_nodes: [[['x', 0, 0, {}], ['inner', 0, 0, {}]]] },
    dense('last', 'sum', 'linear'),
  ] // biome-ignore format: a layer a row
  const config = { name: 'm', layers, input_layers: [['x', 0, 0]], output_layers: [['last', 0, 0], ['sum', 0, 0]] } // biome-ignore format: short
  const weights = ['inner', 'last'].flatMap(name => [
    { name: `${name}/kernel`, shape: [2, 2], dtype: 'float32' },
    { name: `${name}/bias`, shape: [2], dtype: 'float32' },
  ])
  const folder = join(scratch, 'tfjs')
  mkdirSync(folder)
  const manifest = [{ paths: ['group1-shard1of2', 'group1-shard2of2'], weights }]
  const model = { modelTopology: { model_config: { class_name: 'Model', config } }, weightsManifest: manifest }
  writeFileSync(join(folder, 'model.json'), JSON.stringify(model))
  const numbers = Float32Array.of(1, 0.5, -0.5, 2, 0.25, -0.25, /* last */ 1, 1, 0, -1, 0, 3)
  const bytes = new Uint8Array(numbers.buffer)
  writeFileSync(join(folder, 'group1-shard1of2'), bytes.subarray(0, 21))
  await drop(folder)
  await expect.poll(() => text('error')).toMatch(/missing: group1-shard2of2; choose all files/)
  writeFileSync(join(folder, 'group1-shard2of2'), bytes.subarray(21))
  const input: ArrayData = { shape: [1, 2], dtype: 'f64', data: Float64Array.of(1, 2) }
  writeFileSync(join(folder, 'x.npy'), formatNpy(input))
  await page.locator('[name=expansion]').selectOption('gated')
  await drop(folder)
  await table(/^gated expansion of model.json and x.npy\n1 block/)
  // relu(1·1 − 0.5·2 + 0.25, 0.5·1 + 2·2 − 0.25) = (0.25, 4.25), and the last layer of x and of that.
  const near = (norms: readonly (number | null)[], want: readonly number[]) =>
    want.forEach((w, i) => expect(norms[i]).toBeCloseTo(w, 12)) // biome-ignore format: short
  near((await saved()).norms, [Math.hypot(1, 2), Math.hypot(0.25, -4)])
  expect(await page.locator('[name=output] option').allTextContents()).toEqual(['last', 'sum'])
  await page.locator('[name=output]').selectOption('sum')
  await expect.poll(async () => (await saved()).output_norm).toBeCloseTo(Math.hypot(1.25, 6.25), 12)
  near((await saved()).norms, [Math.hypot(1, 2), Math.hypot(0.25, 4.25)])
})

it('says which operators of a graph are not supported, and asks for one of several graphs', async () => {
  await page.setInputFiles('#files', [exported('vit-12.onnx'), exported('resnet-9.onnx')])
  await expect.poll(() => text('error')).toMatch(/^2 networks \(vit-12.onnx, resnet-9.onnx\): choose one/)
  const x = { name: 'x', shape: [1, 3] }
  const nodes = [{ op: 'LSTM', inputs: ['x'], outputs: ['h'] }, { op: 'Add', inputs: ['h', 'x'], outputs: ['y'] }] // biome-ignore format: short
  const recurrent = join(scratch, 'recurrent.onnx')
  writeFileSync(recurrent, Uint8Array.from(modelOf({ nodes, inputs: [x], outputs: [{ name: 'y' }] })))
  await page.setInputFiles('#files', recurrent)
  await expect.poll(() => text('error')).toMatch(/the operator LSTM .* is not supported: it is recurrent/)
})

it('says what is wrong with files, and goes on', async () => {
  const [config, weights, input] = files('mlp-tanh') as [string, string, string]
  await page.setInputFiles('#files', [config, input])
  await expect.poll(() => text('error')).toBe('missing: model.safetensors; choose all three files at once')
  const broken = join(scratch, 'broken.safetensors')
  writeFileSync(broken, readFileSync(weights).subarray(0, 1000))
  await page.setInputFiles('#files', [config, broken, input])
  await expect.poll(() => text('error')).toMatch(/safetensors/)
  await page.setInputFiles('#files', [config, weights, oracle('gpt2-tiny', 'input.npy')])
  await expect.poll(() => text('error')).toMatch(/^the model takes inputs of shape \[batch, \d+\], got/)
  await page.setInputFiles('#files', [config, weights, input])
  await table(/^taylor expansion of model.safetensors and input.npy/)
  expect(await page.isHidden('#error')).toBe(true)
})

it('can be stopped, and asked again', async () => {
  await page.locator('[name=width]').fill('512')
  await page.locator('[name=depth]').fill('2000')
  await expect.poll(() => text('status'), { timeout: 30_000 }).toMatch(/^Computing/)
  await page.click('#stop')
  expect(await text('status')).toBe('Stopped.')
  await page.locator('[name=width]').fill('8')
  await page.locator('[name=depth]').fill('3')
  await table(/\n3 blocks/)
})

it('computes on the graphics processor and says which', async () => {
  await page.locator('[name=dtype]').selectOption('f32')
  await page.locator('[name=backend]').selectOption('webgl2')
  await table(/f32 on webgl2/)
  expect(await text('status')).toMatch(/on gpu \(.*SwiftShader.*\), f32; .*$/)
})

it('keeps its form in the address: λ is beside the slider, and a reload shows the same', async () => {
  await page.locator('[name=depth]').fill('10')
  await page.locator('[name=factor]').fill('3')
  await table(/10 blocks, λ = 0\.8,/)
  expect(await text('lambda')).toBe('λ = 0.8')
  expect(await page.getAttribute('[name=factor]', 'aria-valuetext')).toBe('times 8, λ = 0.8')
  await page.reload()
  await table(/10 blocks, λ = 0\.8,/)
  expect(await page.inputValue('[name=depth]')).toBe('10')
  await page.goto(`${url}#expansion=none&depth=5`)
  await page.reload()
  await table(/^taylor expansion.*\n5 blocks/)
})

it('dims what is out of date, and does not save it', async () => {
  await page.locator('[name=width]').fill('512')
  await page.locator('[name=depth]').fill('2000')
  await expect.poll(() => text('status'), { timeout: 30_000 }).toMatch(/^Computing/)
  expect(await page.getAttribute('#found', 'class')).toBe('old')
  expect(await page.isDisabled('#save')).toBe(true)
  await page.click('#stop')
  expect(await page.isDisabled('#save')).toBe(true)
})

it('folds long tables, and fits a phone without breaking numbers', async () => {
  await page.setViewportSize({ width: 390, height: 800 })
  await page.locator('[name=expansion]').selectOption('gated')
  await page.locator('[name=depth]').fill('100')
  await page.locator('[name=orders]').fill('100')
  await table(/^gated expansion.*\n100 blocks[^!]*more rows/)
  expect(await page.isVisible('#table details pre')).toBe(false)
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390)
  const wraps = "getComputedStyle(document.querySelector('#table pre:not(.words)')).whiteSpace"
  expect(await page.evaluate(wraps)).toBe('pre')
})

it('a report fits a phone, however long its names', async () => {
  const x = tensor([[0.5, -1]], { dtype: 'f64' })
  const block = { scale: 0.25, branch: tanh }
  const name = 'features_'.repeat(12)
  await page.setViewportSize({ width: 390, height: 800 })
  await page.setContent(await reportOf({ encode: x => x, blocks: [block, block], decode: h => h }, x, { name }))
  expect(await page.textContent('h1')).toContain(name)
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390)
})

it('saves its figures as SVG, PNG and CSV', async () => {
  const bytes = async (way: string) => {
    const button = page.locator('.save').first().getByText(way)
    const [download] = await Promise.all([page.waitForEvent('download'), button.click()])
    expect(download.suggestedFilename()).toBe(`share-of-each-order.${way.toLowerCase()}`)
    return readFileSync(await download.path())
  }
  expect((await bytes('SVG')).toString()).toMatch(/^<svg.*<metadata /s)
  expect([...(await bytes('PNG')).subarray(1, 4)]).toEqual([...'PNG'].map(c => c.charCodeAt(0)))
  const [head, first, ...rest] = (await bytes('CSV')).toString().split('\n')
  expect(head).toBe('"order","of the energy","of the 2ⁿ paths"')
  const { share } = await saved()
  expect(first!.split(',').slice(0, 2)).toEqual(['0', String(share[0])])
  expect(rest).toHaveLength(24)
})

it('asked no other host for anything, and never failed', () => {
  expect(elsewhere).toEqual([])
  expect(complaints).toEqual([])
})
