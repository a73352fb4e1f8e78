import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  type Architecture,
  adamw,
  architectures,
  type Config,
  completeP,
  constantRate,
  deepNorm,
  fixup,
  initialise,
  layerScale,
  type Model,
  modelFiles,
  modelFrom,
  nf,
  residualMlp,
  run,
  type ScalePreset,
  scalesOfModel,
  towerOf,
  train,
} from '@unravel/resnet'
import { type Backend, js, Random, readNpy, type Tensor, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import { gated, gradient, taylor } from './index.js'
import { rows, values } from './oracles/numbers.js'
import { gatedPaths, gradientPaths } from './oracles/paths.js'

// Models with presets that change the form of blocks, and what numpy and torch make of the papers' formulas:
// packages/resnet/fixtures/presets/record.py.
const fixtures = resolve(import.meta.dirname, '../../resnet/fixtures/presets')
const file = (name: string, path: string) => resolve(fixtures, name, path)
const mlps = ['mlp-deep-norm', 'mlp-deep-norm-rms', 'mlp-layer-scale', 'mlp-fixup', 'mlp-nf', 'mlp-nf-beta']
const names = [...mlps, 'gpt2-deep-norm', 'resnet-fixup', 'resnet-preactivation-fixup', 'resnet-nf']

function load(name: string, backend: Backend): { model: Model; x: Tensor } {
  const model = modelFrom(
    readFileSync(file(name, 'config.json'), 'utf8'),
    readFileSync(file(name, 'model.safetensors')),
    {
      dtype: 'f64',
      backend,
    },
  )
  return { model, x: readNpy(readFileSync(file(name, 'input.npy')), { backend }) }
}
const recorded = (name: string, path: string) => readNpy(readFileSync(file(name, path)), { backend: js() })
const norm = (x: ArrayLike<number>) => Math.hypot(...Array.from(x))
const gap = (got: ArrayLike<number>, want: ArrayLike<number>, size = norm(want)) =>
  norm(Array.from(got, (v, i) => v - want[i]!)) / size

describe.each([js(), wasm()] as Backend[])('on $name', backend => {
  it.each(names)('%s: the output of the formula, from files that come back too', name => {
    const { model, x } = load(name, backend)
    const want = values(recorded(name, 'output.npy'))
    expect(gap(values(run(towerOf(model), x)), want)).toBeLessThan(1e-13)
    const { config, weights } = modelFiles(model)
    const again = modelFrom(config, weights, { dtype: 'f64', backend })
    expect(again.config.scale).toEqual(model.config.scale)
    expect(gap(values(run(towerOf(again), x)), want)).toBeLessThan(1e-13)
  })

  it.each(names.filter(name => existsSync(file(name, 'series.npy'))))('%s: the power series in λ', name => {
    const { model, x } = load(name, backend)
    const want = rows(recorded(name, 'series.npy'))
    const size = Math.max(...want.map(norm))
    rows(taylor(towerOf(model), x, 4).coefficients).forEach((order, k) => {
      // Cauchy's formula on a circle of radius 0.1 leaves 1e-16/0.1⁴.
      expect(gap(order, want[k]!, size)).toBeLessThan(1e-11)
    })
  })
})

const summed = (paths: readonly { set: ReadonlySet<number>; value: Float64Array }[], k: number) =>
  paths
    .filter(path => path.set.size === k)
    .map(path => path.value)
    .reduce((sum, value) => sum.map((v, i) => v + value[i]!))

it.each(names)('%s: gated orders and gradient orders are the sums over paths', name => {
  const { model, x } = load(name, js())
  const tower = towerOf(model)
  const { coefficients, total } = gated(tower, x, 'all')
  const paths = gatedPaths(tower, x)
  const size = norm(values(total))
  rows(coefficients).forEach((order, k) => {
    expect(gap(order, summed(paths, k), Math.max(size, norm(order)))).toBeLessThan(1e-12)
  })
  const all = rows(coefficients).reduce((sum, order) => sum.map((v, i) => v + order[i]!))
  expect(gap(all, values(total))).toBeLessThan(1e-12)
  if (name.startsWith('gpt2')) return
  const gradients = gradient(tower, x, 1, 'all')
  const single = gradientPaths(tower, x, 1)
  const slope = norm(values(gradients.total))
  rows(gradients.coefficients).forEach((order, k) => {
    expect(gap(order, summed(single, k), Math.max(slope, norm(order)))).toBeLessThan(1e-12)
  })
})

const f64 = { dtype: 'f64', backend: js() } as const
const fresh = (family: string, config: object, scale: ScalePreset): Model =>
  initialise(architectures[family]!, { architecture: family, ...config } as Config, {
    random: new Random(4),
    scale,
    ...f64,
  })
const variance = (x: ArrayLike<number>) => norm(x) ** 2 / x.length
const mlp = { input: 16, width: 24, hidden: 40, output: 3, depth: 100, activation: 'relu', norm: 'none' }
const gpt2 = { vocab_size: 9, n_positions: 6, n_embd: 24, n_layer: 8, n_head: 3 }
const vit = { img_size: 8, patch_size: 4, in_chans: 1, num_classes: 3, embed_dim: 24, depth: 8, num_heads: 3 }
const llama = {
  ...{ vocab_size: 9, hidden_size: 24, intermediate_size: 40, num_hidden_layers: 8, num_attention_heads: 3 },
  ...{ model_type: 'granite', residual_multiplier: 0.3 },
}
const neox = {
  ...{ vocab_size: 9, hidden_size: 24, intermediate_size: 40, num_hidden_layers: 8, num_attention_heads: 3 },
  use_parallel_residual: false,
}
const resnet = { block: 'bottleneck', layers: [4, 4], widths: [8, 12], stem: 'cifar', classes: 3, in_channels: 1 }

describe('fresh models', () => {
  // Xavier's variance 2/(in + out) times β² = (8N)^(−1/2) with N = 8, and 1 of queries and keys.
  it.each([
    ['gpt2', gpt2, 'h.3.attn.c_attn.weight', 'columns', 24],
    ['vit', vit, 'blocks.3.attn.qkv.weight', 'rows', 24],
    ['gpt-neox', neox, 'layers.3.attention.query_key_value.weight', 'rows', 8],
  ] as const)('deepNorm of %s draws values smaller than queries and keys', (family, config, name, along, group) => {
    const { tensors } = fresh(family, config, deepNorm())
    const weight = values(tensors[name]!)
    const parts: number[][] = [[], [], []]
    weight.forEach((v, i) => {
      const output = along === 'rows' ? Math.floor(i / 24) : i % 72
      parts[Math.floor(output / group) % 3]!.push(v)
    })
    const wanted = [1, 1, (8 * 8) ** -0.5].map(factor => (2 / 48) * factor)
    // 576 numbers: their variance is good to √(2/576) = 6 %.
    parts.forEach((part, i) => {
      expect(variance(part) / wanted[i]!).toBeGreaterThan(0.75)
      expect(variance(part) / wanted[i]!).toBeLessThan(1.3)
    })
  })

  it('deepNorm of llama draws queries and keys at 1, all else in a branch at β, and nothing else so', () => {
    const { tensors } = fresh('llama', llama, deepNorm())
    const ratio = (name: string, from: number, out: number) =>
      variance(values(tensors[name]!)) / (2 / (from + out)) / (8 * 8) ** -0.5
    for (const name of ['v_proj', 'o_proj'].map(n => `model.layers.2.self_attn.${n}.weight`))
      expect(Math.abs(ratio(name, 24, 24) - 1)).toBeLessThan(0.3)
    for (const name of ['gate', 'up', 'down'].map(n => `model.layers.2.mlp.${n}_proj.weight`))
      expect(Math.abs(ratio(name, 24, 40) - 1)).toBeLessThan(0.25)
    for (const name of ['q_proj', 'k_proj'].map(n => `model.layers.2.self_attn.${n}.weight`))
      expect(ratio(name, 24, 24)).toBeGreaterThan(5)
    expect(Object.keys(tensors)).not.toContain('model.norm.weight')
    // λ is that of the preset, not the multiplier of the configuration.
    expect(new Set(scalesOfModel(fresh('llama', llama, deepNorm())))).toEqual(new Set([1]))
  })

  it('fixup starts branches and the classifier at 0, other weights of branches at He times n^(−1/(2m−2))', () => {
    const { tensors } = fresh('residual-mlp', mlp, fixup())
    const all = (end: string) =>
      Object.entries(tensors).flatMap(([name, t]) => (name.endsWith(end) ? Array.from(values(t)) : []))
    expect(all('fc2.weight').every(v => v === 0)).toBe(true)
    expect(all('decoder.weight').every(v => v === 0)).toBe(true)
    expect(all('multiplier').every(v => v === 1)).toBe(true)
    expect(all('bias1a').every(v => v === 0)).toBe(true)
    // n = 100 branches of m = 2 layers: 2/24 · 100^(−1), of 96,000 numbers.
    expect(Math.abs(variance(all('fc1.weight')) / (2 / 24 / 100) - 1)).toBeLessThan(0.03)
    const conv = fresh('resnet', { ...resnet, norm: 'none' }, fixup()).tensors
    // n = 8 branches of m = 3 layers: He times 8^(−1/4).
    const inner = Array.from({ length: 3 }, (_, b) => Array.from(values(conv[`layer2.${b + 1}.conv2.weight`]!))).flat()
    expect(Math.abs(variance(inner) / ((2 / 108) * 8 ** -0.5) - 1)).toBeLessThan(0.15)
    expect(values(conv['layer2.1.conv3.weight']!).every(v => v === 0)).toBe(true)
    expect(values(conv['fc.weight']!).every(v => v === 0)).toBe(true)
    expect(conv['layer1.0.conv1.bias']).toBeUndefined()
  })

  it('layerScale is a diagonal of every family, in files that come back', () => {
    for (const [family, config, scale, shape] of [
      ['gpt2', gpt2, 'h.1.mlp.scale', [24]],
      ['llama', llama, 'layers.1.mlp.scale', [24]],
      ['gpt-neox', neox, 'layers.1.mlp.scale', [24]],
      ['vit', vit, 'blocks.1.attn.scale', [24]],
      ['resnet', resnet, 'layer2.0.scale', [48, 1, 1]],
      ['residual-mlp', { ...mlp, depth: 3 }, 'blocks.1.scale', [24]],
    ] as const) {
      const model = fresh(family, config, layerScale(0.1))
      expect(model.tensors[scale]!.shape).toEqual(shape)
      expect(new Set(values(model.tensors[scale]!))).toEqual(new Set([0.1]))
      expect(new Set(scalesOfModel(model))).toEqual(new Set([1]))
      const { config: json, weights } = modelFiles(model)
      expect(Object.keys(modelFrom(json, weights).tensors).sort()).toEqual(Object.keys(model.tensors).sort())
    }
  })

  it('completeP is 1/n', () => {
    expect(scalesOfModel(fresh('gpt2', gpt2, completeP()))).toEqual(new Array(16).fill(1 / 16))
  })

  it.each<[string, object, ScalePreset, string]>([
    ['gpt2', gpt2, fixup(), 'scale.rule is "fixup"; expected another: the branches of a gpt2 have norms'],
    ['vit', vit, nf(0.2), 'scale.rule is "nf"; expected another: the branches of a vit have norms'],
    ['llama', llama, nf(0.2), 'the branches of a llama have norms'],
    [
      'gpt-neox',
      { ...neox, use_parallel_residual: true },
      deepNorm(),
      'with use_parallel_residual there are two norms',
    ],
    ['resnet', resnet, deepNorm(), 'its layer norms are of transformers'],
    ['resnet', resnet, fixup(), 'it is in place of norms, and "norm" is "batch"'],
    ['resnet', { ...resnet, norm: 'none' }, nf(0.2), 'it is of pre-activation blocks'],
    ['residual-mlp', { ...mlp, norm: 'layer' }, fixup(), 'it is in place of norms, and "norm" is "layer"'],
    ['residual-mlp', { ...mlp, norm: 'batch' }, deepNorm(), 'its norm is of single inputs'],
    ['residual-mlp', mlp, nf(Number.NaN), 'scale.alpha is'],
  ])('%s refuses a preset that it does not have: %#', (family, config, scale, message) => {
    expect(() => fresh(family, config, scale)).toThrow(message)
  })

  it('another λ in place of that of the preset leaves the form; a form in place of λ is refused', () => {
    const model = fresh('residual-mlp', { ...mlp, depth: 3 }, nf(0.2))
    expect(scalesOfModel(model, { rule: 'constant', value: 0.5 })).toEqual([0.5, 0.5, 0.5])
    expect(() => towerOf(model, { scale: { rule: 'fixup' } })).toThrow('scale fixup is the form of a fresh network')
  })
})

describe('training', () => {
  const inputs = Float32Array.from(new Random(2).normal([32, 16]).dataSync())
  const labels = Int32Array.from(
    { length: 32 },
    (_, i) => (inputs[16 * i]! > 0 ? 1 : 0) + (inputs[16 * i + 1]! > 0 ? 1 : 0),
  )
  const data = { inputs, labels, shape: [4, 4], size: 32, classes: 3, mean: 0, deviation: 1 }
  const trained = async (model: Model, steps: number, rate: number) => {
    const losses: number[] = []
    const { ended } = await train(model, {
      ...{ data, steps, batchSize: 32, optimiser: adamw(), schedule: constantRate(rate), seed: 1 },
      onStep: ({ loss }) => void losses.push(loss),
    })
    return { ended, losses }
  }

  it.each<[string, ScalePreset]>([
    ['deepNorm', deepNorm()],
    ['layerScale', layerScale(0.01)],
    ['fixup', fixup()],
    ['nf', nf(0.2)],
    ['completeP', completeP()],
  ])('a tower of 100 blocks without norms trains with %s', async (_, scale) => {
    const config = { architecture: 'residual-mlp', ...mlp } as Config
    const model = initialise(residualMlp as unknown as Architecture<Config>, config, { random: new Random(3), scale })
    const { ended, losses } = await trained(model, 8, 3e-3)
    expect(ended).toBe('done')
    expect(losses[0]).toBeLessThan(5)
    expect(losses.at(-1)).toBeLessThan(0.97 * losses[0]!)
  })

  it.each<[string, object, ScalePreset]>([
    ['vit', { ...vit, img_size: 4, patch_size: 2 }, deepNorm()],
    ['vit', { ...vit, img_size: 4, patch_size: 2 }, layerScale(0.1)],
    ['resnet', { ...resnet, norm: 'none' }, fixup()],
    ['resnet', { ...resnet, norm: 'none', preactivation: true }, fixup()],
    ['resnet', { ...resnet, norm: 'none', preactivation: true }, nf(0.2)],
    ['resnet', resnet, layerScale(0.1)],
  ])('%s trains with a preset: %#', async (family, config, scale) => {
    const { ended, losses } = await trained(
      initialise(architectures[family]!, { architecture: family, ...config } as Config, {
        random: new Random(3),
        scale,
      }),
      6,
      1e-2,
    )
    expect(ended).toBe('done')
    expect(losses.at(-1)).toBeLessThan(losses[0]!)
  })
})
