import { type Rung, verify } from '@unravel/expansion'
import {
  type Activation,
  type Architecture,
  architectures,
  dlibResnet,
  fixup,
  gpt2,
  initialise,
  type Model,
  residualMlp,
  resnet,
  type Tower,
  towerOf,
  vit,
} from '@unravel/resnet'
import { concat, js, mul, narrow, Random, type Tensor, tensor } from '@unravel/tensor'
import { opTable, type Paths, type Series } from '@unravel/tensor/internals'
import { describe, expect, test } from 'vitest'

type Config = Model['config']

/** A network of a family whose every tensor is random, with a batch of inputs that suits it. */
function random(architecture: unknown, config: Config, seed: number, scale: number): { tower: Tower; x: Tensor } {
  const family = architecture as Architecture<Config>
  const where = { dtype: 'f64', backend: js() } as const
  const draw = new Random(seed)
  const rule = { rule: 'constant', value: scale } as const
  const model = initialise(family, config, { random: draw, scale: { rule }, ...where })
  const tensors = Object.fromEntries(
    Object.entries(model.tensors).map(([name, t]): [string, Tensor] => {
      if (t.rank > 1) return [name, t]
      const noise = draw.normal(t.shape, name.endsWith('weight') ? 1 : 0, 0.3, where)
      return [name, name.endsWith('running_var') ? mul(noise, noise) : noise]
    }),
  )
  const sizes = family.input(model.config).shape.map(s => (typeof s === 'number' ? s : 8))
  const x =
    family.input(model.config).kind === 'ids'
      ? tensor(
          Array.from({ length: 2 }, () => [...draw.permutation(6)]),
          { dtype: 'i32', backend: js() },
        )
      : draw.normal([2, ...sizes], 0, 1, where)
  return { tower: towerOf({ ...model, tensors } as Parameters<typeof towerOf>[0]), x }
}

const mlp = (activation: Activation, norm: string, depth: number): Config => ({
  architecture: 'residual-mlp',
  ...{ input: 5, width: 6, hidden: 7, output: 3, depth, activation, norm, norm_eps: 1e-5 },
})
const convolutional = (block: string, preactivation: boolean, norm: string): Config => ({
  architecture: 'resnet',
  ...{ block, layers: [2, 1], widths: [3, 4], stem: 'cifar', preactivation, norm, classes: 4, in_channels: 2 },
})
const transformer: Config = {
  architecture: 'gpt2',
  ...{ vocab_size: 11, n_positions: 8, n_embd: 8, n_layer: 2, n_head: 2, layer_norm_epsilon: 1e-5 },
}
const vision: Config = {
  architecture: 'vit',
  ...{ img_size: 8, patch_size: 4, in_chans: 2, embed_dim: 8, depth: 2, num_heads: 2, mlp_ratio: 2, num_classes: 3 },
}

const language = {
  ...{ vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2 },
} as const
const rotary = (architecture: string, fields: object): Config => ({ architecture, ...language, ...fields })
const face: Config = {
  architecture: 'dlib-resnet',
  ...{ layers: [1, 2], widths: [3, 4], outputs: 4, size: [40, 40], mean: [1, 2, 3] },
}

const activations: readonly Activation[] = [
  ...(['identity', 'relu', 'tanh', 'sigmoid', 'silu', 'softplus', 'gelu', 'gelu_tanh'] as const),
]
const norms = ['none', 'layer', 'rms', 'batch']
const families: (readonly [name: string, architecture: unknown, config: (seed: number) => Config])[] = [
  ...activations.flatMap(a =>
    norms.map(n => [`MLP, ${a}, norm ${n}`, residualMlp, (s: number) => mlp(a, n, 3 + (s % 3) * 5)] as const),
  ),
  ...['basic', 'bottleneck'].flatMap(block =>
    [false, true].flatMap(pre =>
      ['batch', 'none'].map(
        n => [`ResNet, ${block}, preactivation ${pre}, norm ${n}`, resnet, () => convolutional(block, pre, n)] as const,
      ),
    ),
  ),
  ['GPT-2', gpt2, () => transformer],
  ['ViT', vit, () => vision],
  ...['llama', 'mistral', 'qwen2', 'qwen3', 'granite', 'minicpm'].map(
    type =>
      [
        type,
        architectures.llama,
        () => rotary('llama', { model_type: type, head_dim: 4, num_key_value_heads: 1 }),
      ] as const,
  ),
  ...[true, false].map(
    parallel =>
      [
        `GPT-NeoX, parallel ${parallel}`,
        architectures['gpt-neox'],
        () => rotary('gpt-neox', { hidden_size: 16, rotary_pct: 0.5, use_parallel_residual: parallel }),
      ] as const,
  ),
  ["dlib's ResNet", dlibResnet, () => face],
]

const failing = (rungs: readonly Rung[]) => rungs.filter(r => r.error !== null && !(r.error <= r.tolerance))
const SEEDS = 2

describe('the ladder holds for right networks', () => {
  test.each(families)('%s passes every rung', async (_, architecture, config) => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const { tower, x } = random(architecture, config(seed), 100 + seed, [0.1, 0.5, 1][seed % 3]!)
      const rungs = await verify(tower, x)
      expect(failing(rungs)).toEqual([])
      for (const { error, note } of rungs) if (error === null) expect(note).not.toBe('')
    }
  })
})

test('a network whose output and gradient are 0 passes every rung', async () => {
  const where = { dtype: 'f64', backend: js() } as const
  const family = residualMlp as unknown as Architecture<Config>
  const model = initialise(family, mlp('relu', 'none', 3), { random: new Random(1), scale: fixup(), ...where })
  const x = new Random(2).normal([2, 5], 0, 1, where)
  expect(failing(await verify(towerOf(model), x))).toEqual([])
})

