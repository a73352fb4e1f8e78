import { js, Random, sub, sum, type Tensor, tensor, valueAndGrad, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import {
  type Architecture,
  architectures,
  type Config,
  constant,
  constantRate,
  gpt2,
  initialise,
  inverseDepth,
  type Model,
  modelFiles,
  modelFrom,
  modelFromDlib,
  parseConfig,
  perBlock,
  registerArchitecture,
  resnet,
  reZero,
  run,
  sgd,
  skipInit,
  towerOf,
  train,
  vit,
} from './index.js'
import { dlibFile } from './oracles/dlib.js'
import { distance, recorded } from './oracles/recorded.js'

const varied = ['gpt2-fields', 'vit-fields', 'resnet-dilated', 'resnet-stride-first']

describe.each([js(), wasm()])('fields that change the network, on $name', backend => {
  it.each(varied)('%s agrees with PyTorch, in files that come back too', name => {
    const { model, x, output } = recorded(name, backend)
    expect(distance(run(towerOf(model), x), output)).toBeLessThan(1e-13)
    const { config, weights } = modelFiles(model)
    expect(distance(run(towerOf(modelFrom(config, weights, { dtype: 'f64', backend })), x), output)).toBeLessThan(1e-13)
  })
})

const heard = (name: string, changes: object) => {
  const { config, weights } = recorded(name, js())
  const warnings: string[] = []
  const text = JSON.stringify({ ...JSON.parse(config), ...changes })
  const model = modelFrom(text, weights, { dtype: 'f64', backend: js(), onWarning: w => void warnings.push(w) })
  return { model, warnings }
}

describe('config.json', () => {
  // Each field set to something other than its default moves the output by far more than rounding.
  it.each<[string, object]>([
    ['vit', { layer_norm_eps: 0.5 }],
    ['vit', { norm_eps: 0.5 }],
    ['vit', { act_layer: 'relu' }],
    ['vit', { hidden_act: 'relu' }],
    ['gpt2', { layer_norm_eps: 1e-5, layer_norm_epsilon: undefined, activation_function: 'gelu' }],
    ['gpt2', { layer_norm_epsilon: 0.5 }],
    ['resnet-basic', { norm_eps: 0.5 }],
    ['resnet-basic', { batch_norm_eps: 0.5 }],
    ['resnet-basic', { act_layer: 'silu' }],
    ['resnet-bottleneck', { stride_in_1x1: true }],
    ['resnet-bottleneck', { downsample_in_bottleneck: true }],
    ['resnet-bottleneck', { replace_stride_with_dilation: [true] }],
  ])('of %s honours %j', (name, changes) => {
    const { x, output } = recorded(name, js())
    const { model, warnings } = heard(name, changes)
    expect(distance(run(towerOf(model), x), output)).toBeGreaterThan(1e-7)
    expect(warnings).toEqual([])
  })

  it.each<[string, object, string]>([
    ['vit', { block_fn: 'ParallelScalingBlock' }, 'block_fn is "ParallelScalingBlock"; expected "Block" or null'],
    ['vit', { act_layer: 'mish' }, 'act_layer is "mish"; expected one of'],
    ['vit', { hidden_act: 'mish' }, 'hidden_act is "mish"; expected one of'],
    [
      'vit',
      { layer_norm_eps: 1e-12, norm_eps: 1e-6 },
      'layer_norm_eps is 1e-12 and norm_eps is 0.000001; expected the same',
    ],
    ['vit', { hidden_size: 9 }, 'hidden_size is 9 and embed_dim is 8'],
    ['vit', { intermediate_size: 9 }, 'intermediate_size is 9; expected embed_dim times mlp_ratio'],
    ['vit', { qk_norm: 'yes' }, 'qk_norm is "yes"; expected boolean'],
    ['vit', { reg_tokens: -1 }, 'reg_tokens is -1; expected'],
    ['vit', { scale_attn_norm: true }, 'scale_attn_norm is true; expected false'],
    ['vit', { model_args: { img_size: 9 } }, 'model_args is {"img_size":9}; expected {} or null'],
    ['vit', { class_token: false }, 'class_token is false; expected true'],
    ['vit', { model_type: 'deit' }, 'model_type is "deit"; expected "vit"'],
    ['gpt2', { add_cross_attention: true }, 'add_cross_attention is true; expected false'],
    ['gpt2', { pruned_heads: { 0: [1] } }, 'pruned_heads is {"0":[1]}; expected {} or null'],
    ['gpt2', { n_ctx: 3 }, 'n_ctx is 3 and n_positions is 6'],
    ['gpt2', { quantization_config: { bits: 4 } }, 'quantization_config is {"bits":4}; expected null'],
    ['gpt2', { tie_word_embeddings: 'no' }, 'tie_word_embeddings is "no"; expected boolean'],
    [
      'resnet-basic',
      { replace_stride_with_dilation: [true] },
      'replace_stride_with_dilation is [true]; expected no dil',
    ],
    [
      'resnet-bottleneck',
      { replace_stride_with_dilation: [true, false] },
      'is [true,false]; expected true or false for',
    ],
    ['resnet-basic', { groups: 2 }, 'groups is 2; expected 1 in basic blocks'],
    ['resnet-basic', { base_width: 32 }, 'base_width is 32; expected 64'],
    ['resnet-basic', { down_kernel_size: 3 }, 'down_kernel_size is 3; expected 1'],
    ['resnet-basic', { aa_layer: 'blurpool' }, 'aa_layer is "blurpool"; expected null'],
    ['resnet-basic', { norm_layer: 'GroupNorm' }, 'norm_layer is "GroupNorm"; expected "BatchNorm2d"'],
    ['resnet-basic', { norm_eps: -1 }, 'norm_eps is -1; expected'],
  ])('of %s refuses %j by name and value', (name, changes, message) => {
    expect(() => heard(name, changes)).toThrow(`config.json: `)
    expect(() => heard(name, changes)).toThrow(message)
  })

  it.each<[string, object]>([
    [
      'gpt2',
      { resid_pdrop: 0.1, summary_type: 'cls_index', transformers_version: '4.40', reorder_and_upcast_attn: true },
    ],
    ['gpt2', { hidden_size: 12, n_ctx: 6, use_cache: true, eos_token_id: 5, pruned_heads: {} }],
    ['vit', { drop_path_rate: 0.1, pretrained_cfg: { mean: [0.5] }, act_layer: null, block_fn: null, num_features: 8 }],
    ['resnet-basic', { zero_init_residual: true, groups: 1, width_per_group: 64, replace_stride_with_dilation: null }],
  ])('of %s takes %j, which change nothing, without a word', (name, changes) => {
    const { x, output } = recorded(name, js())
    const { model, warnings } = heard(name, changes)
    expect(distance(run(towerOf(model), x), output)).toBeLessThan(1e-13)
    expect(warnings).toEqual([])
    expect(model.config).toMatchObject(changes)
  })

  it.each(['gpt2', 'vit', 'resnet-basic'])('of %s names fields that the family does not know, and keeps them', name => {
    const { model, warnings } = heard(name, { 'λ of my thesis': 3, other: 'x'.repeat(1e5) })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(`fields that a ${model.architecture.name} does not know`)
    expect(warnings[0]).toContain('"λ of my thesis": 3, "other": "xxx')
    expect(warnings[0]!.length).toBeLessThan(400)
    expect(model.config).toMatchObject({ 'λ of my thesis': 3 })
  })

  it('of residual-mlp and dlib-resnet names them too, a few of many', () => {
    const sizes = { input: 2, width: 2, hidden: 2, output: 2, depth: 1, activation: 'relu' }
    const dlib = { size: [39, 39], mean: [1, 2, 3], layers: [1], widths: [2], outputs: 2 }
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`field${i}`, i]))
    for (const config of [
      { architecture: 'residual-mlp', ...sizes, ...many },
      { architecture: 'dlib-resnet', ...dlib, ...many },
    ]) {
      const warnings: string[] = []
      parseConfig(JSON.stringify(config), { onWarning: w => void warnings.push(w) })
      expect(warnings.join()).toMatch(/"field0": 0, .*"field7": 7 and 992 more/)
    }
  })
})

