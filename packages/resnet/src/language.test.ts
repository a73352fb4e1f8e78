import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Backend, js, readNpy, scope, type Tensor, wasm } from '@unravel/tensor'
import { afterAll, describe, expect, it } from 'vitest'
import { modelFrom, parseConfig, scalesOfModel, towerOf } from './models.js'
import { readModel } from './node.js'
import { run } from './tower.js'

// Folders as Hugging Face writes them, and the logits of an independent forward pass: fixtures/language/record.py.
const fixtures = fileURLToPath(new URL('../fixtures/language/', import.meta.url))
const bytes = (...path: string[]) => new Uint8Array(readFileSync(join(fixtures, ...path)))
const config = (name: string) => JSON.parse(readFileSync(join(fixtures, name, 'config.json'), 'utf8'))

const families = ['llama', 'mistral', 'qwen2', 'qwen3', 'granite', 'minicpm', 'gpt-neox', 'gpt-neox-sequential']

const difference = (a: Tensor, b: Tensor): number => {
  const [x, y] = [a.dataSync(), b.dataSync()]
  expect(a.shape).toEqual(b.shape)
  return (
    x.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i]!)), 0) / y.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
  )
}

describe.each([js(), wasm()] as Backend[])('on $name', backend => {
  it.each(families)('%s: the logits of the folder as it is', name => {
    const model = readModel(join(fixtures, name), { dtype: 'f64', backend })
    scope(() => {
      const ids = readNpy(bytes(name, 'input.npy'), { dtype: 'i32', backend })
      const logits = readNpy(bytes(name, 'logits.npy'), { dtype: 'f64', backend })
      expect(difference(run(towerOf(model), ids), logits)).toBeLessThan(1e-13)
    })
  })
})

it.each(families)('%s: λ is the residual multiplier of the file', name => {
  const { scale } = JSON.parse(readFileSync(join(fixtures, name, 'expected.json'), 'utf8'))
  const scales = scalesOfModel(parseConfig(readFileSync(join(fixtures, name, 'config.json'), 'utf8')))
  expect(scales).toHaveLength(config(name).num_hidden_layers * (name === 'gpt-neox' ? 1 : 2))
  expect(new Set(scales)).toEqual(new Set([scale]))
})

describe('what is not supported is refused by name', () => {
  it.each([
    [
      'llama',
      { rope_scaling: { rope_type: 'llama3', factor: 8 } },
      'rope_scaling.rope_type is "llama3"; expected "default"',
    ],
    ['llama', { rope_parameters: { rope_type: 'yarn' } }, 'rope_parameters.rope_type is "yarn"'],
    ['llama', { residual_multiplier: 0.5 }, 'residual_multiplier is 0.5; expected only where model_type is "granite"'],
    ['llama', { pretraining_tp: 2 }, 'pretraining_tp is 2; expected 1'],
    ['llama', { hidden_act: 'mish' }, 'hidden_act is "mish"'],
    ['llama', { num_key_value_heads: 3 }, 'num_key_value_heads is 3; expected a divisor of num_attention_heads'],
    ['llama', { model_type: 'gemma' }, 'model_type is "gemma"; expected one of'],
    ['qwen3', { layer_types: ['full_attention'] }, 'expected one for every layer'],
    ['gpt-neox', { rope_scaling: { type: 'linear', factor: 2 } }, 'rope_scaling.type is "linear"'],
    ['llama', { rope_scaling: { factor: 2 } }, 'rope_scaling is {"factor":2}; expected a rope_type, "default"'],
    [
      'qwen3',
      { rope_parameters: { full_attention: { rope_type: 'yarn' } } },
      'rope_parameters is {"full_attention":{"rope_type":"yarn"}}; expected a rope_type, "default"',
    ],
    ['qwen3', { use_sliding_window: false }, 'use_sliding_window is false; expected true beside layer_types'],
    ['qwen3', { sliding_window: null }, 'sliding_window is null; expected a number beside layer_types'],
    [
      'gpt-neox',
      { rotary_pct: 0.7 },
      'rotary_pct is 0.7; expected a part of the 8 elements of a head that is an even number, got 5',
    ],
    ['gpt-neox', { rotary_pct: 0.125 }, 'is an even number, got 1'],
    [
      'gpt-neox',
      { rope_scaling: { type: 'default', partial_rotary_factor: 0.25 } },
      'rotary_pct is 0.5; expected the value that its other',
    ],
    [
      'gpt-neox',
      { rotary_pct: 0.5, partial_rotary_factor: 0.25 },
      'rotary_pct is 0.5; expected the value that its other',
    ],
    [
      'gpt-neox',
      { rotary_emb_base: 500, rope_parameters: { rope_theta: 10000 } },
      'rotary_emb_base is 500; expected the',
    ],
  ] as const)('%s with %j', (name, changes, message) => {
    expect(() => parseConfig(JSON.stringify({ ...config(name), ...changes }))).toThrow(message)
  })
})

