import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expansionDocument } from '@unravel/report/data'
import { formatNpy } from '@unravel/tensor'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runUnravel } from '../../../test/support/cli.js'
import { dlibFile } from '../../resnet/src/oracles/dlib.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'unravel-convert-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const unravel = (...argv: string[]) => runUnravel(argv, folder)

const network = dlibFile({
  size: [27, 25],
  mean: [120, 110, 100],
  stem: 2,
  blocks: [
    { width: 2, down: false },
    { width: 4, down: true },
    { width: 4, down: false },
  ],
  outputs: 3,
})

test('convert writes a network of dlib as a model, and every lens reads it', async () => {
  writeFileSync(join(folder, 'face.dat'), network.bytes)
  const { status, stdout: out, stderr: err } = await unravel('convert', 'face.dat', '--out', 'a model')
  expect({ status, err }).toEqual({ status: 0, err: '' })
  expect(out).toContain('dlib-resnet of 3 blocks: 7 convolutions, 948 parameters')
  expect(out).toMatch(
    /for a batch X\.npy of inputs \[batch, 3, 27, 25\]: .* expand 'a model' --input X\.npy --expansion gated\n$/,
  )
  expect(readdirSync(join(folder, 'a model')).sort()).toEqual(['config.json', 'model.safetensors'])

  const data = Float64Array.from({ length: 2 * 3 * 27 * 25 }, (_, i) =>
    Math.round(127 + 120 * Math.sin(i * 0.1 + i ** 2)),
  )
  writeFileSync(join(folder, 'X.npy'), formatNpy({ shape: [2, 3, 27, 25], dtype: 'f64', data }))
  for (const expansion of ['gated', 'gradient']) {
    const argv = ['expand', 'a model', '--input', 'X.npy', '--expansion', expansion, '--orders', 'all', '--json']
    const expanded = await unravel(...argv)
    expect(expanded.status).toBe(0)
    const { blocks, norms, remainder, output_norm } = expansionDocument.parse(JSON.parse(expanded.stdout))
    expect(blocks).toBe(3)
    expect(output_norm).toBeGreaterThan(0)
    expect(norms.filter(norm => norm! > 0)).toHaveLength(4)
    expect(remainder[3]).toBeLessThan(1e-12)
  }
})

test.each<[string, Uint8Array | undefined, RegExp]>([
  ['missing', undefined, /^unravel: .*missing.dat: there is no such file or folder\n$/],
  ['empty', new Uint8Array(), /^unravel: empty.dat: the file does not begin as a network of dlib .*\n$/],
  [
    'other',
    new TextEncoder().encode('{"architecture": "resnet"}'),
    /^unravel: other.dat: the file does not begin as .*\n$/,
  ],
  ['short', network.bytes.subarray(0, 1000), /^unravel: short.dat: dlib: byte \d+: .*; expected [^\n]*\n$/],
])('convert refuses a file that is %s, and writes nothing', async (name, bytes, message) => {
  if (bytes !== undefined) writeFileSync(join(folder, `${name}.dat`), bytes)
  const { status, stdout: out, stderr: err } = await unravel('convert', `${name}.dat`, '--out', name)
  expect({ status, out }).toEqual({ status: 2, out: '' })
  expect(err).toMatch(message)
  expect(existsSync(join(folder, name))).toBe(false)
})

test('convert leaves what is in the way alone', async () => {
  writeFileSync(join(folder, 'face.dat'), network.bytes)
  writeFileSync(join(folder, 'taken'), 'text')
  const { status, stderr: err } = await unravel('convert', 'face.dat', '--out', 'taken')
  expect(status).toBe(2)
  expect(err).toMatch(/^unravel: cannot make .*taken: [^\n]+\n$/)
  expect(readFileSync(join(folder, 'taken'), 'utf8')).toBe('text')
})

test.each(['resnet-9', 'resnet-13-unfolded'])(
  'convert writes the ResNet of %s.onnx, with the same orders',
  async name => {
    const torch = join(import.meta.dirname, '../../graph/fixtures/torch')
    const file = join(torch, `${name}.onnx`)
    const { status, stdout, stderr } = await unravel('convert', file, '--out', name)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('resnet of 3 blocks: 8 convolutions')
    const config = JSON.parse(readFileSync(join(folder, name, 'config.json'), 'utf8'))
    expect(config).toMatchObject({ block: 'basic', layers: [1, 2], widths: [4, 6], stem: 'imagenet', classes: 5 })
    expect(config.norm).toBe(name === 'resnet-9' ? 'none' : 'batch')
    for (const expansion of ['gated', 'taylor']) {
      const [theirs, ours] = await Promise.all(
        [file, name].map(async model => {
          const argv = ['--input', join(torch, 'resnet.input.npy'), '--expansion', expansion, '--json', '--values']
          const { stdout } = await unravel('expand', model, ...argv)
          return expansionDocument.parse(JSON.parse(stdout))
        }),
      )
      const [a, b] = [theirs!, ours!].map(d => (d.values as number[][][]).flat(2))
      const apart = Math.hypot(...a!.map((v, i) => v - b![i]!))
      expect(apart).toBeLessThan(1e-9 * Math.hypot(...b!))
    }
  },
)

test('convert refuses what is no ResNet, and leaves nothing', async () => {
  const torch = join(import.meta.dirname, '../../graph/fixtures/torch')
  for (const name of ['mobilenetv3-14', 'vit-12', 'esrgan-13']) {
    const { status, stderr } = await unravel('convert', join(torch, `${name}.onnx`), '--out', 'none')
    expect({ status, lines: stderr.trim().split('\n').length }).toEqual({ status: 2, lines: 1 })
    expect(stderr).toContain('only ResNets as torchvision has them are converted from ONNX: ')
    expect(existsSync(join(folder, 'none'))).toBe(false)
  }
})