/** A small network of every family, and an input. */
const small = {
  gpt2: { architecture: 'gpt2', vocab_size: 5, n_positions: 4, n_embd: 4, n_layer: 2, n_head: 2 },
  vit: {
    architecture: 'vit',
    img_size: 4,
    patch_size: 2,
    in_chans: 1,
    num_classes: 3,
    embed_dim: 4,
    depth: 2,
    num_heads: 2,
  },
  resnet: {
    architecture: 'resnet',
    block: 'basic',
    layers: [2, 2],
    widths: [3, 4],
    stem: 'cifar',
    classes: 3,
    in_channels: 1,
  },
  'residual-mlp': {
    architecture: 'residual-mlp',
    input: 16,
    width: 4,
    hidden: 5,
    output: 3,
    depth: 4,
    activation: 'tanh',
  },
  'dlib-resnet': {
    architecture: 'dlib-resnet',
    size: [39, 39],
    mean: [1, 2, 3],
    layers: [2, 2],
    widths: [2, 3],
    outputs: 3,
  },
} as const
const inputOf = (name: string): Tensor =>
  name === 'gpt2'
    ? tensor([[1, 2, 0, 4]], { dtype: 'i32', backend: js() })
    : new Random(5).normal(
        name === 'dlib-resnet' ? [1, 3, 39, 39] : name === 'residual-mlp' ? [2, 16] : [2, 1, 4, 4],
        0,
        1,
        { dtype: 'f64', backend: js() },
      )

