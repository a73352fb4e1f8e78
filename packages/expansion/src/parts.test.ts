import { architectures, initialise, type Model, type Tower, towerOf } from '@unravel/resnet'
import {
  add,
  addScaled,
  gated as freeze,
  mul,
  Random,
  reshape,
  scope,
  sum,
  type Tensor,
  tanh,
  tensor,
} from '@unravel/tensor'
import { addAligned, padded } from '@unravel/tensor/internals'
import { describe, expect, test } from 'vitest'
import { gatedAttribution, verify } from './index.js'

// The paths through a head, or a position, against the orders that are missing where it is cut out of the paths and the gates of
// the run stay.

const f64 = { dtype: 'f64' } as const

/** A model with every number drawn. */
function drawn(family: string, fields: object): Model {
  const architecture = architectures[family]!
  const config = architecture.schema.parse({ architecture: family, ...fields })
  const random = new Random(11)
  const fresh = initialise(architecture, config, { random, ...f64 }) as Model
  const tensors = Object.entries(fresh.tensors).map(([name, t]) => [name, add(t, random.normal(t.shape, 0, 0.25, f64))])
  return { ...fresh, tensors: Object.fromEntries(tensors) }
}

interface Family {
  readonly model: Model
  readonly x: Tensor
  readonly heads: number
  /** The weight after the heads of a layer, and whether its rows are inputs. */
  readonly projection: (layer: number) => { name: string; inputsFirst: boolean }
  readonly attention: readonly number[]
}

const ids = tensor([3, 1, 7, 2, 5, 3, 0, 4], { shape: [2, 4], dtype: 'i32' })
const families: Record<string, () => Family> = {
  gpt2: () => ({
    model: drawn('gpt2', {
      ...{ n_embd: 12, n_layer: 2, n_head: 3, vocab_size: 9, n_positions: 6 },
      scale: { rule: 'per-block', values: [0.3, 0.5, 0.4, 0.7] },
    }),
    x: ids,
    heads: 3,
    projection: l => ({ name: `h.${l}.attn.c_proj.weight`, inputsFirst: true }),
    attention: [0, 2],
  }),
  'gpt2 under DeepNorm': () => ({
    model: drawn('gpt2', {
      ...{ n_embd: 12, n_layer: 2, n_head: 3, vocab_size: 9, n_positions: 6, scale: { rule: 'deep-norm' } },
    }),
    x: ids,
    heads: 3,
    projection: l => ({ name: `h.${l}.attn.c_proj.weight`, inputsFirst: true }),
    attention: [0, 2],
  }),
  'granite with grouped keys and values': () => ({
    model: drawn('llama', {
      ...{ model_type: 'granite', vocab_size: 9, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2 },
      ...{ num_attention_heads: 4, num_key_value_heads: 2, head_dim: 4, attention_bias: true },
      ...{ residual_multiplier: 0.3, embedding_multiplier: 1.7, attention_multiplier: 0.4, logits_scaling: 2.5 },
    }),
    x: ids,
    heads: 4,
    projection: l => ({ name: `model.layers.${l}.self_attn.o_proj.weight`, inputsFirst: false }),
    attention: [0, 2],
  }),
  'gpt-neox in parallel': () => ({
    model: drawn('gpt-neox', {
      ...{ vocab_size: 9, hidden_size: 16, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2 },
      ...{ use_parallel_residual: true, scale: { rule: 'constant', value: 0.4 } },
    }),
    x: ids,
    heads: 2,
    projection: l => ({ name: `layers.${l}.attention.dense.weight`, inputsFirst: false }),
    attention: [0, 1],
  }),
  'vit with layer scale': () => ({
    model: drawn('vit', {
      ...{ img_size: 4, patch_size: 2, in_chans: 1, embed_dim: 8, depth: 2, num_heads: 2, num_classes: 3 },
      ...{ init_values: 0.6, scale: { rule: 'constant', value: 0.8 } },
    }),
    x: new Random(3).normal([2, 1, 4, 4], 0, 1, f64),
    heads: 2,
    projection: l => ({ name: `blocks.${l}.attn.proj.weight`, inputsFirst: false }),
    attention: [0, 2],
  }),
}

