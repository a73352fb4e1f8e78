import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { formatNpy, formatNpz, parseNpy, parseNpz } from '@unravel/tensor'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { main } from './main.js'

const exported = resolve(import.meta.dirname, '../../graph/fixtures/torch')
const model = join(exported, 'resnet-16.onnx')
const input = join(exported, 'resnet.input.npy')
const oracle = resolve(import.meta.dirname, '../../../test/fixtures/oracle/mlp-tanh')
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'unravel-run-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function run(...argv: readonly string[]) {
  let stdout = ''
  let stderr = ''
  const status = await main(['run', ...argv], {
    cwd: folder,
    out: text => void (stdout += text),
    err: text => void (stderr += text),
    interruption: () => new AbortController().signal,
  })
  return { status, stdout, stderr }
}

const expected = parseNpy(readFileSync(join(exported, 'resnet.output.npy')))
const apart = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (v, i) => Math.abs(v - b[i]!)).reduce((m, v) => Math.max(m, v), 0)

test('the outputs of an ONNX file are written under their names, and told', async () => {
  const { status, stdout, stderr } = await run(model, '--input', input, '--out', 'y.npz')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/^output {2}f64\[2,5\] {2}from .* to .* …\n$/)
  const arrays = parseNpz(readFileSync(join(folder, 'y.npz')))
  expect([...arrays.keys()]).toEqual(['output'])
  expect(apart(arrays.get('output')!.data, expected.data)).toBeLessThanOrEqual(1e-5)
})

test('--json has all numbers, --dtype f32 computes in f32', async () => {
  const { stdout } = await run(model, '--input', input, '--json', '--dtype', 'f32', '--backend', 'js')
  const document = JSON.parse(stdout)
  expect(document).toMatchObject({
    model,
    dtype: 'f32',
    backend: 'js',
    outputs: { output: { shape: [2, 5], dtype: 'f32' } },
  })
  expect(apart(document.outputs.output.values.flat(), expected.data)).toBeLessThanOrEqual(1e-4)
})

test('--output computes an inner value', async () => {
  const { stdout } = await run(model, '--input', input, '--json', '--output', 'input')
  expect(Object.keys(JSON.parse(stdout).outputs)).toEqual(['input'])
})

test('a folder gives its output', async () => {
  const x = join(oracle, 'input.npy')
  const { stdout } = await run(oracle, '--input', x, '--json')
  const { values } = JSON.parse(stdout).outputs.output
  const saved = JSON.parse(readFileSync(join(oracle, 'expected.json'), 'utf8'))
  expect(apart(values.flat(), saved.output.flat())).toBeLessThanOrEqual(1e-9)
})

test('mistakes are told in one line', async () => {
  const bad = async (...argv: readonly string[]) => {
    const { status, stderr } = await run(...argv)
    expect(status).toBe(2)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    return stderr
  }
  const array = { shape: [2, 3], dtype: 'f64', data: new Float64Array(6) } as const
  writeFileSync(join(folder, 'x.npy'), formatNpy(array))
  writeFileSync(join(folder, 'x.npz'), formatNpz({ image: array, more: array }))
  copyFileSync(input, join(folder, 'no.onnx'))
  expect(await bad(model, '--input', 'x.npy')).toContain(
    'the input "input" has shape [2,3]; expected f32[batch,3,32,32]',
  )
  expect(await bad(model, '--input', 'x.npz')).toContain('has no array "input"')
  expect(await bad(model, '--input', input, '--output', 'logits')).toContain('no value called "logits"')
  expect(await bad('no.onnx', '--input', input)).toContain('no.onnx: onnx: ')
  expect(await bad('none.onnx', '--input', input)).toContain('there is no such file')
  expect(await bad(model, '--input', input, '--weights', 'w')).toContain('--weights is not for a file of a graph')
})