describe('fields of other names or of no meaning', () => {
  const logits = (name: string, changes: object) =>
    scope(() => {
      const text = JSON.stringify({ ...config(name), ...changes })
      const model = modelFrom(text, bytes(name, 'model.safetensors'), { dtype: 'f64', onWarning: () => {} })
      return run(towerOf(model), readNpy(bytes(name, 'input.npy'), { dtype: 'i32' })).dataSync()
    })

  // Hugging Face's Qwen2 has biases of queries, keys and values without asking, and none of the output.
  it.each([true, false])('attention_bias %s of a qwen2 leaves its biases as they are', attention_bias => {
    expect(logits('qwen2', { attention_bias })).toEqual(logits('qwen2', {}))
  })

  it.each(['llama', 'granite', 'minicpm'])('a window of attention is no field of %s', name => {
    expect(logits(name, { sliding_window: 2 })).toEqual(logits(name, {}))
  })

  it('partial_rotary_factor in rope_scaling is that of the rotary positions', () => {
    const named = { rotary_pct: undefined, rope_scaling: { type: 'default', partial_rotary_factor: 0.5 } }
    expect(logits('gpt-neox', named)).toEqual(logits('gpt-neox', {}))
    expect(logits('gpt-neox', { rotary_pct: undefined })).not.toEqual(logits('gpt-neox', {}))
  })
})

describe('fields that the file leaves out have the values of Hugging Face', () => {
  it.each([
    ['granite', { attention_multiplier: 1 }],
    ['granite', { residual_multiplier: 1, embedding_multiplier: 1, logits_scaling: 1 }],
    ['minicpm', { scale_depth: 1 }],
    ['minicpm', { dim_model_base: 1, scale_emb: 1 }],
    ['gpt-neox', { rotary_pct: 0.25 }],
    ['gpt-neox', { rotary_emb_base: 10000 }],
  ] as const)('%s: %j', (name, values) => {
    const logits = (changes: object) =>
      scope(() => {
        const text = JSON.stringify({ ...config(name), rope_theta: undefined, rope_parameters: undefined, ...changes })
        const model = modelFrom(text, bytes(name, 'model.safetensors'), { dtype: 'f64', onWarning: () => {} })
        return run(towerOf(model), readNpy(bytes(name, 'input.npy'), { dtype: 'i32' })).dataSync()
      })
    const without = Object.fromEntries(Object.keys(values).map(field => [field, undefined]))
    expect(logits(without)).toEqual(logits(values))
    expect(logits(without)).not.toEqual(logits({}))
  })

  it('qwen3: heads of 128', () => {
    const qwen3 = { ...config('qwen3'), head_dim: undefined }
    expect(() => modelFrom(JSON.stringify(qwen3), bytes('qwen3', 'model.safetensors'))).toThrow(
      `config.json makes it [${128 * qwen3.num_attention_heads},${qwen3.hidden_size}]`,
    )
  })
})

describe('weights of a folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'unravel-language-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const whole = bytes('granite', 'model.safetensors')
  writeFileSync(join(folder, 'config.json'), bytes('granite', 'config.json'))

  it('come in shards that an index names; a shard without a tensor is named', () => {
    const length = Number(new DataView(whole.buffer).getBigUint64(0, true))
    const header = JSON.parse(new TextDecoder().decode(whole.subarray(8, 8 + length)))
    const shards: [string, string[]][] = [
      ['a.safetensors', []],
      ['b.safetensors', []],
    ]
    Object.keys(header).forEach((name, i) => {
      shards[i % 2]![1].push(name)
    })
    const map: Record<string, string> = {}
    for (const [file, names] of shards) {
      let at = 0
      const part: Record<string, object> = {}
      const bodies = names.map(name => {
        const [begin, end] = header[name].data_offsets
        part[name] = { ...header[name], data_offsets: [at, (at += end - begin)] }
        map[name] = file
        return whole.subarray(8 + length + begin, 8 + length + end)
      })
      const json = new TextEncoder().encode(JSON.stringify(part))
      const size = new Uint8Array(8)
      new DataView(size.buffer).setBigUint64(0, BigInt(json.length), true)
      writeFileSync(join(folder, file), Buffer.concat([size, json, ...bodies]))
    }
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
    const sharded = readModel(folder, { dtype: 'f64' })
    const one = readModel(join(fixtures, 'granite'), { dtype: 'f64' })
    for (const [name, t] of Object.entries(one.tensors)) {
      expect(sharded.tensors[name]!.dataSync()).toEqual(t.dataSync())
    }
    map['model.norm.weight'] = 'a.safetensors' === map['model.norm.weight'] ? 'b.safetensors' : 'a.safetensors'
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
    expect(() => readModel(folder)).toThrow(/"[ab]\.safetensors" has no tensor "model\.norm\.weight"/)
    map['model.norm.weight'] = '../model.safetensors'
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
    expect(() => readModel(folder)).toThrow('expected the name of a file beside the index')
  })

  it('of torch.save are refused by the name of their file', () => {
    const state = fileURLToPath(new URL('../../tensor/fixtures/torch/state.pth', import.meta.url))
    rmSync(join(folder, 'model.safetensors.index.json'))
    writeFileSync(join(folder, 'pytorch_model.bin'), readFileSync(state))
    expect(() => readModel(folder)).toThrow(': pytorch_model.bin: tensor "fc.weight" is not part of this llama')
    rmSync(join(folder, 'pytorch_model.bin'))
  })

  it('that are not there are asked for by the names they may have', () => {
    expect(() => readModel(folder)).toThrow('there is no model.safetensors (nor model.safetensors.index.json')
  })
})
