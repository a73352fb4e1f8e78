import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gated, gradient, type Orders, taylor } from '@unravel/expansion'
import { modelFrom, run, type ScaleRule, type Tower, towerOf } from '@unravel/resnet'
import { type Backend, js, readNpy, reshape, slice, sub, sum, type Tensor, wasm } from '@unravel/tensor'
import { describe, expect, test } from 'vitest'

/** Every family under every lens, on the models that packages/resnet/fixtures/record.py makes. */
const fixtures = resolve(import.meta.dirname, '../packages/resnet/fixtures')
const backends = [js(), wasm()]
const POST = ['resnet-basic', 'resnet-bottleneck', 'resnet-no-norm']
const VITS = ['hf-vit', 'hf-vit-model', 'timm-vit', 'timm-vit-registers', 'timm-vit-average', 'timm-vit-gap'].map(
  name => `vision/${name}`,
)
const NETS = ['hf-resnet', 'hf-resnet-model', 'timm-resnet18d', 'timm-resnet26t', 'timm-resnext', 'timm-wide'].map(
  n => `vision/${n}`,
)
const PRE = ['resnet-preactivation', 'resnet-preactivation-bottleneck']

function load(name: string, backend: Backend = wasm(), scale?: ScaleRule): { tower: Tower; x: Tensor } {
  const read = (file: string) => readFileSync(resolve(fixtures, name, file))
  const model = modelFrom(read('config.json').toString(), read('model.safetensors'), { dtype: 'f64', backend })
  const tower = towerOf(model, scale === undefined ? {} : { scale })
  const x = readNpy(read('input.npy'), { backend })
  return { tower, x }
}

const norm = (t: Tensor): number => Math.hypot(...Float64Array.from(t.dense()[0]!.dataSync()))
const distance = (got: Tensor, want: Tensor): number => norm(sub(got, want)) / norm(want)
const partial = ({ coefficients }: Orders, orders: number): Tensor => sum(slice(coefficients, [0], [orders + 1]), 0)
const order = ({ coefficients: c }: Orders, k: number): Tensor => reshape(slice(c, [k], [k + 1]), c.shape.slice(1))

describe.each(backends)('on $name', backend => {
  test.each(['gpt2', 'vit', ...POST, ...PRE, ...VITS, 'vision/timm-vit-clip', ...NETS])(
    '%s: gated orders sum to the output, gradient orders to the gradient',
    name => {
      const { tower, x } = load(name, backend)
      const orders = gated(tower, x, 'all')
      expect(orders.coefficients.shape[0]).toBe(tower.blocks.length + 1)
      expect(distance(orders.total, run(tower, x))).toBe(0)
      expect(distance(partial(orders, tower.blocks.length), orders.total)).toBeLessThan(1e-12)
      const gradients = gradient(tower, x, 2, 'all')
      // Integer ids have no gradient; their embeddings do.
      expect(gradients.total.shape).toEqual(name === 'gpt2' ? tower.encode(x).shape : x.shape)
      expect(norm(gradients.total)).toBeGreaterThan(0)
      expect(distance(partial(gradients, tower.blocks.length), gradients.total)).toBeLessThan(1e-12)
    },
  )

  test.each(['gpt2', 'vit', ...PRE, ...VITS, 'vision/timm-vit-clip', 'vision/hf-resnet'])(
    '%s: the series at a small scale converges to the run',
    name => {
      const { tower, x } = load(name, backend, { rule: 'constant', value: name.includes('resnet') ? 1e-4 : 0.01 })
      const series = taylor(tower, x, 12)
      const remainders = [0, 1, 2, 12].map(k => distance(partial(series, k), series.total))
      expect(remainders[1]).toBeLessThan(0.1 * remainders[0]!)
      expect(remainders[2]).toBeLessThan(0.1 * remainders[1]!)
      expect(remainders[3]).toBeLessThan(1e-12)
    },
  )
})

test.each([...POST, 'vision/hf-resnet-model', 'vision/timm-resnet26t'])(
  '%s: a ReLU after the addition puts λ = 0 on its kink, and the expansion says so',
  name => {
    const { tower, x } = load(name)
    expect(taylor(tower, x, 3).kink).toBe(0)
  },
)

test('no path takes two blocks where only one has a scale', () => {
  const { tower, x } = load('vit', js(), { rule: 'per-block', values: [0, 0, 0.5, 0] })
  const orders = gated(tower, x, 'all')
  expect(norm(order(orders, 2))).toBe(0)
  expect(distance(partial(orders, 1), run(tower, x))).toBeLessThan(1e-13)
})