/** Order sums along v of the gated run, where `cut` changes what the branch of block l adds to the paths, and `begin` those that
 *  there are before all blocks. */
function orders(
  tower: Tower,
  x: Tensor,
  v: Tensor,
  cut?: (l: number, branch: Tensor, value: Tensor, paths: Tensor) => Tensor,
  begin: (paths: Tensor) => Tensor = paths => paths,
) {
  const n = tower.blocks.length
  return scope(() => {
    let value = tower.encode(x)
    let paths = begin(reshape(value, [1, ...value.shape]))
    tower.blocks.forEach((block, l) => {
      const skipped = block.skip === undefined ? { value, stack: paths } : freeze(block.skip, value, paths, n)
      const branch = freeze(block.branch, value, paths, n)
      const added = cut === undefined ? branch.stack : cut(l, branch.stack, value, paths)
      paths = addAligned(skipped.stack, added, 1, block.scale)
      value = addScaled(skipped.value, branch.value, block.scale)
    })
    const stack = padded(freeze(tower.decode, value, paths, n).stack, n + 1)
    return sum(reshape(mul(stack, v), [n + 1, -1]), 1)
  }).dataSync()
}

/** 0 at a position, 1 at the others. */
const othersThan = (position: number, positions: number): Tensor =>
  tensor(
    Float64Array.from({ length: positions }, (_, i) => Number(i !== position)),
    { shape: [1, 1, positions, 1], dtype: 'f64' },
  )

/** The weight with the inputs of one head at zero. */
function without(weight: Tensor, head: number, heads: number, inputsFirst: boolean): Tensor {
  const inputs = weight.shape[inputsFirst ? 0 : 1]!
  const keeps = Float64Array.from({ length: inputs }, (_, i) => (Math.floor(i / (inputs / heads)) === head ? 0 : 1))
  return mul(weight, tensor(keeps, { shape: inputsFirst ? [inputs, 1] : [1, inputs], dtype: 'f64' }))
}