describe('the ladder fails where a rule is wrong', () => {
  const WRONG = 1.001
  type AnyOp = (typeof opTable)[number]
  const op = (name: string): AnyOp => opTable.find(o => o.name === name)!
  /** All rows of a stack from `first` on times a factor. */
  const spoiltFrom = (stack: Tensor, first: number) =>
    stack.shape[0]! <= first
      ? stack
      : concat([narrow(stack, 0, 0, first), mul(narrow(stack, 0, first, stack.shape[0]! - first), WRONG)], 0)
  /** Wrong versions of an op's rules: its derivative, its higher orders, its cotangents, its paths, its biases' order. */
  const mutants: Record<string, (rules: AnyOp) => Partial<AnyOp>> = {
    'series from order 1': ({ series }) => ({
      series: (inputs, attrs, at) => at.series(spoiltFrom((series!(inputs, attrs, at) as Series).stack, 1)),
    }),
    'series from order 2': ({ series }) => ({
      series: (inputs, attrs, at) => at.series(spoiltFrom((series!(inputs, attrs, at) as Series).stack, 2)),
    }),
    vjp: ({ vjp }) => ({
      vjp: (node, c) => vjp!(node, c).map(g => (g === null || g === undefined ? g : mul(g, WRONG))),
    }),
    gate: ({ gate }) => ({
      gate: (inputs, attrs, at) => {
        const { value, stack } = (gate as Exclude<typeof gate, string | undefined>)(inputs, attrs, at) as Paths
        return at.paths(value, spoiltFrom(stack, 1))
      },
    }),
    'shift by one order': ({ run }) => ({
      run: (inputs, attrs, type) =>
        run(inputs, attrs.offset === 1 ? { ...attrs, scale: WRONG * attrs.scale } : attrs, type),
    }),
  }
  const swiglu = rotary('llama', { model_type: 'llama', head_dim: 4, num_key_value_heads: 1 })
  const cases: (readonly [op: string, mutant: string, architecture: unknown, config: Config])[] = [
    ...(['tanh', 'sigmoid', 'silu', 'softplus', 'gelu'] as const).flatMap(a =>
      ['series from order 1', 'series from order 2', 'vjp', 'gate'].map(
        m => [a, m, residualMlp, mlp(a, 'none', 4)] as const,
      ),
    ),
    ...['series from order 1', 'vjp', 'gate'].map(m => ['linear', m, residualMlp, mlp('tanh', 'none', 4)] as const),
    ...['vjp', 'gate'].map(m => ['relu', m, residualMlp, mlp('relu', 'none', 4)] as const),
    ...['series from order 1', 'vjp', 'gate'].map(
      m => ['conv2d', m, resnet, convolutional('basic', true, 'batch')] as const,
    ),
    ...['series from order 1', 'series from order 2', 'vjp'].map(m => ['softmax', m, vit, vision] as const),
    ...(
      [
        ['layerNorm', 'vjp gate', residualMlp, mlp('tanh', 'layer', 3)],
        ...['mean', 'mul', 'add', 'sub'].map(name => [name, 'series vjp gate', residualMlp, mlp('tanh', 'layer', 3)]),
        ...['rsqrt', 'affine', 'addScaled'].map(name => [name, 'series vjp', residualMlp, mlp('tanh', 'layer', 3)]),
        ['meanSquare', 'vjp', residualMlp, mlp('tanh', 'layer', 3)],
        ['rmsNorm', 'vjp gate', residualMlp, mlp('gelu_tanh', 'rms', 3)],
        ['geluTanh', 'series vjp gate', residualMlp, mlp('gelu_tanh', 'rms', 3)],
        ['gather', 'series vjp', resnet, { ...convolutional('basic', false, 'batch'), stem: 'imagenet' }],
        ['scaledDotProductAttention', 'gate', gpt2, transformer],
        ...['matmul', 'reshape', 'transpose', 'slice'].map(name => [name, 'series vjp gate', gpt2, transformer]),
        ['sum', 'series', gpt2, transformer],
        ['concat', 'series vjp', vit, vision],
        ['glu', 'gate', architectures.llama, swiglu],
        ['silu', 'series vjp', architectures.llama, swiglu],
        ['div', 'series vjp gate', architectures.llama, swiglu],
        ...['avgPool2d', 'embed'].map(name => [name, 'series vjp gate', dlibResnet, face]),
        ['gather', 'series vjp', dlibResnet, face],
      ] as [op: string, rules: string, architecture: unknown, config: Config][]
    ).flatMap(([name, rules, architecture, config]) =>
      rules
        .split(' ')
        .map(rule => [name, rule === 'series' ? 'series from order 1' : rule, architecture, config] as const),
    ),
    // Too deep for every path and set to be enumerated.
    ...[4, 40].map(depth => ['addAligned', 'shift by one order', residualMlp, mlp('tanh', 'none', depth)] as const),
  ]
  test.each(cases)('%s, %s: a rung fails', async (name, mutant, architecture, config) => {
    const { tower, x } = random(architecture, config, 7, 0.4)
    expect(failing(await verify(tower, x))).toEqual([])
    const rules = op(name)
    const right = { ...rules }
    Object.assign(rules, mutants[mutant]!(right))
    try {
      expect(failing(await verify(tower, x)).map(r => r.name)).not.toEqual([])
    } finally {
      Object.assign(rules, right)
    }
  })
})
