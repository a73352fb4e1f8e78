import { js, Random, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import { InputError, initialise, type Model, modelFrom, run, towerOf, type VitConfig, vit } from './index.js'
import { distance, recorded } from './oracles/recorded.js'

describe('vit', () => {
  it.each([js(), wasm()])('agrees with PyTorch on $name', backend => {
    const { model, x, output } = recorded('vit', backend)
    expect(distance(run(towerOf(model), x), output)).toBeLessThan(1e-13)
    expect(towerOf(model).blocks.map(b => b.scale)).toEqual([0.5, 0.5, 0.5, 0.5])
    expect(vit.input(model.config as VitConfig)).toEqual({ shape: [2, 8, 12], kind: 'real' })
  })

  const { config, weights } = recorded('vit', js())
  const changed = (changes: object) => () => modelFrom(JSON.stringify({ ...JSON.parse(config), ...changes }), weights)

  it.each([
    [{ num_heads: 3 }, 'num_heads is 3; expected a divisor of embed_dim'],
    [{ patch_size: 9 }, 'patch_size is 9; expected at most img_size'],
    [{ img_size: 'big' }, 'img_size is "big"; expected a positive integer or two'],
    [{ mlp_ratio: 1e9 }, 'mlp_ratio is 1000000000; expected'],
    [{ depth: 1 << 19 }, 'config.json wants 1048576 blocks'],
    [{ depth: 1 << 20 }, 'depth is 1048576; expected'],
    [{ global_pool: 'map' }, 'global_pool is "map"; expected one of "token"|"avg"'],
    [{ global_pool: 'avg' }, 'tensor "norm.weight" is not part of this vit'],
    [{ qkv_bias: false }, 'tensor "blocks.0.attn.qkv.bias" is not part of this vit'],
    [{ img_size: 8 }, 'tensor "pos_embed" is [1,7,8]; config.json makes it [1,5,8]'],
    [{ mlp_ratio: 3 }, 'is [20,8]; config.json makes it [24,8]'],
  ])('refuses %j', (changes, message) => {
    expect(changed(changes)).toThrow(message)
  })

  it('refuses images of another size', () => {
    const { model } = recorded('vit', js())
    const at = (...shape: number[]) =>
      run(towerOf(model), new Random(1).normal(shape, 0, 1, { dtype: 'f64', backend: js() }))
    expect(() => at(1, 2, 12, 8)).toThrow(InputError)
    expect(() => at(1, 2, 12, 8)).toThrow('vit takes images [batch, 2, 8, 12], got [1, 2, 12, 8]')
    expect(() => at(2, 8, 12)).toThrow('got [2, 8, 12]')
  })

  it('may have no bias for queries, keys and values', () => {
    const { config: parsed } = modelFrom(config, weights)
    const model = initialise(vit, { ...(parsed as VitConfig), qkv_bias: false }, { random: new Random(1) })
    expect(Object.keys(model.tensors)).not.toContain('blocks.0.attn.qkv.bias')
    expect(run(towerOf(model as Model), new Random(2).normal([2, 2, 8, 12])).shape).toEqual([2, 5])
  })
})