describe.each(Object.keys(families))('%s', name => {
  const { model, x, heads, projection, attention } = families[name]!()
  const tower = towerOf(model)
  const n = tower.blocks.length
  const shape = scope(() => tower.decode(tower.encode(x)).shape)
  const v = new Random(5).normal(shape, 0, 1, f64)
  const whole = orders(tower, x, v)
  const size = Math.max(...Array.from(whole, Math.abs))

  test('heads and what is beside them sum to their block, and each is what the orders lack without it', async () => {
    const { blocks, parts, totals } = await gatedAttribution(tower, x, 'all', { direction: v, by: 'head' })
    const { values, rest } = parts!
    totals.forEach((t, k) => expect(Math.abs(t - whole[k]!)).toBeLessThan(1e-12 * size))
    for (let k = 0; k <= n; k++) {
      for (let l = 0; l < n; l++) {
        const found = values[k]![l]!
        expect(found).toHaveLength(attention.includes(l) ? heads : 0)
        const total = found.reduce((a, b) => a + b, rest[k]![l]!)
        expect(Math.abs(total - blocks[k]![l]!)).toBeLessThanOrEqual(1e-12 * size)
      }
    }
    for (const [layer, l] of attention.entries()) {
      for (let head = 0; head < heads; head++) {
        const { name: weight, inputsFirst } = projection(layer)
        const zeroed = without(model.tensors[weight]!, head, heads, inputsFirst)
        const { branch } = towerOf({ ...model, tensors: { ...model.tensors, [weight]: zeroed } }).blocks[l]!
        const lacking = orders(tower, x, v, (at, stack, value, paths) =>
          at === l ? freeze(branch, value, paths, n).stack : stack,
        )
        for (let k = 0; k <= n; k++) {
          expect(Math.abs(values[k]![l]![head]! - (whole[k]! - lacking[k]!))).toBeLessThan(1e-12 * size)
        }
        expect(Math.abs(values[1]![l]![head]!)).toBeGreaterThan(1e-6 * size)
      }
    }
  })

  test('positions sum to their block, and each is what the orders lack without it', async () => {
    const { blocks, parts } = await gatedAttribution(tower, x, 'all', { direction: v, by: 'position' })
    const positions = tower.encode(x).shape[1]!
    for (let l = 0; l < n; l++) {
      for (let k = 0; k <= n; k++) {
        const found = parts!.values[k]![l]!
        expect(found).toHaveLength(positions)
        expect(Math.abs(found.reduce((a, b) => a + b, 0) - blocks[k]![l]!)).toBeLessThanOrEqual(1e-12 * size)
      }
      for (let p = 0; p < positions; p++) {
        const mask = othersThan(p, positions)
        const lacking = orders(tower, x, v, (at, stack) => (at === l ? mul(stack, mask) : stack))
        for (let k = 0; k <= n; k++) {
          expect(Math.abs(parts!.values[k]![l]![p]! - (whole[k]! - lacking[k]!))).toBeLessThan(1e-12 * size)
        }
      }
    }
  })

  test('sources and biases sum to their block, and each is what the orders lack where the block does not read it', async () => {
    const { blocks, parts, totals } = await gatedAttribution(tower, x, 'all', { direction: v, by: 'source' })
    const positions = tower.encode(x).shape[1]!
    const { values, rest, starts } = parts!
    for (let l = 0; l < n; l++) {
      for (let k = 0; k <= n; k++) {
        expect(values[k]![l]!).toHaveLength(positions)
        const total = values[k]![l]!.reduce((a, b) => a + b, rest[k]![l]!)
        expect(Math.abs(total - blocks[k]![l]!)).toBeLessThanOrEqual(1e-12 * size)
      }
      for (let p = 0; p < positions; p++) {
        const mask = othersThan(p, positions)
        const { branch } = tower.blocks[l]!
        const lacking = orders(tower, x, v, (at, stack, value, paths) =>
          at === l ? freeze(branch, value, mul(paths, mask), n).stack : stack,
        )
        for (let k = 0; k <= n; k++) {
          expect(Math.abs(values[k]![l]![p]! - (whole[k]! - lacking[k]!))).toBeLessThan(1e-12 * size)
        }
      }
    }
    expect(rest[1]!.some(value => Math.abs(value) > 1e-6 * size)).toBe(true)
    for (let p = 0; p < positions; p++) {
      const lacking = orders(tower, x, v, undefined, paths => mul(paths, othersThan(p, positions)))
      for (let k = 0; k <= n; k++) {
        expect(Math.abs(starts![k]![p]! - (whole[k]! - lacking[k]!))).toBeLessThan(1e-12 * size)
      }
    }
    expect(totals).toHaveLength(n + 1)
  })
})

test('a learned scale multiplies heads as it does their branch', async () => {
  const { model, x } = families.gpt2!()
  const tensors = { ...model.tensors, 'h.0.attn.scale': tensor(0.6, f64), 'h.1.attn.scale': tensor(-1.5, f64) }
  const { blocks, parts } = await gatedAttribution(towerOf({ ...model, tensors }), x, 3, { by: 'head' })
  const largest = Math.max(...blocks.flatMap(row => Array.from(row, Math.abs)))
  for (const l of [0, 2]) {
    for (const k of [1, 2, 3]) {
      const total = parts!.values[k]![l]!.reduce((a, b) => a + b, parts!.rest[k]![l]!)
      expect(Math.abs(total - blocks[k]![l]!)).toBeLessThan(1e-12 * largest)
    }
  }
})

test('the verification ladder has a rung for heads, where there are any', async () => {
  const { model, x } = families['granite with grouped keys and values']!()
  const rung = (await verify(towerOf(model), x)).find(r => r.name.startsWith('gated: heads'))!
  expect(rung.error).toBeLessThanOrEqual(rung.tolerance)
})

test('towers without heads or positions say so', async () => {
  const tower: Tower = { encode: h => h, blocks: [{ scale: 0.5, branch: tanh }], decode: h => h }
  const x = tensor([[1, 2]], f64)
  await expect(gatedAttribution(tower, x, 1, { by: 'head' })).rejects.toThrow(/no block has heads/)
  for (const by of ['position', 'source'] as const) {
    await expect(gatedAttribution(tower, x, 1, { by })).rejects.toThrow(
      new RegExp(`by ${by} wants .*\\[batch, positions, width\\].*\\[1,2\\]`),
    )
  }
})
