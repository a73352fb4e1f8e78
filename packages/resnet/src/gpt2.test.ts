import {
  type ArrayData,
  arrayData,
  FormatError,
  formatSafetensors,
  js,
  parseSafetensors,
  Random,
  tensor,
  wasm,
} from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import {
  type Gpt2Config,
  gpt2,
  initialise,
  inverseDepth,
  type Model,
  modelFiles,
  modelFrom,
  parseConfig,
  run,
  towerOf,
} from './index.js'
import { distance, recorded } from './oracles/recorded.js'

const { config, weights, model, x, output } = recorded('gpt2', js())

describe('gpt2', () => {
  it.each([js(), wasm()])('agrees with PyTorch on $name', backend => {
    const { model, x, output } = recorded('gpt2', backend)
    expect(distance(run(towerOf(model), x), output)).toBeLessThan(1e-13)
    expect(towerOf(model).blocks).toHaveLength(4)
  })

  it('loads with and without the prefix, the buffers and the tied head', () => {
    expect(Object.keys(model.tensors)).toEqual(Object.keys(gpt2.tensors(model.config as Gpt2Config)))
    const plain = modelFiles(model)
    expect([...parseSafetensors(plain.weights).tensors.keys()]).toContain('h.1.mlp.c_fc.weight')
    const again = modelFrom(plain.config, plain.weights, { dtype: 'f64', backend: js() })
    expect(run(towerOf(again), x).dataSync()).toEqual(run(towerOf(model), x).dataSync())
  })

  const stored = (changes: Record<string, ArrayData | null>) => {
    const tensors = Object.fromEntries(Object.entries(model.tensors).map(([name, t]) => [name, arrayData(t)]))
    const changed = Object.entries({ ...tensors, ...changes }).filter((e): e is [string, ArrayData] => e[1] !== null)
    return () => modelFrom(config, formatSafetensors(Object.fromEntries(changed)))
  }
  const numbers = (...shape: number[]): ArrayData => ({
    shape,
    dtype: 'f64',
    data: new Float64Array(shape.reduce((a, b) => a * b, 1)),
  })

  it.each([
    [{ 'lm_head.weight': numbers(11, 12) }, 'tensor "lm_head.weight" differs from another that also stands for'],
    [{ 'lm_head.weight': numbers(12, 11) }, 'tensor "lm_head.weight" is [12,11]; config.json makes it [11,12]'],
    [{ 'h.2.ln_1.weight': numbers(12) }, 'tensor "h.2.ln_1.weight" is not part of this gpt2'],
    [{ 'h.1.attn.c_attn.bias': null }, 'tensor "h.1.attn.c_attn.bias" [36] is missing'],
    [{ 'h.0.mlp.c_fc.weight': numbers(20, 12) }, 'is [20,12]; config.json makes it [12,20]'],
  ] as [Record<string, ArrayData | null>, string][])('refuses other tensors: %#', (changes, message) => {
    expect(stored(changes)).toThrow(FormatError)
    expect(stored(changes)).toThrow(message)
  })

  it.each([
    [{ n_head: 5 }, 'n_head is 5; expected a divisor of n_embd'],
    [{ n_layer: 1e9 }, 'n_layer is 1000000000; expected number to be <='],
    [{ n_embd: 2 ** 40, n_head: 1 }, 'n_embd is 1099511627776; expected'],
    [{ activation_function: 'mish' }, 'activation_function is "mish"; expected one of "gelu_new"'],
    [{ tie_word_embeddings: 0 }, 'tie_word_embeddings is 0; expected boolean'],
    [{ vocab_size: undefined }, 'vocab_size is missing; expected number'],
    [{ n_layer: 1 << 19 }, 'config.json wants 1048576 blocks'],
  ])('refuses %j', (changes, message) => {
    expect(() => modelFrom(JSON.stringify({ ...JSON.parse(config), ...changes }), weights)).toThrow(message)
  })

  it('takes ids of its vocabulary, in sequences that have positions', () => {
    const at = (ids: number[][]) => run(towerOf(model), tensor(ids, { dtype: 'i32', backend: js() }))
    expect(at([[1, 2, 3, 4, 5, 6]]).shape).toEqual([1, 6, 11])
    expect(() => at([[1, 2, 3, 4, 5, 6, 7]])).toThrow("a sequence of 7 ids is longer than the model's n_positions, 6")
    expect(() =>
      at([
        [1, 2],
        [3, 11],
      ]),
    ).toThrow("gpt2: id 11 at [1, 1] is outside 0..10, the model's vocabulary")
    expect(() => at([[1, -1]])).toThrow('id -1 at [0, 1]')
    expect(() => run(towerOf(model), output)).toThrow('gpt2 takes i32 ids [batch, sequence], got f64[2,5,11]')
  })

  it('logits of a position depend on no later one', () => {
    const logits = (ids: number[]) => run(towerOf(model), tensor([ids], { dtype: 'i32', backend: js() })).dataSync()
    expect(logits([3, 1, 4, 1]).slice(0, 33)).toEqual(logits([3, 1, 4]).slice(0, 33))
  })

  it('scales attention as the configuration says', () => {
    const [plain, unscaled, byLayer] = [
      {},
      { scale_attn_weights: false },
      { scale_attn_by_inverse_layer_idx: true },
    ].map(changes =>
      run(
        towerOf(modelFrom(JSON.stringify({ ...JSON.parse(config), ...changes }), weights, { backend: js() })),
        x,
      ).dataSync(),
    )
    expect(unscaled).not.toEqual(plain)
    expect(byLayer).not.toEqual(plain)
    expect(byLayer).not.toEqual(unscaled)
  })

  it('initialises by the inputs of each unit, and takes scale rules', () => {
    const { config: parsed } = parseConfig(JSON.stringify({ ...JSON.parse(config), n_embd: 48, n_inner: 400 }))
    const fresh = initialise(gpt2, parsed as Gpt2Config, {
      random: new Random(1),
      scale: inverseDepth(),
      dtype: 'f64',
      backend: js(),
    })
    const squares = fresh.tensors['h.0.mlp.c_proj.weight']!.dense()[0]!.dataSync()
    const variance = (squares as Float64Array).reduce((sum, w) => sum + w * w, 0) / squares.length
    expect(variance * 400).toBeGreaterThan(0.95)
    expect(variance * 400).toBeLessThan(1.05)
    expect(towerOf(fresh as Model).blocks[3]!.scale).toBe(1 / 4)
  })
})
