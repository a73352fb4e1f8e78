import { type Backend, js, Random, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import {
  constant,
  heNormal,
  heUniform,
  type Initialiser,
  initialise,
  lecunNormal,
  lecunUniform,
  modelFiles,
  residualMlp,
  skipInit,
  xavierNormal,
  xavierUniform,
  zeroWeights,
} from './index.js'

const f64 = { dtype: 'f64', backend: js() } as const
const config = {
  architecture: 'residual-mlp',
  input: 5,
  width: 7,
  hidden: 9,
  output: 3,
  depth: 2,
  activation: 'relu',
  norm: 'batch',
  norm_eps: 1e-5,
} as const

describe('initialisers', () => {
  // [64, 32, 3, 3]: fan_in 288, fan_out 576.
  it.each<[string, Initialiser, number, 'normal' | 'uniform']>([
    ['heNormal', heNormal, 2 / 288, 'normal'],
    ['heUniform', heUniform, 2 / 288, 'uniform'],
    ['xavierNormal', xavierNormal, 2 / 864, 'normal'],
    ['xavierUniform', xavierUniform, 2 / 864, 'uniform'],
    ['lecunNormal', lecunNormal, 1 / 288, 'normal'],
    ['lecunUniform', lecunUniform, 1 / 288, 'uniform'],
  ])('%s has its variance', (_, draw, variance, kind) => {
    const x = Float64Array.from(draw(new Random(7), [64, 32, 3, 3], f64).dataSync())
    const n = x.length
    const mean = x.reduce((s, v) => s + v, 0) / n
    const found = x.reduce((s, v) => s + (v - mean) ** 2, 0) / n
    // Five standard errors; the kurtosis is 3 for a normal, 9/5 for a uniform.
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(variance / n))
    expect(Math.abs(found / variance - 1)).toBeLessThan(5 * Math.sqrt((kind === 'normal' ? 2 : 0.8) / n))
    const beyond = x.reduce((m, v) => Math.max(m, Math.abs(v)), 0) / Math.sqrt(3 * variance)
    if (kind === 'normal') expect(beyond).toBeGreaterThan(1.5)
    else expect(beyond).toBeLessThanOrEqual(1)
  })
})

describe('initialise', () => {
  const model = (seed: number, backend: Backend = js(), dtype: 'f32' | 'f64' = 'f32') =>
    initialise(residualMlp, config, { random: new Random(seed), dtype, backend })

  it.each(['f32', 'f64'] as const)('makes the same bits on every backend, and others for another seed: %s', dtype => {
    const weights = modelFiles(model(1, js(), dtype)).weights
    const there = model(1, wasm(), dtype)
    expect(Object.values(there.tensors).every(t => t.dense()[0]!.backend.name === 'wasm' && t.dtype === dtype)).toBe(
      true,
    )
    expect(modelFiles(there).weights).toEqual(weights)
    expect(modelFiles(model(2, js(), dtype)).weights).not.toEqual(weights)
  })

  it('starts biases and norms as PyTorch does', () => {
    const values = (name: string) => [...model(1).tensors[name]!.dataSync()]
    expect(values('blocks.1.norm.weight')).toEqual(new Array(7).fill(1))
    expect(values('blocks.1.norm.running_var')).toEqual(new Array(7).fill(1))
    for (const name of ['blocks.1.norm.bias', 'blocks.1.norm.running_mean'])
      expect(values(name)).toEqual(new Array(7).fill(0))
    expect(values('encoder.bias')).toEqual(new Array(7).fill(0))
  })

  it('gives the last weight of a branch a start of its own', () => {
    const { tensors } = initialise(residualMlp, config, { random: new Random(1), branchEnds: zeroWeights, ...f64 })
    for (const [name, t] of Object.entries(tensors)) {
      if (/^blocks\.\d+\.fc2\.weight$/.test(name)) expect(t.dataSync().every(v => v === 0)).toBe(true)
      else if (/(coder|fc1)\.weight$/.test(name)) expect(t.dataSync().every(v => v !== 0)).toBe(true)
    }
  })

  it('refuses a configuration that the family does not have, and fills in what may be left out', () => {
    const made = (changes: object) =>
      initialise(residualMlp, { ...config, ...changes } as typeof config, { random: new Random(1), ...f64 })
    expect(() => made({ depth: 1.5 })).toThrow(/initialise: depth is 1.5; expected int/)
    expect(() => made({ width: 0 })).toThrow('width is 0')
    expect(() => made({ depth: undefined, activation: 'swish' })).toThrow(/depth is missing.* — activation is "swish"/)
    expect(Object.keys(made({ norm: undefined }).tensors).filter(n => n.includes('norm'))).toEqual([])
    expect(made({ norm: undefined }).config.norm).toBe('none')
  })

  it('makes learned scales only where the preset learns', () => {
    const scaled = (scale = constant(0.5)) => initialise(residualMlp, config, { random: new Random(1), scale, ...f64 })
    expect(Object.keys(scaled().tensors).filter(n => n.endsWith('.scale'))).toEqual([])
    expect(scaled().config.scale).toEqual({ rule: 'constant', value: 0.5 })
    expect(scaled(constant(0.5, true)).tensors['blocks.1.scale']!.item()).toBe(1)
    expect(scaled(skipInit()).tensors['blocks.1.scale']!.item()).toBe(0)
  })
})