describe.each(Object.keys(small) as (keyof typeof small)[])('%s', name => {
  const family = architectures[name]!
  const fresh = (scale: ReturnType<typeof constant>) =>
    initialise(family, small[name], { random: new Random(3), scale, dtype: 'f64', backend: js() }) as Model
  const x = inputOf(name)
  const learnedOf = (model: Model) => Object.keys(model.tensors).filter(n => n.endsWith('scale'))

  it.each([
    ['skipInit', skipInit(), 0, [1, 1, 1, 1]],
    ['reZero', reZero(), 0, [1, 1, 1, 1]],
    ['constant', constant(0.5, true), 1, [0.5, 0.5, 0.5, 0.5]],
    ['1/n', inverseDepth(true), 1, [0.25, 0.25, 0.25, 0.25]],
    ['per-block', perBlock([1, 2, 3, 4], true), 1, [1, 2, 3, 4]],
  ] as const)('has the preset %s, its learned scalars included', (_, preset, start, scales) => {
    const model = fresh(preset)
    expect(learnedOf(model)).toHaveLength(4)
    for (const learned of learnedOf(model)) expect(model.tensors[learned]!.item()).toBe(start)
    expect(towerOf(model).blocks.map(b => b.scale)).toEqual(scales)
    const { config, weights } = modelFiles(model)
    const again = modelFrom(config, weights, { dtype: 'f64', backend: js() })
    expect(Object.keys(again.tensors).sort()).toEqual(Object.keys(model.tensors).sort())
    expect(run(towerOf(again), x).dataSync()).toEqual(run(towerOf(model), x).dataSync())
    expect(learnedOf(fresh({ rule: preset.rule }))).toEqual([])
  })

  it('multiplies the branch of each block by its own scalar', () => {
    const model = fresh(constant(0.5, true))
    const factors = [2, -1, 0.5, 3]
    const tensors = { ...model.tensors }
    for (const [l, learned] of learnedOf(model).entries())
      tensors[learned] = tensor(factors[l]!, { dtype: 'f64', backend: js() })
    const plain = fresh(perBlock(factors.map(f => f / 2)))
    const [got, want] = [run(towerOf(model, { tensors }), x), run(towerOf(plain), x)]
    expect(distance(got, want)).toBeLessThan(1e-14)
    expect(distance(got, run(towerOf(model), x))).toBeGreaterThan(1e-3)
  })

  it('the gradient in a scalar that starts at 0 is the difference that its block makes', () => {
    const model = fresh(skipInit())
    const of = (tensors: Model['tensors']) => sum(run(towerOf(model, { tensors }), x))
    const [, gradients] = valueAndGrad((t: Record<string, Tensor>) => of({ ...model.tensors, ...t }))(
      Object.fromEntries(learnedOf(model).map(n => [n, model.tensors[n]!])),
    )
    for (const learned of learnedOf(model)) {
      const at = (value: number) => of({ ...model.tensors, [learned]: tensor(value, { dtype: 'f64', backend: js() }) })
      const quotient = sub(at(1e-5), at(-1e-5)).item() / 2e-5
      const gradient = gradients[learned]!.item()
      // A ReLU after the addition has its kink at 0, and the gradient one side of it.
      if (name === 'resnet' || name === 'dlib-resnet') expect(Number.isFinite(gradient)).toBe(true)
      else expect(Math.abs(gradient - quotient)).toBeLessThan(1e-6 * Math.max(1, Math.abs(quotient)))
      expect(gradient).not.toBe(0)
    }
  })
})

it.each([
  [vit, { ...small.vit }],
  [resnet, { ...small.resnet }],
  [resnet, { ...small.resnet, preactivation: true }],
])('learned scalars of %o train', async (family, config) => {
  const model = initialise(family as Architecture<Config>, config as Config, {
    random: new Random(1),
    scale: reZero(),
  }) as Model
  const inputs = Float32Array.from(new Random(2).normal([8, 16]).dataSync())
  const labels = Int32Array.from({ length: 8 }, (_, i) => i % 3)
  const data = { inputs, labels, shape: [4, 4], size: 8, classes: 3, mean: 0, deviation: 1 }
  const settings = { steps: 2, batchSize: 8, optimiser: sgd(), schedule: constantRate(0.1), seed: 1 }
  const { state } = await train(model, { data, ...settings })
  for (const [name, t] of Object.entries(state.model.tensors)) {
    if (name.endsWith('scale')) expect(t.item()).not.toBe(0)
  }
})

describe('a family of one’s own', () => {
  const doubled: Architecture<Config> = {
    name: 'doubled',
    schema: vit.schema as unknown as Architecture<Config>['schema'],
    tensors: () => ({ w: { shape: [1], kind: 'parameter', start: 'weight' } }),
    depth: () => 1,
    input: () => ({ shape: [1], kind: 'real' }),
    tower: (_, { w }, [scale]) => ({ encode: x => x, blocks: [{ scale: scale!, branch: () => w! }], decode: h => h }),
  }

  it('a family is read once it is registered, with presets and scale rules', () => {
    const schema = { safeParse: (config: object) => ({ success: true, data: { architecture: 'doubled', ...config } }) }
    const family = { ...doubled, schema: schema as unknown as typeof doubled.schema }
    expect(() => parseConfig('{"architecture": "doubled"}')).toThrow('expected one of residual-mlp')
    registerArchitecture(family)
    registerArchitecture(family)
    const made = initialise(
      family,
      { architecture: 'doubled' },
      { random: new Random(1), scale: skipInit(), dtype: 'f64', backend: js() },
    )
    const { config, weights } = modelFiles(made as Model)
    const again = modelFrom(config, weights, { dtype: 'f64', backend: js() })
    expect(Object.keys(again.tensors)).toEqual(['w', 'blocks.0.scale'])
    expect(run(towerOf(again), tensor([[3]], { dtype: 'f64', backend: js() })).item()).toBe(3)
    expect(() => registerArchitecture({ ...gpt2 })).toThrow('there is a family "gpt2" already')
  })
})

it('a network of dlib has its presets when it is read as one of ours', () => {
  const file = dlibFile({ size: [39, 39], mean: [1, 2, 3], stem: 2, blocks: [{ width: 2, down: false }], outputs: 2 })
  const model = modelFromDlib(file.bytes, { dtype: 'f64', backend: js() }) as Model
  const half = { ...model.tensors, 'blocks.0.scale': tensor(0.5, { dtype: 'f64', backend: js() }) }
  const x = inputOf('dlib-resnet')
  const rule = { rule: 'constant', value: 0.5 } as const
  expect(distance(run(towerOf(model, { tensors: half }), x), run(towerOf(model, { scale: rule }), x))).toBeLessThan(
    1e-14,
  )
})
